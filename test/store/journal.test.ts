import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { LAYOUT_HASH } from "../../src/abi/layout.js";
import {
  JournalKind,
  type JournalOptions,
  JournalReader,
  type JournalRecord,
  JournalStream,
  type JournalTap,
  JournalWriter,
  journalTap,
  listJournals,
  NO_BYTES,
  pruneRuns,
} from "../../src/store/index.js";
import type { WireTap } from "../../src/venues/port.js";

const root = mkdtempSync(join(tmpdir(), "mm-journal-"));
let dir = root;
beforeEach(() => {
  dir = mkdtempSync(join(root, "t-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const writer = (more: Partial<JournalOptions> = {}): JournalWriter =>
  new JournalWriter({
    dir,
    runId: "run-1",
    thread: "feed",
    wallBaseMs: 1_700_000_000_000,
    monoBaseNs: 42,
    ...more,
  });

interface Kept extends Omit<JournalRecord, "bytes"> {
  readonly text: string;
}

function read(): { reader: JournalReader; records: Kept[] } {
  const [journal] = listJournals(dir);
  const reader = new JournalReader(journal!.files);
  const records: Kept[] = [];
  for (const { kind, stream, monoNs, sequence, bytes } of reader)
    records.push({ kind, stream, monoNs, sequence, text: Buffer.from(bytes).toString("latin1") });
  return { reader, records };
}

const bytesOf = (text: string): Uint8Array => Buffer.from(text, "latin1");
const filled = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 255);

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // closed meanwhile
  }
}

describe("journal", () => {
  it("gives back what was appended, in order, with times, streams and sequence numbers", async () => {
    const journal = writer();
    const scratch = Buffer.from("first");
    expect(journal.append(JournalKind.InboundFrame, 100.5, scratch, JournalStream.Public)).toBe(true);
    scratch.fill(0); // the writer has its own copy
    journal.append(JournalKind.TimerTick, 200, NO_BYTES, 3);
    journal.append(JournalKind.OutboundBytes, 2 ** 52, bytesOf("second"), JournalStream.Private);
    await journal.close();
    const { reader, records } = read();
    expect(records).toEqual([
      { kind: JournalKind.InboundFrame, stream: 1, monoNs: 100.5, sequence: 0, text: "first" },
      { kind: JournalKind.TimerTick, stream: 3, monoNs: 200, sequence: 1, text: "" },
      { kind: JournalKind.OutboundBytes, stream: 2, monoNs: 2 ** 52, sequence: 2, text: "second" },
      { kind: JournalKind.End, stream: 0, monoNs: 2 ** 52, sequence: 3, text: "" },
    ]);
    expect(reader.report).toMatchObject({
      segments: 1,
      records: 4,
      cutBytes: 0,
      missingRecords: 0,
      isClosed: true,
    });
    expect(reader.headers[0]).toMatchObject({
      layoutHash: LAYOUT_HASH >>> 0,
      runId: "run-1",
      thread: "feed",
      wallBaseMs: 1_700_000_000_000,
      monoBaseNs: 42,
      firstSequence: 0,
      prunedSegments: 0,
    });
  });

  it("law: any sequence of records of any size survives buffers, rotation and oversize", async () => {
    let n = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.nat({ max: 12_000 }), fc.nat({ max: 255 }), fc.constantFrom("", "kick", "flush")),
          {
            minLength: 1,
            maxLength: 60,
          },
        ),
        async (plan) => {
          dir = mkdtempSync(join(root, `law-${n++}-`));
          const journal = writer({
            bufferBytes: 4096,
            bufferCount: 3,
            segmentBytes: 16_384,
            maxBytes: 2 ** 20,
          });
          for (const [size, seed, then] of plan) {
            if (!journal.append(JournalKind.InboundFrame, seed, filled(size, seed), seed)) {
              await journal.flush();
              throw new Error("lost although flushed every time");
            }
            if (then === "kick") journal.kick();
            await journal.flush();
          }
          await journal.close();
          const { reader, records } = read();
          expect(records.slice(0, -1)).toEqual(
            plan.map(([size, seed], i) => ({
              kind: JournalKind.InboundFrame,
              stream: seed,
              monoNs: seed,
              sequence: i,
              text: Buffer.from(filled(size, seed)).toString("latin1"),
            })),
          );
          expect(reader.report).toMatchObject({
            cutBytes: 0,
            missingRecords: 0,
            lostRecords: 0,
            isClosed: true,
          });
        },
      ),
      { seed: 7, numRuns: 40 },
    );
  });

  it("kick puts a quiet thread's records on the disk without an end", async () => {
    const journal = writer();
    journal.append(JournalKind.Note, 1, bytesOf("hello"));
    journal.kick();
    await journal.flush();
    expect(read().records.map((r) => r.text)).toEqual(["hello"]);
    expect(read().reader.report.isClosed).toBe(false);
    await journal.close();
  });

  it("closeSync writes everything without the event loop, whatever is in flight", async () => {
    const journal = writer({ bufferBytes: 4096, bufferCount: 8, segmentBytes: 4096 });
    for (let i = 0; i < 20; i++) journal.append(JournalKind.InboundFrame, i, filled(1000, i));
    journal.closeSync();
    const { reader, records } = read();
    expect(records.map((r) => r.sequence)).toEqual(Array.from({ length: 21 }, (_, i) => i));
    expect(reader.report).toMatchObject({ cutBytes: 0, missingRecords: 0, isClosed: true });
    expect(journal.append(JournalKind.Note, 1, NO_BYTES)).toBe(false);
    // The asynchronous write that was under way ends later and must change nothing.
    const before = readFileSync(listJournals(dir)[0]!.files[0]!);
    await new Promise((resolve) => setImmediate(resolve));
    expect(readFileSync(listJournals(dir)[0]!.files[0]!)).toEqual(before);
  });

  it.each(["close", "closeSync"] as const)("%s ends in order though every buffer is full", async (how) => {
    const journal = writer({ bufferBytes: 4096, bufferCount: 2 });
    for (let i = 0; i < 20; i++) journal.append(JournalKind.InboundFrame, i, filled(1000, i));
    await journal[how]();
    const { reader, records } = read();
    expect(reader.report).toMatchObject({
      isClosed: true,
      cutBytes: 0,
      lostRecords: journal.stats.lostRecords,
    });
    expect(records.length).toBe(journal.stats.records);
    expect(journal.stats.lostRecords).toBeGreaterThan(0);
  });

  it("loses and counts what the disk cannot take, says so in its place, and never grows", async () => {
    const told: string[] = [];
    const journal = writer({ bufferBytes: 4096, bufferCount: 2, onTrouble: (message) => told.push(message) });
    // The event loop does not turn here, so nothing can be written: two buffers are all there is.
    let taken = 0;
    for (let i = 0; i < 100; i++) if (journal.append(JournalKind.InboundFrame, i, filled(1000, i))) taken++;
    expect(taken).toBeLessThan(10);
    expect(journal.stats.lostRecords).toBe(100 - taken);
    expect(journal.pendingBytes).toBeLessThanOrEqual(2 * 4096);
    expect(told).toEqual(["journal feed: records are being lost: the disk is slower than the inflow"]);
    await journal.flush();
    journal.append(JournalKind.Note, 200, bytesOf("after"));
    await journal.close();
    const { reader, records } = read();
    const lost = records.find((r) => r.kind === JournalKind.Lost)!;
    expect(lost.sequence).toBe(100);
    expect(Buffer.from(lost.text, "latin1").readUInt32LE(0)).toBe(100 - taken);
    expect(records[records.indexOf(lost) + 1]!.text).toBe("after");
    expect(reader.report.lostRecords).toBe(100 - taken);
    expect(reader.report.missingRecords).toBe(100 - taken);
  });

  it("takes nothing from the heap for the bytes it copies", () => {
    const journal = writer({ bufferBytes: 16 * 2 ** 20, bufferCount: 2 });
    const frame = filled(1800, 1);
    const run = (): { heap: number; buffers: number } => {
      const before = process.memoryUsage();
      for (let i = 0; i < 4000; i++) journal.append(JournalKind.InboundFrame, i, frame, 1);
      const after = process.memoryUsage();
      return {
        heap: (after.heapUsed - before.heapUsed) / 4000,
        buffers: after.arrayBuffers - before.arrayBuffers,
      };
    };
    run();
    const { heap, buffers } = run();
    expect(journal.stats.lostRecords).toBe(0);
    expect(buffers).toBeLessThanOrEqual(0); // earlier tests' buffers may be collected meanwhile
    // Boxed checksums and times; a single view per record would be about 100 bytes.
    expect(heap).toBeLessThan(64);
    journal.closeSync();
  });

  it.runIf(existsSync("/proc/self/fd"))(
    "counts what a failing disk swallows and goes on without a hole",
    async () => {
      const told: string[] = [];
      const journal = writer({ onTrouble: (message) => told.push(message) });
      journal.append(JournalKind.Note, 1, bytesOf("one"));
      await journal.flush();
      // The disk fails: the segment's descriptor is gone.
      const [file] = listJournals(dir)[0]!.files;
      const fd = Number(readdirSync("/proc/self/fd").find((n) => linkOf(n) === file));
      closeSync(fd);
      for (const text of ["lost 1", "lost 2", "lost 3"]) {
        journal.append(JournalKind.Note, 2, bytesOf(text));
        await journal.flush();
      }
      expect(journal.stats).toMatchObject({ writeErrors: 3, lostRecords: 5 }); // three notes and two Lost records
      expect(told).toEqual(["journal feed: cannot write (EBADF); records are being lost"]);
      // And comes back under the same number.
      const spares: number[] = [];
      for (let again = openSync(file!, "r+"); again !== fd; again = openSync(file!, "r+")) spares.push(again);
      for (const spare of spares) closeSync(spare);
      journal.append(JournalKind.Note, 3, bytesOf("back"));
      await journal.close();
      const { reader, records } = read();
      expect(records.map((r) => (r.kind === JournalKind.Note ? r.text : r.kind))).toEqual([
        "one",
        JournalKind.Lost,
        "back",
        JournalKind.End,
      ]);
      expect(reader.report).toMatchObject({ lostRecords: 5, missingRecords: 5, cutBytes: 0, isClosed: true });
    },
  );

  it("rotates segments, deletes the oldest beyond the limit and notes it in the next header", async () => {
    const journal = writer({ bufferBytes: 4096, bufferCount: 2, segmentBytes: 8192, maxBytes: 24_576 });
    for (let i = 0; i < 60; i++) {
      journal.append(JournalKind.InboundFrame, i, filled(1000, i));
      await journal.flush();
    }
    await journal.close();
    const sizes = readdirSync(dir).map((name) => statSync(join(dir, name)).size);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(8192);
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(24_576);
    const { reader, records } = read();
    expect(journal.stats.prunedSegments).toBeGreaterThan(3);
    expect(reader.report.prunedSegments).toBe(journal.stats.prunedSegments);
    expect(reader.report.prunedBytes).toBe(journal.stats.prunedBytes);
    expect(records[0]!.sequence).toBe(reader.headers[0]!.firstSequence);
    expect(records.at(-1)!.sequence).toBe(60);
    expect(reader.report.missingRecords).toBe(0);
  });

  it("cuts a torn tail at every length at the last whole record", async () => {
    const journal = writer();
    for (let i = 0; i < 3; i++) journal.append(JournalKind.InboundFrame, i, filled(20, i));
    await journal.flush();
    const [file] = listJournals(dir)[0]!.files;
    const whole = readFileSync(file!);
    for (let length = 0; length <= whole.length; length++) {
      writeFileSync(file!, whole.subarray(0, length));
      const { reader, records } = read();
      const full = length < 256 ? 0 : Math.floor((length - 256) / 44);
      expect(records.length).toBe(full);
      expect(reader.report.cutBytes).toBe(length < 256 ? length : (length - 256) % 44);
      expect(reader.report.damagedSegments).toEqual([]);
    }
    await journal.close();
  });

  it("detects any flipped bit of a record, its head included", async () => {
    const journal = writer();
    for (let i = 0; i < 3; i++) journal.append(JournalKind.InboundFrame, i, filled(20, i), 1);
    await journal.flush();
    const [file] = listJournals(dir)[0]!.files;
    const whole = readFileSync(file!);
    for (let bit = (256 + 44) * 8; bit < (256 + 88) * 8; bit++) {
      const bad = Buffer.from(whole);
      bad[bit >> 3] = bad[bit >> 3]! ^ (1 << (bit & 7));
      writeFileSync(file!, bad);
      expect(read().records.length, `bit ${bit}`).toBe(1);
    }
    await journal.close();
  });

  it("reports damage in the middle as damage, not as a torn tail, and reads on", async () => {
    const journal = writer({ bufferBytes: 4096, segmentBytes: 4096 });
    for (let i = 0; i < 9; i++) {
      journal.append(JournalKind.InboundFrame, i, filled(1000, i));
      await journal.flush();
    }
    await journal.close();
    const [first] = listJournals(dir)[0]!.files;
    const bytes = readFileSync(first!);
    bytes[1500] = bytes[1500]! ^ 1;
    writeFileSync(first!, bytes);
    const { reader, records } = read();
    expect(reader.report.damagedSegments).toEqual([first]);
    expect(reader.report.missingRecords).toBeGreaterThan(0);
    expect(records.at(-1)!.kind).toBe(JournalKind.End);
  });

  it("takes zeros and rubbish behind the last record for a torn tail", async () => {
    const journal = writer();
    journal.append(JournalKind.Note, 1, bytesOf("kept"));
    await journal.flush();
    const [file] = listJournals(dir)[0]!.files;
    appendFileSync(file!, new Uint8Array(4096));
    expect(read().records.map((r) => r.text)).toEqual(["kept"]);
    expect(read().reader.report.cutBytes).toBe(4096);
    await journal.close();
  });

  it("keeps the journals of several threads and runs apart", async () => {
    for (const [runId, thread] of [
      ["run-2", "feed"],
      ["run-1", "main"],
      ["run-1", "feed"],
    ]) {
      const journal = writer({ runId: runId!, thread: thread! });
      journal.append(JournalKind.Note, 1, bytesOf(`${runId} ${thread}`));
      await journal.close();
    }
    expect(listJournals(dir).map(({ runId, thread }) => `${runId} ${thread}`)).toEqual([
      "run-1 feed",
      "run-1 main",
      "run-2 feed",
    ]);
  });

  it("deletes whole runs, oldest first, and none that may be alive", async () => {
    const nowMs = 1_757_015_216_000;
    for (const [runId, ageHours] of [
      ["old", 72],
      ["older", 96],
      ["yesterday", 25],
      ["live", 0],
    ] as const) {
      const journal = writer({ runId });
      journal.append(JournalKind.Note, 1, filled(10_000, 1));
      await journal.close();
      for (const { runId: id, files } of listJournals(dir))
        if (id === runId)
          for (const file of files) utimesSync(file, nowMs / 1000, nowMs / 1000 - ageHours * 3600);
    }
    expect(pruneRuns(dir, 25_000, nowMs)).toEqual(["older", "old"]);
    expect(pruneRuns(dir, 0, nowMs)).toEqual(["yesterday"]);
    expect(listJournals(dir).map((j) => j.runId)).toEqual(["live"]);
  });

  it("refuses a used run id, a folder that is not there, and names that are paths", () => {
    writer().closeSync();
    expect(() => writer()).toThrow(expect.objectContaining({ name: "JournalError", code: "cannot_open" }));
    expect(() => writer({ dir: join(dir, "none") })).toThrow(
      expect.objectContaining({ code: "cannot_open", message: expect.stringMatching(/ENOENT.*writable/) }),
    );
    expect(() => writer({ runId: "../x" })).toThrow(expect.objectContaining({ code: "bad_options" }));
    expect(() => writer({ runId: "r", maxBytes: 1 })).toThrow(
      expect.objectContaining({ code: "bad_options" }),
    );
  });

  it("serves the venue port as its wire tap", async () => {
    expectTypeOf<JournalTap>().toExtend<WireTap>();
    const journal = writer();
    const tap = journalTap(journal);
    tap.inbound("public", bytesOf("in"), 1);
    tap.outbound("http", bytesOf("out"), 2);
    await journal.close();
    expect(
      read()
        .records.slice(0, 2)
        .map(({ kind, stream, text }) => [kind, stream, text]),
    ).toEqual([
      [JournalKind.InboundFrame, JournalStream.Public, "in"],
      [JournalKind.OutboundBytes, JournalStream.Http, "out"],
    ]);
  });
});
