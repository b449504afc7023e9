import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import type { Config } from "../../src/config/index.js";
import { type Clock, pow10, Rng, type Timers, VirtualTime } from "../../src/domain/index.js";
import { InlineEngine } from "../../src/engine/inline.js";
import { crossFacts, planAssets } from "../../src/engine/plan.js";
import { TurnPlayer } from "../../src/engine/turn-player.js";
import { packLadder, TurnRecorder, type TurnSeams, unpackLadder } from "../../src/engine/turns.js";
import { SimFeed, SimGateway, SimVenue, SyntheticMarket } from "../../src/sim/index.js";
import {
  JournalReader,
  JournalWriter,
  listJournals,
  packed,
  readTurns,
  type Turn,
  TurnEntry,
  TurnKind,
  TurnWriter,
  unpacked,
} from "../../src/store/index.js";
import { HyperliquidReader } from "../../src/venues/hyperliquid/reader.js";
import { BUSY_MARKET, QUOTING } from "../simulation/worlds.js";

const ADDRESS = "0x5151515151515151515151515151515151515151";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-turns-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const writer = (): JournalWriter =>
  new JournalWriter({ dir, runId: "run", thread: "main", wallBaseMs: 0, monoBaseNs: 0 });

function turnsOf(): Turn[] {
  const reader = new JournalReader(listJournals(dir)[0]!.files);
  return [...reader].filter((r) => r.kind === 12).flatMap((r) => readTurns(r.bytes));
}

/** Venue, network and engine in one thread, on seams that can be recorded. */
function world(
  seams: Pick<TurnSeams, "clock" | "timers" | "outbound">,
  seed: number,
  config: Config = QUOTING,
) {
  const rng = new Rng(seed);
  const time: Clock & Timers = {
    monoNs: () => Math.round(seams.clock.monoNs()),
    wallMs: () => seams.clock.wallMs(),
    after: seams.timers.after,
    every: seams.timers.every,
  };
  const markets = [new SyntheticMarket(BUSY_MARKET, seed)];
  const venue = new SimVenue({
    time,
    markets,
    seed: rng.fork("venue").u32(),
    funding: { [ADDRESS]: 100_000 },
  });
  const instruments = markets.map((m, asset) => ({ ...venue.exchange.market(m.coin)!.instrument, asset }));
  const plan = planAssets(
    config,
    crossFacts(instruments, {
      midPx: instruments.map((i) => venue.exchange.market(i.coin)!.referenceTicks / pow10(i.pxDecimals)),
      accountValueUsd: 100_000,
      makerFeeBps: 1.5,
    }),
    () => {},
  );
  const sent: string[] = [];
  const gateway = new SimGateway({
    venue,
    address: ADDRESS,
    instruments,
    time,
    rng: rng.fork("gateway"),
    reader: new HyperliquidReader(instruments),
    tap: {
      inbound() {},
      outbound(stream, bytes, monoNs) {
        seams.outbound(stream, bytes);
        sent.push(`${monoNs} ${Buffer.from(bytes).toString("latin1")}`);
      },
    },
  });
  const engine = new InlineEngine({
    instruments,
    assets: plan.assets,
    params: plan.params,
    gateway,
    clock: seams.clock,
    timers: seams.timers,
    sessionId: 1,
  });
  const feed = new SimFeed(
    { venue, coins: instruments.map((i) => i.coin), time, rng: rng.fork("feed") },
    engine,
  );
  venue.start();
  feed.start();
  return { engine, sent };
}

/** A clock that nobody can know beforehand: each reading comes a random time later. */
function uncertain(time: VirtualTime, rng: Rng): Clock {
  let last = 0;
  return {
    monoNs: () => {
      last = Math.max(last + 1, time.monoNs() + Math.round(rng.uniform() * 200_000));
      return last;
    },
    wallMs: () => time.wallMs() + rng.uniform(),
  };
}

async function recordRun(seed: number): Promise<string[]> {
  const time = new VirtualTime(Date.UTC(2026, 0, 5, 10, 5));
  const journal = writer();
  const recorder = new TurnRecorder({
    journal,
    clock: uncertain(time, new Rng(seed).fork("clock")),
    timers: time,
    defer: (fn) => time.after(0, fn),
  });
  const { engine, sent } = world(recorder, seed);
  await time.settle(recorder.enter(TurnEntry.Start, () => engine.start()));
  await time.runFor(20_000);
  await time.settle(recorder.enter(TurnEntry.Stop, () => engine.stop()));
  recorder.finish();
  await journal.close();
  return sent;
}

async function playRun(seed: number, config?: Config): Promise<{ sent: string[]; strays: number }> {
  const player = new TurnPlayer();
  let built: ReturnType<typeof world> | undefined;
  let isFirst = true;
  for (const turn of turnsOf()) {
    if (turn.isDrained && !isFirst) await player.drain();
    isFirst = false;
    player.open(turn);
    built ??= world(player, seed, config);
    const { engine } = built;
    player.call(
      { turn, frame: undefined, sent: [] },
      {
        ladder() {},
        market() {},
        enter(entry) {
          void player.enter(
            entry,
            () => (entry === TurnEntry.Start ? engine.start() : engine.stop()) as Promise<unknown>,
          );
        },
      },
    );
  }
  await player.drain();
  return { sent: built!.sent, strays: player.strays };
}

describe("law: a run on an uncertain clock is played again to the byte and the nanosecond", () => {
  test.each([1, 2, 3, 4, 5, 6])("seed %i", async (seed) => {
    const sent = await recordRun(seed);
    expect(sent.length).toBeGreaterThan(20);
    const played = await playRun(seed);
    expect(played.strays).toBe(0);
    expect(played.sent).toEqual(sent);
  });

  test("canary: another seed of the uncertain clock is another run", async () => {
    const a = await recordRun(1);
    rmSync(dir, { recursive: true });
    dir = mkdtempSync(join(tmpdir(), "mm-turns-"));
    const b = await recordRun(2);
    expect(a).not.toEqual(b);
  });

  test("canary: another configuration sends something else", async () => {
    const sent = await recordRun(3);
    const played = await playRun(3, { ...QUOTING, trading: { ...QUOTING.trading, max_bps_diff: 0.2 } });
    expect(played.sent).not.toEqual(sent);
  });
});

describe("turns in the journal", () => {
  test("come back with every reading, in order, whatever their number", async () => {
    const journal = writer();
    const turns = new TurnWriter(journal);
    turns.begin(TurnKind.Timer, 7, true);
    for (let i = 0; i < 1000; i++) turns.tookMono(i + 0.5);
    for (let i = 0; i < 100; i++) turns.tookWall(1e12 + i);
    for (let i = 0; i < 130; i++) turns.tookWritable(i % 3 === 0);
    turns.tookOutbound();
    turns.tookOutbound();
    turns.sawLatch(3, 9);
    turns.begin(TurnKind.SocketClose, 2 ** 31 + 1, false);
    turns.lend(Uint8Array.from([1, 2, 3]));
    turns.finish();
    await journal.close();
    const [made, timer, close] = turnsOf();
    expect(made).toMatchObject({ kind: TurnKind.Enter, id: TurnEntry.Made, outbound: 0 });
    expect(timer).toMatchObject({
      kind: TurnKind.Timer,
      id: 7,
      isDrained: true,
      outbound: 2,
      latchAt: 3,
      latchReason: 9,
    });
    expect([...timer!.mono]).toEqual(Array.from({ length: 1000 }, (_, i) => i + 0.5));
    expect([...timer!.wall].at(-1)).toBe(1e12 + 99);
    expect([...timer!.writable].slice(0, 4)).toEqual([1, 0, 0, 1]);
    expect(close).toMatchObject({ kind: TurnKind.SocketClose, id: 2 ** 31 + 1, isDrained: false });
    expect([...close!.payload]).toEqual([1, 2, 3]);
  });

  test("with an answer larger than any buffer stay whole and in their place", async () => {
    const journal = writer();
    const turns = new TurnWriter(journal);
    const large = new Uint8Array(3_000_000).map((_, i) => i % 251);
    turns.begin(TurnKind.HttpAnswer, 0, true);
    turns.lend(large);
    turns.begin(TurnKind.Timer, 1, true);
    turns.finish();
    await journal.close();
    const all = turnsOf();
    expect(all.map((t) => t.kind)).toEqual([TurnKind.Enter, TurnKind.HttpAnswer, TurnKind.Timer]);
    expect(Buffer.compare(all[1]!.payload, large)).toBe(0);
  });

  test("a ladder loses only its empty levels", () => {
    const rng = new Rng(1);
    const u8 = Uint8Array.from({ length: abi.LADDER_SIZE }, () => rng.below(256));
    u8[abi.LADDER_BID_COUNT] = 3;
    u8[abi.LADDER_ASK_COUNT] = 32;
    u8.fill(0, abi.LADDER_BIDS + 3 * abi.QUOTE_SIZE, abi.LADDER_ASKS);
    const into = new Uint8Array(abi.LADDER_SIZE);
    const bytes = packLadder(u8, 0, into);
    expect(bytes).toBe(abi.LADDER_BIDS + 35 * abi.QUOTE_SIZE);
    const back = new Uint8Array(abi.LADDER_SIZE + 8).fill(7);
    unpackLadder(into.subarray(0, bytes), back, 8);
    expect(Buffer.compare(back.subarray(8), u8)).toBe(0);
  });

  test("a session's numbers survive its text: infinities, minus zero, maps", () => {
    const value = {
      a: Number.POSITIVE_INFINITY,
      b: Number.NaN,
      c: -0,
      d: new Map([["x", 0.1 + 0.2]]),
      e: [null, "t"],
    };
    expect(unpacked(packed(value))).toEqual(value);
    expect(Object.is((unpacked(packed(value)) as { c: number }).c, -0)).toBe(true);
    expect(unpacked(packed(undefined))).toBeNull();
  });
});
