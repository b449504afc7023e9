import { expect, test } from "vitest";
import { createHistogram, LatencyHistogram } from "../../src/rings/index.js";
import { ASSET_SLOTS, Board, ENGINE_SLOTS } from "../../src/telemetry/board.js";
import { createMetrics } from "../../src/telemetry/metrics.js";
import { StatusLine } from "../../src/telemetry/status-line.js";

function sources() {
  const board = new Board(ASSET_SLOTS, Board.bytes(ASSET_SLOTS));
  const engine = new Board(ENGINE_SLOTS, Board.bytes(ENGINE_SLOTS));
  const histogram = new LatencyHistogram(createHistogram());
  const metrics = createMetrics({
    assets: [{ coin: "BTC", board, estimates: () => undefined }],
    engine,
    stages: [{ stage: "decode", snapshot: () => histogram.snapshot() }],
    feed: () => [["frames", 7]],
    feedClockOffsetMs: () => Number.NaN,
    streamAges: () => [
      ["BTC", "book", 0.25],
      ["BTC", "trades", Number.POSITIVE_INFINITY],
      ["", "private", 2],
    ],
    feedGauges: () => [
      ["primary", 1],
      ["standby", 0],
    ],
    ringDrops: () => 0,
    threads: () => [["feed", 0.1]],
    rssBytes: () => 1024,
    tape: undefined,
  });
  return { board, engine, histogram, metrics };
}

test("gauges follow the board, counters show totals and not sums of scrapes", async () => {
  const { board, metrics } = sources();
  board.set("posSz", -0.125);
  board.set("maxPosSz", 0.5);
  board.set("ordersPlaced", 42);
  await metrics.render();
  const text = await metrics.render();
  expect(text).toMatch(/^mm_position\{asset="BTC"\} -0\.125$/m);
  expect(text).toMatch(/^mm_inventory_utilization\{asset="BTC"\} 0\.25$/m);
  expect(text).toMatch(/^mm_orders_placed_total\{asset="BTC"\} 42$/m);
  expect(text).toMatch(/^mm_feed_events_total\{kind="frames"\} 7$/m);
});

test("what has no source is absent, never zero", async () => {
  const text = await sources().metrics.render();
  expect(text).not.toMatch(/^mm_sigma\{/m);
  expect(text).not.toMatch(/^mm_feed_clock_offset_ms /m);
  expect(text).not.toMatch(/^mm_tape_/m);
});

test("each stream has an age of its own, the silent ones none, and each connection a gauge", async () => {
  const text = await sources().metrics.render();
  expect(text).toMatch(/^mm_stream_age_seconds\{asset="BTC",stream="book"\} 0\.25$/m);
  expect(text).toMatch(/^mm_stream_age_seconds\{asset="",stream="private"\} 2$/m);
  expect(text).not.toMatch(/stream="trades"/);
  expect(text).toMatch(/^mm_feed_connected\{connection="primary"\} 1$/m);
});

test("stage histograms are cumulative and end at their count", async () => {
  const { histogram, metrics } = sources();
  for (const us of [1, 3, 50, 900]) histogram.record(us * 1000);
  const text = await metrics.render();
  const buckets = [...text.matchAll(/mm_stage_latency_seconds_bucket\{stage="decode",le="([^"]+)"\} (\d+)/g)];
  const counts = buckets.map((m) => Number(m[2]));
  expect(counts).toEqual([...counts].sort((a, b) => a - b));
  expect(counts.at(-1)).toBe(4);
  expect(text).toMatch(/mm_stage_latency_seconds_sum\{stage="decode"\} 0\.000954/);
});

test("the kill switch shows on every asset", async () => {
  const { engine, metrics } = sources();
  engine.set("killReason", 5);
  expect(await metrics.render()).toMatch(/^mm_kill_switch_triggered\{asset="BTC"\} 1$/m);
});

test("log text is printed above the status line, which stays", () => {
  let out = "";
  const line = new StatusLine({ write: (t) => (out += t), isTTY: true, columns: 80 });
  line.set("quoting");
  line.print("a log line\n");
  expect(out.endsWith("a log line\nquoting")).toBe(true);
  line.clear();
  expect(out.endsWith("\r\x1b[K")).toBe(true);
});

test("off a terminal the status line is silent", () => {
  let out = "";
  const line = new StatusLine({ write: (t) => (out += t), isTTY: false });
  line.set("quoting");
  line.print("a log line\n");
  expect(out).toBe("a log line\n");
});
