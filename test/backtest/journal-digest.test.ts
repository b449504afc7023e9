/** The digest of a backtest's journal: of the records one after the other, however it takes them in. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { LAYOUT_HASH } from "../../src/abi/layout.js";
import { BacktestJournal } from "../../src/backtest/journal.js";
import { JournalKind, JournalStream } from "../../src/store/index.js";

test("the digest is that of heads and bytes in order: small records, one that fills a batch, one larger than it", () => {
  const journal = new BacktestJournal(undefined, 7, "{}");
  const hash = createHash("sha256");
  const expected = (kind: JournalKind, stream: JournalStream, bytes: Uint8Array, monoNs: number): void => {
    const head = Buffer.alloc(16);
    head.writeUInt32LE(bytes.length, 0);
    head.writeUInt8(kind, 4);
    head.writeUInt8(stream, 5);
    head.writeDoubleLE(monoNs, 8);
    hash.update(head).update(bytes);
  };
  const config = JSON.stringify({ layoutHash: LAYOUT_HASH, startWallMs: 7, config: "{}" });
  expected(JournalKind.Config, JournalStream.None, Buffer.from(config), 0);
  // One buffer for all: the journal must not keep what it was lent.
  const lent = Buffer.alloc(100_000);
  const sizes = [10, 0, 300, 16_384 - 16, 5, 16_384 - 15, 90_000, 1, ...new Array<number>(200).fill(333)];
  sizes.forEach((size, i) => {
    const bytes = lent.fill(i).subarray(0, size);
    if (i % 2 === 0) journal.inbound("private", bytes, i * 1.5);
    else journal.outbound("http", bytes, i * 1.5);
    expected(
      i % 2 === 0 ? JournalKind.InboundFrame : JournalKind.OutboundBytes,
      i % 2 === 0 ? JournalStream.Private : JournalStream.Http,
      bytes,
      i * 1.5,
    );
    if (i % 3 === 0) expect(journal.sha256).toBe(hash.copy().digest("hex"));
  });
  expect(journal.sha256).toBe(hash.digest("hex"));
  expect(journal.records).toBe(sizes.length + 1);
});
