import { RecordKind as Kinds, type RecordKind } from "../abi/layout.js";
import {
  assetOfRecord,
  FILE_EXTENSION,
  JournalError,
  JournalReader,
  type RunJournal,
  recvOffset,
  TapeFileWriter,
} from "../store/index.js";
import { type RunFacts, readRunFacts } from "./journal-facts.js";
import { monoNsOf, type OwnStep, ownOrderBody, ownSteps } from "./journal-orders.js";
import { IntakeReplay } from "./kernel-replay.js";
import { OwnInBooks } from "./own-in-books.js";
import { tapeInstruments } from "./tape-plan.js";

export interface JournalTape {
  readonly path: string;
  /** Of the market. */
  readonly records: number;
  /** Steps of own orders. */
  readonly ownRecords: number;
  /** Smallest receive minus exchange time, ns. */
  readonly clockOffsetNs: number;
  /** What the journal does not hold, and what was changed. */
  readonly notes: readonly string[];
}

/**
 * The market that a run saw, as a tape: the journalled frames through the production decoder, with the steps of its own orders between
 * them. A live venue's books hold our orders too: they are taken out (`TapeMeta.ownOrders`), a paper run's never were in them.
 *
 * @param path of the tape to write; must not exist.
 * @param facts of the same journal, when they are there already.
 * @throws {JournalError} Without the feed's journal, or its beginning. {TapeError} When the tape cannot be written.
 */
export function journalToTape(journal: RunJournal, path: string, facts?: RunFacts): JournalTape {
  const files = journal.threads.get("ingest");
  if (files === undefined)
    throw new JournalError("not_replayable", `${journal.dir}/${journal.runId} has no journal of the feed`);
  return new Conversion(journal, path, facts ?? readRunFacts(journal)).run(new JournalReader(files));
}

class Conversion {
  private writer: TapeFileWriter | undefined;
  private records = 0;
  private ownRecords = 0;
  private offsetNs = Number.POSITIVE_INFINITY;
  private baseNs = 0n;
  private lastNs = 0;
  private readonly notes: string[] = [];
  private stepAt = 0;
  private readonly steps: readonly OwnStep[];
  private readonly books: OwnInBooks | undefined;

  constructor(
    private readonly journal: RunJournal,
    private readonly path: string,
    private readonly facts: RunFacts,
  ) {
    this.steps = ownSteps(facts);
    this.books = facts.setup.paper === undefined ? new OwnInBooks(facts) : undefined;
  }

  run(reader: JournalReader): JournalTape {
    const { journal, facts, notes } = this;
    const { config, instruments } = facts.setup;
    const intake = new IntakeReplay(
      instruments,
      instruments.map(() => 0),
      1,
      {
        staleAfterMs: config.risk.pull_quotes_after_stale_secs * 1000,
        hasStandby: config.engine.standby,
      },
    );
    for (const record of reader) {
      if (this.writer === undefined) this.open(reader);
      intake.take(record);
      for (const { kind, body } of intake.records[0]!) this.market(kind, body);
      intake.records[0]!.length = 0;
      if (intake.gap !== "") {
        notes.push(intake.gap);
        intake.gap = "";
      }
    }
    const { writer } = this;
    if (writer === undefined)
      throw new JournalError(
        "not_replayable",
        `${journal.dir}/${journal.runId}: the feed's journal is empty`,
      );
    this.ownUpTo(Number.POSITIVE_INFINITY);
    if (Number.isFinite(this.offsetNs)) writer.setClockOffset(this.offsetNs);
    writer.close();
    this.noteBooks();
    const { path, records, ownRecords, offsetNs } = this;
    return { path, records, ownRecords, clockOffsetNs: Number.isFinite(offsetNs) ? offsetNs : 0, notes };
  }

  private open(reader: JournalReader): void {
    const { setup } = this.facts;
    const { wallBaseMs, monoBaseNs, segmentIndex } = reader.headers[0]!;
    if (segmentIndex !== 0) {
      this.notes.push("the oldest part of the feed's journal was pruned: the tape begins later than the run");
      while ((this.steps[this.stepAt]?.recvMs ?? Number.POSITIVE_INFINITY) < wallBaseMs) this.stepAt++;
    }
    this.baseNs = BigInt(Math.round(wallBaseMs - monoBaseNs / 1e6)) * 1_000_000n;
    this.writer = new TapeFileWriter({
      path: this.path,
      meta: {
        venue: `hyperliquid-${setup.endpoints.name}`,
        baseWallNs: String(this.baseNs),
        instruments: tapeInstruments(setup.instruments),
        ownOrders: this.books === undefined ? "paper" : "apart",
        source: `journal ${this.journal.runId}`,
        notes: [],
      },
    });
  }

  private market(kind: RecordKind, body: Float64Array): void {
    const recvNs = body[recvOffset(kind) >> 3]!;
    this.ownUpTo(recvNs);
    if (recvOffset(kind) === 8) {
      const exchNs = new BigInt64Array(body.buffer, body.byteOffset, 1)[0]!;
      if (exchNs > 0n) this.offsetNs = Math.min(this.offsetNs, recvNs - Number(exchNs - this.baseNs));
    }
    const asset = assetOfRecord(kind, new Uint8Array(body.buffer), 0);
    if (this.books?.take(kind, asset, body) === false) return;
    this.append(kind, asset, body, recvNs);
    this.records++;
  }

  /** Own orders up to a time. */
  private ownUpTo(untilNs: number): void {
    const { monoZeroMs } = this.facts;
    for (let step = this.steps[this.stepAt]; step !== undefined; step = this.steps[++this.stepAt]) {
      const recvNs = monoNsOf(step.recvMs, monoZeroMs);
      if (recvNs > untilNs) break;
      this.append(Kinds.OwnOrder, step.asset, ownOrderBody(step, this.ownRecords++, monoZeroMs), recvNs);
    }
  }

  private append(kind: RecordKind, asset: number, body: Float64Array, recvNs: number): void {
    this.lastNs = Math.max(this.lastNs, recvNs);
    this.writer!.append(kind, asset, body, 0, body.byteLength, this.lastNs);
  }

  private noteBooks(): void {
    const { books, notes } = this;
    if (books === undefined || books.changed === 0) return;
    notes.push(`own orders were taken out of ${books.changed} levels and touches of the venue's books`);
    if (books.dropped > 0)
      notes.push(`${books.dropped} touches that were ours alone are left out: nothing is known behind them`);
    if (books.doubtful > 0)
      notes.push(`${books.doubtful} levels showed less than our own orders: nothing was left of them`);
    if (books.endless > 0)
      notes.push(
        `the end of ${books.endless} own orders is not in the journal: they were taken out up to their last word`,
      );
  }
}

/** What tape files end with. */
export const tapeNameOf = (journal: RunJournal): string => `${journal.runId}${FILE_EXTENSION}`;
