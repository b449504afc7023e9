import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Program } from "../e2e/program.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-tape-cli-"));
  const us = (ms: number): string => `${1_723_161_300_000 + ms}000`;
  const rows = Array.from(
    { length: 200 },
    (_, i) =>
      `x,BTCUSDT,${us(i * 100)},${us(i * 100 + 1)},false,${i % 2 ? "bid" : "ask"},${i % 2 ? 100 : 101},${(i % 9) + 1}`,
  );
  writeFileSync(
    join(dir, "book.csv"),
    [
      "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount",
      `x,BTCUSDT,${us(0)},${us(1)},true,bid,99.5,1`,
      ...rows,
      `x,BTCUSDT,${us(20_000)},${us(20_001)},maybe,bid,99.5,1`,
    ].join("\n"),
  );
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const tape = async (...args: string[]): Promise<{ code: number | null; out: string }> =>
  new Program(["tape", ...args], {}, { cwd: dir }).finished;

describe("market-maker tape", () => {
  test("converts, looks, verifies, cuts, merges and exports", async () => {
    const converted = await tape("convert", "book.csv", "t.mmt");
    expect(converted.out).toMatch(/t\.mmt: 201 records \(201 level updates\) of 203 lines/);
    expect(converted.out).toContain("book.csv line 203: is_snapshot is neither true nor false");
    expect(converted.code).toBe(0);
    const info = JSON.parse((await tape("info", "t.mmt", "--json")).out);
    expect(info).toMatchObject({
      byKind: { BookDelta: 201 },
      clockOffsetMs: 1,
      seconds: 19.9,
      isClosed: true,
    });
    expect((await tape("verify", "t.mmt")).out).toContain("no problem");
    expect((await tape("cut", "t.mmt", "a.mmt", "--to", "10s")).code).toBe(0);
    expect((await tape("cut", "t.mmt", "b.mmt", "--from", "10s")).code).toBe(0);
    expect((await tape("merge", "a.mmt", "b.mmt", "ab.mmt")).out).toContain("201 records of 2 tapes");
    const exported = await tape("export", "ab.mmt", "tables", "--csv", "--parquet");
    expect(exported.out).toMatch(/book_delta\.csv: 201 rows[\s\S]*book_delta\.parquet: 201 rows/);
  }, 60_000);

  test("problems and mistakes end with one line and code 1", async () => {
    await tape("convert", "book.csv", "d.mmt");
    const bytes = readFileSync(join(dir, "d.mmt"));
    const at = bytes.indexOf("MMTB") + 80;
    bytes[at] = bytes[at]! ^ 1;
    writeFileSync(join(dir, "d.mmt"), bytes);
    const verified = await tape("verify", "d.mmt");
    expect(verified.code).toBe(1);
    expect(verified.out).toContain("damaged block");
    for (const [args, says] of [
      [["convert", "book.csv"], "give the inputs, then the name of the new tape"],
      [["convert", "nothing.csv", "x.mmt"], "no file, folder or pattern"],
      [["convert", "book.csv", "d.mmt"], "exists already"],
      [["info", "book.csv"], "is not a tape"],
    ] as const) {
      const { code, out } = await tape(...args);
      expect(code).toBe(1);
      expect(out).toContain(says);
      expect(out.trim().split("\n")).toHaveLength(1);
    }
  }, 60_000);
});
