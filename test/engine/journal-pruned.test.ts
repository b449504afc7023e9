import { mkdtempSync, rmSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { LAYOUT_HASH } from "../../src/abi/layout.js";
import { loadConfig } from "../../src/config/index.js";
import { readRunFacts } from "../../src/engine/journal-facts.js";
import { journalToTape } from "../../src/engine/journal-tape.js";
import { replayJournal } from "../../src/engine/replay.js";
import type { SessionSetup } from "../../src/engine/session-setup.js";
import {
  findRunJournal,
  isRunJournal,
  JournalKind,
  JournalStream,
  JournalWriter,
  packed,
  TapeFileReader,
} from "../../src/store/index.js";

const START_MS = 1_760_000_000_000;
const dir = mkdtempSync(join(tmpdir(), "mm-pruned-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A run of a hundred seconds with a book each, in several segments a thread. */
async function journal(runId: string, paper = false) {
  const make = (thread: string): JournalWriter =>
    new JournalWriter({
      ...{ dir, runId, thread, wallBaseMs: START_MS, monoBaseNs: 0 },
      ...{ segmentBytes: 8192, bufferBytes: 8192, bufferCount: 4, maxBytes: 2 ** 20 },
    });
  const writers = { main: make("main"), ingest: make("ingest") };
  const setup: Partial<SessionSetup> = {
    layoutHash: LAYOUT_HASH,
    version: "test",
    startedAtMs: START_MS,
    config: loadConfig(undefined, {}).config,
    endpoints: { name: "localhost" } as SessionSetup["endpoints"],
    instruments: [
      {
        ...{ asset: 0, venueAssetId: 0, coin: "BTC", pxDecimals: 1, szDecimals: 5 },
        ...{ maxSigFigs: 5, minNotionalUsd: 10, maxLeverage: 40 },
      },
    ],
    ...(paper ? { paper: {} as NonNullable<SessionSetup["paper"]> } : {}),
  };
  writers.main.append(JournalKind.Session, 0, Buffer.from(packed(setup)));
  for (let s = 1; s <= 100; s++) {
    const level = (px: number): unknown => ({ px: String(px), sz: "1", n: 1 });
    const data = { coin: "BTC", time: START_MS + s * 1000, levels: [[level(60_000)], [level(60_001)]] };
    const frame = Buffer.from(JSON.stringify({ channel: "l2Book", data }));
    const own = Buffer.from(JSON.stringify({ channel: "orderUpdates", data: [], padding: "x".repeat(300) }));
    writers.ingest.append(JournalKind.InboundFrame, s * 1e9, frame, JournalStream.Public);
    writers.main.append(JournalKind.InboundFrame, s * 1e9, own, JournalStream.Private);
    if (s % 10 === 0) await Promise.all([writers.main.flush(), writers.ingest.flush()]);
  }
  await writers.main.close();
  await writers.ingest.close();
  return findRunJournal(join(dir, runId));
}

const prune = (files: readonly string[]): void => unlinkSync(files[0]!);

describe("a journal whose beginning was pruned", () => {
  test("is refused for everything that needs the run's beginning, with what to do", async () => {
    const { threads } = await journal("main-pruned");
    expect(threads.get("main")!.length).toBeGreaterThan(2);
    prune(threads.get("main")!);
    const left = findRunJournal(join(dir, "main-pruned"));
    const wanted =
      /main-pruned cannot be replayed, fitted, .*beginning was pruned.*journal_max_mib, or `run --record DIR`/;
    await expect(replayJournal({ journal: left })).rejects.toThrow(wanted);
    expect(() => readRunFacts(left)).toThrow(wanted);
    expect(() => journalToTape(left, join(dir, "never.mmt"))).toThrow(wanted);
  });

  test("of the feed alone becomes a tape that begins later, and says so", async () => {
    const { threads } = await journal("feed-pruned");
    prune(threads.get("ingest")!);
    const path = join(dir, "later.mmt");
    const { records, notes } = journalToTape(findRunJournal(join(dir, "feed-pruned")), path);
    expect(records).toBeGreaterThan(10);
    expect(records).toBeLessThan(99);
    expect(notes.join()).toMatch(/oldest part of the feed's journal was pruned: the tape begins later/);
    const reader = new TapeFileReader(path);
    expect(reader.span![0]).toBeGreaterThan(5e9);
    reader.close();
  });

  test("of a paper run's feed is not replayed: the exchange stood on it", async () => {
    const { threads } = await journal("paper-pruned", true);
    prune(threads.get("ingest")!);
    const left = findRunJournal(join(dir, "paper-pruned"));
    await expect(replayJournal({ journal: left })).rejects.toThrow(
      /paper-pruned cannot be replayed: the beginning of the feed's journal is gone.*journal_max_mib/,
    );
  });
});

test("a journal is known by its folder, its run, or one of its files", async () => {
  const { threads } = await journal("known");
  const file = threads.get("main")![0]!;
  expect([dir, join(dir, "known"), file].map(isRunJournal)).toEqual([true, true, true]);
  expect(
    [join(dir, "unknown"), join(dir, "later.mmt"), "/nowhere/at/all", tmpdir()].map(isRunJournal),
  ).toEqual([...[false, false, false, false]]);
});
