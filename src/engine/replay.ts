import {
  LADDER_FAIR_PX,
  LADDER_HALF_SPREAD_BPS,
  LADDER_SEQ,
  LADDER_SKEW_BPS,
  LAYOUT_HASH,
} from "../abi/layout.js";
import { Rng, type Timers } from "../domain/index.js";
import { CellWriter, RingConsumer, RingProducer } from "../rings/index.js";
import {
  JournalError,
  type JournalHeader,
  JournalKind,
  JournalReader,
  type JournalRecord,
  JournalStream,
  type KernelPass,
  type RunJournal,
  readPasses,
  readTurns,
  type Turn,
  TurnEntry,
  TurnKind,
  unpacked,
} from "../store/index.js";
import { L1Signer } from "../venues/hyperliquid/sign.js";
import { IntakeReplay, KernelReplay, type RecordCopy, takeAll, writeRecord } from "./kernel-replay.js";
import { LiveEngine } from "./live.js";
import type { PaperPlan } from "./paper.js";
import { liveOptions, type SessionSetup } from "./session-setup.js";
import { TradingSession } from "./trading-session.js";
import { type PlayedTurn, type Sent, TurnPlayer } from "./turn-player.js";
import { unpackLadder } from "./turns.js";
import type { OpenAccount } from "./venue-account.js";

export interface ReplayOptions {
  readonly journal: RunJournal;
  /** The run's own key: signatures are compared too. Without, everything but them. */
  readonly key?: Uint8Array | undefined;
  /** What if this had been different: the first difference is then shown. */
  readonly change?: (setup: SessionSetup) => SessionSetup;
  /** Inbound events shown before a divergence. Default 8. */
  readonly context?: number;
}

/** The first thing that the replayed build did otherwise. */
export interface Divergence {
  readonly where: "executor" | "kernel";
  /** ns since engine start, and the wall clock of it. */
  readonly monoNs: number;
  readonly atMs: number;
  /** Number of the turn or pass, from 0. */
  readonly at: number;
  /** In words: the event that was being handled. */
  readonly event: string;
  readonly expected: string;
  readonly got: string;
  /** What came in before it, oldest first. */
  readonly before: readonly string[];
}

export interface ReplayReport {
  readonly runId: string;
  readonly isIdentical: boolean;
  readonly isSignatureCompared: boolean;
  readonly turns: number;
  readonly outbound: number;
  readonly outboundBytes: number;
  readonly ladders: number;
  readonly passes: number;
  /** Turns whose timer, socket or request the replayed build never made. */
  readonly strays: number;
  /** Ladders that the executor did not see were computed but cannot be compared. */
  readonly laddersCompared: number;
  /** What the journal does not hold, so that it was not checked. */
  readonly gaps: readonly string[];
  readonly divergence: Divergence | undefined;
}

const NO_TIMERS: Timers = { after: () => () => {}, every: () => () => {} };
const NOBODY = new Uint8Array(32).fill(1);
const SIGNATURE = /"signature":\{[^}]*\}/;
const SHOWN_BYTES = 600;

/**
 * Runs a journal through this build.
 *
 * Two halves: the executor's (turns of the main thread → every byte that left), and the feed's and kernels' (frames, the account
 * records of the first half and the passes → every ladder that the executor saw). Stops at the first difference of each.
 *
 * @throws {JournalError} `not_replayable` When the beginning was pruned or is of another layout.
 */
export async function replayJournal(o: ReplayOptions): Promise<ReplayReport> {
  const replay = new Replay(o);
  await replay.executor();
  if (replay.divergence === undefined) replay.kernels();
  return replay.report();
}

/** The session that a journal began with. @throws {JournalError} */
export function readSetup(journal: RunJournal): { setup: SessionSetup; reader: () => JournalReader } {
  const files = journal.threads.get("main");
  const fail = (why: string): JournalError =>
    new JournalError(
      "not_replayable",
      `${journal.dir}/${journal.runId} cannot be replayed, fitted, reconciled or made a tape of: ${why}`,
    );
  if (files === undefined) throw fail("its main thread's journal is missing");
  const first = new JournalReader(files);
  for (const record of first) {
    if (first.headers[0]!.segmentIndex !== 0)
      throw fail(
        `its beginning was pruned, ${pruned(first.headers[0]!)}, and with it what the run was made of. Give longer runs a larger [engine] journal_max_mib, or \`run --record DIR\`: a tape of the market and of own orders, of any length`,
      );
    if (record.kind === JournalKind.Turns) break;
    if (record.kind !== JournalKind.Session) continue;
    const setup = unpacked(Buffer.from(record.bytes).toString("utf8")) as SessionSetup;
    if (setup.layoutHash !== LAYOUT_HASH)
      throw fail(`it was written by ${setup.version}, whose records have another layout than this build's`);
    return { setup, reader: () => new JournalReader(files) };
  }
  throw fail("it holds no session (an older build's, or the start failed)");
}

const pruned = ({ prunedSegments: n, prunedBytes }: JournalHeader): string =>
  `${n} segment${n === 1 ? "" : "s"} of ${(prunedBytes / 2 ** 20).toFixed(0)} MiB`;

class Replay {
  divergence: Divergence | undefined;
  private readonly setup: SessionSetup;
  private readonly reader: () => JournalReader;
  private readonly gaps: string[] = [];
  private readonly before: string[] = [];
  private turns = 0;
  private outbound = 0;
  private outboundBytes = 0;
  private passes = 0;
  private compared = 0;
  private strays = 0;
  private baseMs = 0;
  private market:
    | {
        readonly producer: RingProducer;
        readonly frames: Iterator<JournalRecord>;
        readonly intake: IntakeReplay;
      }
    | undefined;
  private openPaper: ((plan: PaperPlan) => OpenAccount) | undefined;
  /** Ladders as the executor saw them, by asset and sequence. */
  private readonly ladders: Map<number, { readonly monoNs: number; readonly packed: Uint8Array }>[] = [];
  /** Records to each kernel's account ring, in order. */
  private readonly accounts: RecordCopy[][] = [];
  private kernelOf: readonly number[] = [];
  private assetsOf: readonly (readonly number[])[] = [];

  constructor(private readonly o: ReplayOptions) {
    const { setup, reader } = readSetup(o.journal);
    this.setup = o.change?.(setup) ?? setup;
    this.reader = reader;
  }

  // ── executor ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async executor(): Promise<void> {
    // Loaded on demand, as in a run.
    if (this.setup.paper !== undefined) {
      this.openPaper = (await import("./paper.js")).paperAccount;
      this.checkPaperFeed();
    }
    const player = new TurnPlayer();
    const reader = this.reader();
    let engine: PlayedEngine | undefined;
    let previous: PlayedTurn | undefined;
    for (const played of this.playedTurns(reader)) {
      const { turn } = played;
      if (turn.isDrained && previous !== undefined) await player.drain();
      if (previous !== undefined && this.differs(previous, player)) return;
      this.collectAccounts(engine);
      if (turn.kind === TurnKind.Ladder) this.keepLadder(turn, player.nowNs);
      player.open(turn);
      engine ??= this.makeEngine(player);
      player.call(played, engine);
      this.note(played, player.nowNs);
      previous = played;
      this.turns++;
    }
    await player.drain();
    if (previous !== undefined) this.differs(previous, player);
    this.collectAccounts(engine);
    this.strays = player.strays;
    if (!reader.report.isClosed)
      this.gaps.push("the run was not closed in order: its last moments are not in the journal");
  }

  private makeEngine(player: TurnPlayer): PlayedEngine {
    const { setup } = this;
    const live = new LiveEngine(
      liveOptions(setup, {
        signer:
          setup.paper === undefined ? new L1Signer(this.o.key ?? NOBODY, setup.endpoints.source) : undefined,
        funds: setup.markets.map((m) => ({
          dex: m.dex.name,
          collateral: m.collateral,
          accountValueUsd: setup.accountValueUsd,
          withdrawableUsd: setup.accountValueUsd,
          isolatedUsd: new Map(),
        })),
        ...(setup.paper === undefined ? {} : { openAccount: this.openPaper!(setup.paper) }),
        seams: player,
        limitsRng: new Rng(setup.seed).fork("trading limits"),
        onLimited: () => {},
        onSpent: undefined,
        clock: player.clock,
        clockBaseNs: 0n,
        timers: NO_TIMERS,
        watchdog: { start: async () => {}, disarm: async () => {} },
        metrics: undefined,
        journal: undefined,
        journalFiles: undefined,
        turns: player,
        isDebugLogged: false,
        log: () => {},
        onNotice: () => {},
        onKilled: () => {},
      }),
    );
    const { segments } = live;
    this.kernelOf = segments.kernelOf;
    this.assetsOf = segments.kernels.map((k) => k.assets);
    const rings = segments.kernels.map((k) => new RingConsumer(k.accountRing));
    const cells = segments.ladders.map((sab) => new CellWriter(sab));
    const session = new TradingSession(live, setup.markets, () => {});
    live.configureKernels();
    const ignore = (): void => {};
    return {
      rings,
      enter: (entry) => {
        const step =
          entry === TurnEntry.Start
            ? session.start()
            : entry === TurnEntry.Stop
              ? session.stop()
              : session.close();
        // How it ended is the live run's affair; what it sent on the way is compared.
        (step as Promise<unknown>).then(ignore, ignore);
      },
      market: (count) => {
        this.feedMarket(live, count);
        live.pollTrader();
      },
      ladder: (asset, packed) => {
        const cell = cells[asset]!;
        unpackLadder(packed, cell.u8, cell.begin());
        cell.publish();
        live.pollTrader();
      },
    };
  }

  /** @throws {JournalError} Without the whole feed the exchange of a paper run does something else. */
  private checkPaperFeed(): void {
    const { dir, runId, threads } = this.o.journal;
    const feed = new JournalReader(threads.get("ingest") ?? []);
    for (const _record of feed) break;
    if (feed.headers[0]?.segmentIndex === 0) return;
    throw new JournalError(
      "not_replayable",
      `${dir}/${runId} cannot be replayed: the beginning of the feed's journal is gone, which moved the paper exchange. Give longer runs a larger [engine] journal_max_mib`,
    );
  }

  /** The next records of the feed, to the ring of the exchange in this process. */
  private feedMarket(live: LiveEngine, count: number): void {
    const ring = live.marketRing;
    if (ring === undefined) return;
    const { config, instruments } = this.setup;
    this.market ??= {
      producer: new RingProducer(ring),
      frames: new JournalReader(this.o.journal.threads.get("ingest") ?? [])[Symbol.iterator](),
      intake: new IntakeReplay(
        instruments,
        instruments.map(() => 0),
        1,
        {
          staleAfterMs: config.risk.pull_quotes_after_stale_secs * 1000,
          hasStandby: config.engine.standby,
        },
      ),
    };
    const { producer, frames, intake } = this.market;
    const records = intake.records[0]!;
    while (records.length < count) {
      const next = frames.next();
      if (next.done === true) break;
      intake.take(next.value);
    }
    for (const record of records.splice(0, count)) writeRecord(producer, record);
  }

  /** Turns in order, each with its frame and what it sent. */
  private *playedTurns(reader: JournalReader): Generator<PlayedTurn> {
    const frames: Uint8Array[] = [];
    let sent: Sent[] = [];
    for (const record of reader) {
      this.baseMs ||= reader.headers[0]!.wallBaseMs - reader.headers[0]!.monoBaseNs / 1e6;
      if (record.kind === JournalKind.InboundFrame && record.stream === JournalStream.Private)
        frames.push(Uint8Array.from(record.bytes));
      else if (record.kind === JournalKind.OutboundBytes)
        sent.push({ stream: streamName(record), bytes: Uint8Array.from(record.bytes) });
      else if (record.kind === JournalKind.Lost || reader.report.missingRecords > 0) {
        this.gaps.push("the disk was too slow: main-thread records are missing, the replay ends before them");
        return;
      } else if (record.kind === JournalKind.Turns) {
        for (const turn of readTurns(record.bytes)) {
          const frame = turn.kind === TurnKind.SocketMessage ? frames.shift() : undefined;
          const own = sent.slice(0, turn.outbound);
          sent = sent.slice(turn.outbound);
          yield { turn, frame, sent: own };
        }
      }
    }
  }

  private differs(played: PlayedTurn, player: TurnPlayer): boolean {
    const { sent } = player;
    const expected = played.sent;
    const count = Math.max(sent.length, expected.length);
    for (let i = 0; i < count; i++) {
      const e = this.comparable(expected[i]);
      const g = this.comparable(sent[i]);
      this.outbound++;
      this.outboundBytes += expected[i]?.bytes.length ?? 0;
      if (e === g) continue;
      this.divergence = {
        where: "executor",
        monoNs: player.nowNs,
        atMs: this.baseMs + player.nowNs / 1e6,
        at: this.turns - 1,
        event: this.before.at(-1) ?? "the start",
        expected: shownFrom(e, firstDifference(e, g)),
        got: shownFrom(g, firstDifference(e, g)),
        before: this.before.slice(0, -1),
      };
      return true;
    }
    return false;
  }

  private comparable(sent: Sent | undefined): string {
    if (sent === undefined) return "";
    const text = `${sent.stream} ${Buffer.from(sent.bytes).toString("latin1")}`;
    return this.o.key === undefined ? text.replace(SIGNATURE, '"signature":{}') : text;
  }

  private collectAccounts(engine: PlayedEngine | undefined): void {
    engine?.rings.forEach((ring, kernel) => {
      this.accounts[kernel] ??= [];
      this.accounts[kernel].push(...takeAll(ring));
    });
  }

  private keepLadder(turn: Turn, monoNs: number): void {
    const view = new DataView(turn.payload.buffer, turn.payload.byteOffset);
    this.ladders[turn.id] ??= new Map();
    this.ladders[turn.id]!.set(view.getUint32(LADDER_SEQ, true), { monoNs, packed: turn.payload });
  }

  private note(played: PlayedTurn, monoNs: number): void {
    this.before.push(`${clockText(this.baseMs + monoNs / 1e6)} ${this.describe(played)}`);
    if (this.before.length > (this.o.context ?? 8) + 1) this.before.shift();
  }

  private describe({ turn, frame }: PlayedTurn): string {
    const { kind, id, payload } = turn;
    const text = (bytes: Uint8Array): string => shown(Buffer.from(bytes).toString("latin1"), 200);
    switch (kind) {
      case TurnKind.Enter:
        return ["made", "start", "stop", "close"][id] ?? `step ${id}`;
      case TurnKind.Timer:
        return `timer ${id}`;
      case TurnKind.SocketMessage:
        return `private frame ${text(frame ?? new Uint8Array(0))}`;
      case TurnKind.SocketOpen:
        return `socket ${id} open`;
      case TurnKind.SocketError:
        return `socket ${id} error ${text(payload)}`;
      case TurnKind.SocketClose:
        return `socket ${id} closed ${text(payload.subarray(4))}`;
      case TurnKind.HttpAnswer:
        return `answer to request ${id}: ${text(payload.subarray(4))}`;
      case TurnKind.HttpFailure:
        return `request ${id} failed: ${text(payload)}`;
      case TurnKind.Ladder:
        return `ladder of ${this.coin(id)} ${ladderText(payload)}`;
      case TurnKind.Market:
        return `market records for the paper exchange`;
      case TurnKind.Answer:
        return `answer from outside ${text(payload)}`;
    }
  }

  private coin(asset: number): string {
    return this.setup.instruments[asset]?.coin ?? `asset ${asset}`;
  }

  // ── feed and kernels ────────────────────────────────────────────────────────────────────────────────────────────────

  kernels(): void {
    const { setup } = this;
    const files = this.o.journal.threads.get("ingest");
    if (files === undefined) {
      this.gaps.push("the feed thread's journal is missing: ladders were taken as recorded");
      return;
    }
    const { config } = setup;
    const intake = new IntakeReplay(setup.instruments, this.kernelOf, this.assetsOf.length, {
      staleAfterMs: config.risk.pull_quotes_after_stale_secs * 1000,
      hasStandby: config.engine.standby,
    });
    const ingest = new JournalReader(files);
    const frames = ingest[Symbol.iterator]();
    const kernels = this.assetsOf.map(
      (assets) =>
        new KernelReplay(assets, {
          requoteBps: config.engine.requote_bps,
          requoteMs: config.engine.requote_ms,
        }),
    );
    /** The journal reaches so far: false when a kernel took more than it has. */
    const fill = (kernel: number, count: number): boolean => {
      while (intake.records[kernel]!.length < count) {
        const next = frames.next();
        if (next.done === true || intake.gap !== "") return false;
        if (ingest.headers[0]!.segmentIndex !== 0) {
          intake.gap = "the feed's oldest segments were pruned";
          return false;
        }
        intake.take(next.value);
        this.noteFrame(next.value);
      }
      return true;
    };
    this.before.length = 0;
    for (const { kernel, pass } of this.recordedPasses()) {
      if (pass.lost > 0) {
        this.gaps.push(
          `kernel ${kernel}: ${pass.lost} passes are missing; ladders after them were not checked`,
        );
        return;
      }
      const accounts = this.accounts[kernel] ?? [];
      if (!fill(kernel, pass.market) || accounts.length < pass.account) {
        this.gaps.push(
          `ladders were checked up to pass ${this.passes}: ${intake.gap || "the journal of the feed ends there"}`,
        );
        return;
      }
      this.passes++;
      const account = accounts.splice(0, pass.account);
      const market = intake.records[kernel]!.splice(0, pass.market);
      kernels[kernel]!.pass(pass, account, market, (asset, seq, packed) =>
        this.compareLadder(asset, seq, packed),
      );
      if (this.divergence !== undefined) return;
    }
  }

  private *recordedPasses(): Generator<{ kernel: number; pass: KernelPass }> {
    for (const record of this.reader()) {
      if (record.kind !== JournalKind.KernelPasses) continue;
      for (const pass of readPasses(record.bytes)) yield { kernel: record.stream, pass };
    }
  }

  private compareLadder(asset: number, seq: number, packed: Uint8Array): void {
    const seen = this.ladders[asset]?.get(seq);
    if (seen === undefined || this.divergence !== undefined) return;
    this.compared++;
    if (Buffer.compare(seen.packed, packed) === 0) return;
    this.divergence = {
      where: "kernel",
      monoNs: seen.monoNs,
      atMs: this.baseMs + seen.monoNs / 1e6,
      at: this.passes - 1,
      event: `ladder ${seq} of ${this.coin(asset)}`,
      expected: ladderText(seen.packed),
      got: ladderText(packed),
      before: [...this.before],
    };
  }

  private noteFrame(record: JournalRecord): void {
    if (record.kind !== JournalKind.InboundFrame) return;
    const text = shown(Buffer.from(record.bytes).toString("latin1"), 160);
    this.before.push(`${clockText(this.baseMs + record.monoNs / 1e6)} frame ${text}`);
    if (this.before.length > (this.o.context ?? 8)) this.before.shift();
  }

  report(): ReplayReport {
    return {
      runId: this.o.journal.runId,
      isIdentical: this.divergence === undefined && this.strays === 0,
      isSignatureCompared: this.o.key !== undefined,
      turns: this.turns,
      outbound: this.outbound,
      outboundBytes: this.outboundBytes,
      ladders: this.ladders.reduce((n, of) => n + (of?.size ?? 0), 0),
      passes: this.passes,
      strays: this.strays,
      laddersCompared: this.compared,
      gaps: this.gaps,
      divergence: this.divergence,
    };
  }
}

interface PlayedEngine {
  readonly rings: readonly RingConsumer[];
  enter(entry: TurnEntry): void;
  ladder(asset: number, packed: Uint8Array): void;
  market(count: number): void;
}

function ladderText(packed: Uint8Array): string {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const f = (at: number): number => view.getFloat64(at, true);
  return `#${view.getUint32(LADDER_SEQ, true)} fair ${f(LADDER_FAIR_PX)}, half-spread ${f(LADDER_HALF_SPREAD_BPS)} bps, skew ${f(LADDER_SKEW_BPS)} bps`;
}

const STREAM_NAME: Readonly<Record<number, string>> = {
  [JournalStream.Public]: "public",
  [JournalStream.Private]: "private",
  [JournalStream.Http]: "http",
};
const streamName = (record: JournalRecord): string => STREAM_NAME[record.stream] ?? String(record.stream);

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

/** Around the place where two long messages part. */
function shownFrom(text: string, at: number): string {
  const from = text.length <= SHOWN_BYTES ? 0 : Math.max(0, at - SHOWN_BYTES / 2);
  return from === 0 ? shown(text) : `… from byte ${from}: ${shown(text.slice(from))}`;
}

const clockText = (ms: number): string => new Date(ms).toISOString().slice(11);

function shown(text: string, max = SHOWN_BYTES): string {
  if (text === "") return "(nothing)";
  return text.length <= max ? text : `${text.slice(0, max)}… (${text.length} bytes)`;
}
