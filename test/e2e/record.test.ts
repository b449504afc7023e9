import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { RecordCursor, recvOffset, TapeFileReader, TapeFileWriter } from "../../src/store/index.js";
import { freePort, Program } from "./program.js";

/** Rounds of sudden death: a few in every run of the tests, 50 and more by hand. */
const KILL_ROUNDS = Number(process.env["MM_RECORD_KILLS"] ?? 5);

let port: number;
let sim: Program;
let dir: string;

async function startSim(): Promise<Program> {
  const program = new Program(["sim", "--port", String(port), "--asset", "BTC,ETH,hyna:BTC", "--seed", "7"]);
  await program.seen(/exchange on http/);
  return program;
}

beforeAll(async () => {
  port = await freePort();
  sim = await startSim();
}, 30_000);
afterAll(async () => {
  sim.child.kill("SIGTERM");
  await sim.finished;
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-record-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const record = (...more: string[]): Program =>
  new Program([
    ...["record", "--network", "localhost", "--port", String(port), "--out", dir],
    ...["--log-format", "json", "--metrics-port", "0", ...more],
  ]);
/** Value of one line of a scrape; undefined when it is absent. */
const sample = (text: string, name: string): number | undefined => {
  const line = text.split("\n").find((l) => l.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
};
const scrape = async (metricsPort: number): Promise<string> =>
  (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
const LIVE = /"message":"feed.live"/;
const files = (): string[] =>
  readdirSync(dir)
    .filter((f) => f.endsWith(".mmt"))
    .sort()
    .map((f) => join(dir, f));
const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Contents {
  readonly coins: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly states: readonly string[];
  readonly isClosed: boolean;
  readonly tornBytes: number;
  readonly records: number;
}

/** Reads every record; a damaged block throws. Times must not run back. */
function verify(path: string): Contents {
  const reader = new TapeFileReader(path);
  const counts: Record<string, number> = {};
  const states: string[] = [];
  const cursor = new RecordCursor();
  let lastNs = Number.NEGATIVE_INFINITY;
  let records = 0;
  for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
    cursor.load(block);
    while (cursor.next()) {
      records++;
      const name = abi.RecordKindName.get(cursor.kind)!;
      counts[name] = (counts[name] ?? 0) + 1;
      const recvNs = block.f64[(cursor.at + recvOffset(cursor.kind)) >> 3]!;
      expect(recvNs).toBeGreaterThanOrEqual(lastNs);
      lastNs = recvNs;
      if (cursor.kind === abi.RecordKind.FeedStatus) {
        const state = block.u8[cursor.at + abi.FEED_STATUS_STATE]! as abi.FeedState;
        states.push(`${cursor.asset} ${abi.FeedStateName.get(state)}`);
      }
    }
  }
  const { meta, isClosed, tornBytes } = reader;
  reader.close();
  return { coins: meta.instruments.map((i) => i.coin), counts, states, isClosed, tornBytes, records };
}

describe("market-maker record", () => {
  test("tells Prometheus how far it is: totals, each channel's age, the current file", {
    timeout: 60_000,
  }, async () => {
    const metricsPort = await freePort();
    const run = record(
      ...["--asset", "BTC,hyna:BTC", "--rotate-minutes", "0.03", "--metrics-port", String(metricsPort)],
    );
    await run.seen(LIVE);
    await run.seen(/"message":"Recording"[\s\S]*"message":"Recording"/);
    await delay(1200);
    const first = await scrape(metricsPort);
    await delay(1200);
    const second = await scrape(metricsPort);
    for (const name of ["records", "bytes", "raw_bytes", "blocks"]) {
      expect(sample(first, `mm_tape_${name}_total`), name).toBeGreaterThan(0);
      expect(sample(second, `mm_tape_${name}_total`), name).toBeGreaterThan(
        sample(first, `mm_tape_${name}_total`)!,
      );
    }
    expect(sample(second, "mm_tape_raw_bytes_total")).toBeGreaterThan(sample(second, "mm_tape_bytes_total")!);
    expect(sample(second, "mm_tape_files_total")).toBeGreaterThanOrEqual(2);
    for (const name of ["gaps_total", "lost_total", "disk_errors_total", "disk_failing"]) {
      expect(sample(second, `mm_tape_${name}`), name).toBe(0);
    }
    for (const asset of ["BTC", "hyna:BTC"]) {
      const of = `{asset="${asset}",channel="book"}`;
      expect(sample(second, `mm_tape_channel_records_total${of}`)).toBeGreaterThan(0);
      expect(sample(second, `mm_tape_record_age_seconds${of}`)).toBeLessThan(2);
      expect(sample(second, `mm_data_staleness_secs{asset="${asset}"}`)).toBeLessThan(2);
    }
    expect(second).not.toMatch(/mm_tape_record_age_seconds\{[^}]*channel="orders"/);
    expect(second).toMatch(/^mm_tape_file_info\{file="[^"]+\.mmt"\} 1$/m);
    expect(second.match(/^mm_tape_file_info/gm)).toHaveLength(1);
    const current = /mm_tape_file_info\{file="([^"]+)"/.exec(await scrape(metricsPort))![1]!;
    expect(files()).toContain(current);
    run.child.kill("SIGINT");
    const { code, out } = await run.finished;
    expect(code, out).toBe(0);
    const ended = /"message":"Recorded".*?"records":(\d+)|"records":(\d+).*?"message":"Recorded"/.exec(out)!;
    expect(Number(ended[1] ?? ended[2])).toBeGreaterThanOrEqual(sample(second, "mm_tape_records_total")!);
  });

  test("a metrics port in use is refused in one line, before any file is begun", {
    timeout: 30_000,
  }, async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const busy = (other.address() as { port: number }).port;
    const { code, out } = await record("--metrics-port", String(busy)).finished;
    other.close();
    expect(code).toBe(1);
    expect(out).toMatch(new RegExp(`^error: metrics port ${busy} is in use.*--metrics-port`, "m"));
    expect(out.trim().split("\n")).toHaveLength(1);
    expect(files()).toEqual([]);
  });

  test("records several assets, rotates, ends in order on SIGINT; the backtester runs on it", {
    timeout: 60_000,
  }, async () => {
    const run = record("--asset", "BTC,ETH,hyna:BTC", "--prefix", "t", "--rotate-minutes", "0.05");
    await run.seen(LIVE);
    await delay(5500);
    run.child.kill("SIGINT");
    const { code, out } = await run.finished;
    expect(code, out).toBe(0);
    expect(files().length).toBeGreaterThanOrEqual(2);
    for (const path of files()) {
      expect(path).toMatch(/t_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.mmt$/);
      const c = verify(path);
      expect(c.isClosed).toBe(true);
      expect(c.coins).toEqual(["BTC", "ETH", "hyna:BTC"]);
      for (const kind of ["Book", "Bbo", "Trade", "AssetCtx", "FeedStatus"]) {
        expect(c.counts[kind], `${path} ${kind}`).toBeGreaterThan(0);
      }
    }
    const summary = join(dir, "s.json");
    const test = new Program(["backtest", "--tape", dir, "--asset", "BTC", "--summary", summary]);
    const done = await test.finished;
    expect(done.code, done.out).toBe(0);
    const all = files().reduce((n, f) => n + verify(f).records, 0);
    expect(done.out).toContain("BTC");
    expect(all).toBeGreaterThan(200);
  });

  test(`killed ${KILL_ROUNDS} times at random points, every file reads to its last whole block and can be continued`, {
    timeout: 20_000 + KILL_ROUNDS * 6000,
  }, async () => {
    for (let round = 0; round < KILL_ROUNDS; round++) {
      const run = record("--asset", "BTC,ETH", "--prefix", `k${round}`, "--rotate-mib", "0.005");
      await run.seen(LIVE);
      await delay(Math.random() * 1500);
      run.child.kill("SIGKILL");
      await run.finished;
      const mine = files().filter((f) => f.includes(`k${round}_`));
      expect(mine.length).toBeGreaterThan(0);
      const last = mine.at(-1)!;
      for (const path of mine) verify(path);
      const before = verify(last).records;
      // Continued: what stands is kept, what is added follows.
      const reader = new TapeFileReader(last);
      const { meta } = reader;
      reader.close();
      const more = new TapeFileWriter({ path: last, meta, append: true });
      const body = new Float64Array(abi.TRADE_SIZE / 8);
      body[1] = 1e15;
      more.append(abi.RecordKind.Trade, 0, body, 0, abi.TRADE_SIZE, 1e15);
      more.close();
      const after = verify(last);
      expect(after.records).toBe(before + 1);
      expect(after.isClosed).toBe(true);
    }
    const next = record("--asset", "BTC", "--prefix", "k0", "--duration", "1.5");
    const { code, out } = await next.finished;
    expect(code, out).toBe(0);
  });

  test("a venue that goes away and comes back leaves a marked gap", { timeout: 60_000 }, async () => {
    const metricsPort = await freePort();
    const run = record("--asset", "BTC", "--prefix", "gap", "--metrics-port", String(metricsPort));
    await run.seen(LIVE);
    const before = await scrape(metricsPort);
    expect(sample(before, "mm_tape_gaps_total")).toBe(0);
    expect(sample(before, 'mm_feed_connected{connection="primary"}')).toBe(1);
    sim.child.kill("SIGKILL");
    await run.seen(/"message":"Market data disconnected"/);
    expect(sample(await scrape(metricsPort), 'mm_feed_connected{connection="primary"}')).toBe(0);
    sim = await startSim();
    await run.seen(/feed.live[\s\S]*feed.not-live[\s\S]*feed.live/);
    await delay(300);
    const after = await scrape(metricsPort);
    expect(sample(after, "mm_tape_gaps_total")).toBe(1);
    expect(sample(after, 'mm_feed_events_total{kind="connects"}')).toBe(2);
    run.child.kill("SIGTERM");
    const { code, out } = await run.finished;
    expect(code, out).toBe(0);
    expect(verify(files()[0]!).states).toEqual(["0 Live", "0 Resync", "0 Live"]);
  });

  test("refuses in one line what cannot be recorded", { timeout: 30_000 }, async () => {
    const unknown = await record("--asset", "NOPE").finished;
    expect(unknown.code).toBe(1);
    expect(unknown.out).toMatch(/^error: .*NOPE/m);
    writeFileSync(join(dir, "file"), "");
    const noDir = await record("--out", join(dir, "file", "x")).finished;
    expect(noDir.code).toBe(1);
    expect(noDir.out).toMatch(/^error: .*cannot be made/m);
    const nobody = new Program([
      ...["record", "--network", "localhost", "--metrics-port", "0", "--port", String(await freePort())],
    ]);
    const { code, out } = await nobody.finished;
    expect(code).toBe(1);
    expect(out).toContain("market-maker sim");
  });
});

/** A small file system of its own, where the machine lets us have one. */
function smallDisk(kib: number): { path: string; unmount(): void } | undefined {
  const path = mkdtempSync(join(tmpdir(), "mm-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kib}k`, "none", path], { stdio: "pipe" });
  } catch {
    rmSync(path, { recursive: true, force: true });
    return undefined;
  }
  return {
    path,
    unmount: () => {
      execFileSync("umount", ["-l", path], { stdio: "pipe" });
      rmSync(path, { recursive: true, force: true });
    },
  };
}

describe("a disk that fills up", () => {
  const disk = smallDisk(64);
  afterAll(() => disk?.unmount());

  test.skipIf(disk === undefined)(
    `is told, survived and marked${disk === undefined ? " (skipped: no tmpfs may be mounted here)" : ""}`,
    { timeout: 60_000 },
    async () => {
      const at = disk!.path;
      mkdirSync(join(at, "t"));
      const ballast = join(at, "ballast");
      writeFileSync(ballast, Buffer.alloc(40 * 1024));
      const metricsPort = await freePort();
      const run = new Program([
        ...["record", "--network", "localhost", "--port", String(port), "--out", join(at, "t")],
        ...["--asset", "BTC,ETH", "--log-format", "json", "--metrics-port", String(metricsPort)],
      ]);
      await run.seen(/takes no records/);
      await delay(1500);
      const full = await scrape(metricsPort);
      expect(sample(full, "mm_tape_disk_failing")).toBe(1);
      expect(sample(full, "mm_tape_disk_errors_total")).toBeGreaterThanOrEqual(2);
      expect(sample(full, "mm_tape_lost_total")).toBeGreaterThan(0);
      expect(sample(full, 'mm_tape_record_age_seconds{asset="BTC",channel="book"}')).toBeGreaterThan(1);
      expect(sample(full, 'mm_data_staleness_secs{asset="BTC"}')).toBeLessThan(1);
      rmSync(ballast);
      await run.seen(/takes records again/);
      await delay(50);
      const well = await scrape(metricsPort);
      expect(sample(well, "mm_tape_disk_failing")).toBe(0);
      expect(sample(well, "mm_tape_gaps_total")).toBe(1);
      await delay(1200);
      run.child.kill("SIGINT");
      const { code, out } = await run.finished;
      expect(code, out).toBe(2);
      expect(out).toContain('"message":"Recorded, with losses"');
      const { states, isClosed } = verify(join(at, "t", readdirSync(join(at, "t"))[0]!));
      expect(isClosed).toBe(true);
      expect(states.slice(2)).toEqual([
        "0 Resync",
        "1 Resync",
        expect.stringMatching(/Live/),
        expect.stringMatching(/Live/),
      ]);
    },
  );
});
