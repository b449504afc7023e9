import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Rng } from "../../src/domain/index.js";
import { JournalKind, JournalReader, listJournals } from "../../src/store/index.js";

const compiled = fileURLToPath(new URL("../../dist/src/store/index.js", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "mm-crash-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Appends numbered records without end; says on stdout how many are surely with the operating system. */
const CHILD = `
  const { JournalWriter, JournalKind } = await import(process.argv[1]);
  const journal = new JournalWriter({ dir: process.argv[2], runId: "crash", thread: "feed", wallBaseMs: 0, monoBaseNs: 0,
    bufferBytes: 65536, bufferCount: 3, segmentBytes: 262144, maxBytes: 2 ** 30 });
  const frame = Buffer.alloc(1800, 7);
  let n = 0;
  const burst = () => {
    for (let i = 0; i < 50; i++) { frame.writeUInt32LE(n, 0); journal.append(JournalKind.InboundFrame, n, frame, 1); n++; }
    journal.kick();
    const sent = n - journal.stats.lostRecords;
    journal.flush().then(() => { process.stdout.write(sent + "\\n"); setImmediate(burst); });
  };
  burst();
`;

describe.skipIf(!existsSync(compiled))("journal of a killed process [needs npm run build]", () => {
  it("reads back to the last write wherever SIGKILL struck", async () => {
    const rng = new Rng(20250904);
    for (let round = 0; round < 6; round++) {
      const dir = mkdtempSync(join(root, `${round}-`));
      const args = ["--input-type=module", "-e", CHILD, pathToFileURL(compiled).href, dir];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      const wanted = 200 + rng.below(2000);
      let confirmed = 0;
      let text = "";
      await new Promise<void>((resolve) => {
        child.stdout.on("data", (chunk: Buffer) => {
          text += chunk.toString();
          const lines = text.split("\n");
          confirmed = Number(lines.at(-2) ?? 0);
          if (confirmed >= wanted) child.kill("SIGKILL");
        });
        child.on("close", () => resolve());
      });
      const reader = new JournalReader(listJournals(dir)[0]!.files);
      let expected = 0;
      for (const { kind, bytes, sequence } of reader) {
        if (kind === JournalKind.InboundFrame) expect(Buffer.from(bytes).readUInt32LE(0)).toBe(sequence);
        expected++;
      }
      expect(reader.report.damagedSegments).toEqual([]);
      expect(reader.report.missingRecords).toBe(reader.report.lostRecords);
      expect(expected).toBeGreaterThanOrEqual(confirmed);
      expect(confirmed).toBeGreaterThanOrEqual(wanted);
      expect(reader.report.isClosed).toBe(false);
    }
  });
});
