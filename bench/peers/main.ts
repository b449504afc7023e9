/**
 * `npm run bench:peers [-- --data FILE --rounds N --laps N]`: the same recording and the same simple strategy in hftbacktest and here,
 * side by side: fills, position, profit, events a second. Skipped where hftbacktest is not installed (MM_HFTBACKTEST_PYTHON
 * names a Python that has it; default python3).
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { QueueModelSpec } from "../../src/sim/index.js";
import { laps, readCapture, writeEventArray, writeTape } from "./capture.js";
import { firstDifference, joined, matchFills } from "./compare.js";
import { BEAT_OFFSET_MS, type PeerFill, runOurs, type StrategyOptions } from "./simple-strategy.js";

const { values } = parseArgs({
  options: {
    data: { type: "string", default: "../shared/data/binance-l2/usdm_btcusdt_20240808.gz" },
    rounds: { type: "string", default: "5" },
    laps: { type: "string", default: "3" },
    json: { type: "string" },
  },
});

const python = process.env["MM_HFTBACKTEST_PYTHON"] ?? "python3";
const script = fileURLToPath(new URL("../../../bench/peers/strategy.py", import.meta.url));

function skip(why: string): never {
  process.stdout.write(`skipped: ${why}\n`);
  process.exit(0);
}

if (!existsSync(values.data)) skip(`no recording at ${values.data}`);
try {
  execFileSync(python, ["-c", "import hftbacktest, numba"], { stdio: "ignore" });
} catch {
  skip(`hftbacktest is not installed for ${python} (name another with MM_HFTBACKTEST_PYTHON)`);
}

interface PeerOutput {
  readonly version: string;
  readonly events: number;
  readonly volumeLots: number;
  readonly positionLots: number;
  readonly feesUsd: number;
  readonly pnlUsd: number;
  readonly fills: readonly (readonly [number, number, number, number])[];
  /** With the events in memory; and with its own reader on a compressed file. */
  readonly seconds: readonly number[];
  readonly secondsFromFile: readonly number[];
}

/** Of all threads, so that a busy machine does not count. */
const processorS = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const median = (xs: readonly number[]): number => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)]!;
const LOTS_PER_BTC = 1e5;
const rounds = Number(values.rounds);
const dir = mkdtempSync(join(tmpdir(), "mm-peers-"));
const base = {
  halfSpreadBps: 0.3,
  moveTicks: 3,
  szLots: 1000,
  capLots: 10_000,
  beatMs: 100,
  feedMs: 5.1,
  orderMs: 10.3,
  ackMs: 5.3,
  makerBps: 1.5,
  takerBps: 4.5,
} as const;
const MODELS: readonly (readonly [string, QueueModelSpec])[] = [
  ["risk-averse", { kind: "risk-averse" }],
  ["power 1", { kind: "power", n: 1 }],
  ["power 3", { kind: "power", n: 3 }],
  ["log", { kind: "log" }],
];

try {
  const events = laps(readCapture(values.data), Number(values.laps));
  const tape = join(dir, "peer.mmt");
  const array = join(dir, "peer.npy");
  writeTape(tape, events, base.feedMs);
  writeEventArray(array, events, base.feedMs);
  const baseNs = events[0]!.exchMs * 1e6;
  let loPx = Number.POSITIVE_INFINITY;
  let hiPx = 0;
  for (const e of events) {
    if (e.px <= 0) continue;
    loPx = Math.min(loPx, e.px);
    hiPx = Math.max(hiPx, e.px);
  }
  process.stdout.write(
    `${values.data}: ${events.length} events (levels and prints) over ${((events.at(-1)!.exchMs - events[0]!.exchMs) / 1000).toFixed(0)} s, ${values.laps} laps\n` +
      `both: mid ± ${base.halfSpreadBps} bps every ${base.beatMs} ms, moved when off by more than ${base.moveTicks} ticks, 0.01 BTC, cap 0.1 BTC, feed ${base.feedMs} ms, orders ${base.orderMs} ms, answers ${base.ackMs} ms\n\n` +
      "| queue | side | orders filled | volume, BTC | position, BTC | fees, USD | P&L, USD | events per processor second, from its file | from memory |\n|---|---|---|---|---|---|---|---|---|\n",
  );
  const results: unknown[] = [];
  const notes: string[] = [];
  for (const [name, queue] of MODELS) {
    const o: StrategyOptions = { ...base, queue };
    const options = join(dir, "options.json");
    writeFileSync(
      options,
      JSON.stringify({ ...o, offsetMs: BEAT_OFFSET_MS, rounds, depth: "roi", loPx, hiPx }),
    );
    const peer = JSON.parse(
      execFileSync(python, [script, array, options], { maxBuffer: 1 << 28 }).toString(),
    ) as PeerOutput;
    const peerFills: PeerFill[] = peer.fills.map(([ns, side, pxTicks, szLots]) => ({
      // Beyond 2^53 ns the last bits are lost: a quarter of a microsecond.
      tNs: ns - baseNs,
      side: side > 0 ? 1 : -1,
      pxTicks,
      szLots,
    }));
    const seconds: number[] = [];
    let ours = await runOurs(tape, o, processorS);
    for (let round = 0; round < rounds; round++) {
      ours = await runOurs(tape, o, processorS);
      seconds.push(ours.seconds);
    }
    const ourOrders = joined(ours.fills, o.szLots);
    const peerOrders = joined(peerFills, o.szLots);
    const ourVolume = ours.fills.reduce((sum, f) => sum + f.szLots, 0);
    const rate = (n: number, s: readonly number[]): number => n / median(s);
    const peerRate = rate(peer.events, peer.secondsFromFile);
    const million = (perSecond: number): string => `${(perSecond / 1e6).toFixed(2)} M`;
    const ourRate = rate(ours.events, seconds);
    const row = (side: string, cells: readonly string[]): void => {
      process.stdout.write(`| ${[name, side, ...cells].join(" | ")} |\n`);
    };
    const figures = (
      r: { positionLots: number; feesUsd: number; pnlUsd: number },
      orders: number,
      volume: number,
      perSecond: number,
    ): string[] => [
      String(orders),
      (volume / LOTS_PER_BTC).toFixed(3),
      (r.positionLots / LOTS_PER_BTC).toFixed(3),
      r.feesUsd.toFixed(2),
      r.pnlUsd.toFixed(2),
      million(perSecond),
    ];
    row(`hftbacktest ${peer.version}`, [
      ...figures(peer, peerOrders.length, peer.volumeLots, peerRate),
      million(rate(peer.events, peer.seconds)),
    ]);
    row("market-maker", [...figures(ours, ourOrders.length, ourVolume, ourRate), ""]);
    row("ratio", [
      (ourOrders.length / peerOrders.length).toFixed(3),
      (ourVolume / peer.volumeLots).toFixed(3),
      "",
      (ours.feesUsd / peer.feesUsd).toFixed(3),
      (ours.pnlUsd / peer.pnlUsd).toFixed(3),
      (ourRate / peerRate).toFixed(2),
      "",
    ]);
    const match = matchFills(ourOrders, peerOrders);
    notes.push(
      `${name}: ${match.same} orders filled alike (side, price, size, within 1 ms), ${match.onlyOurs.length} only here, ${match.onlyPeer.length} only in hftbacktest; ${firstDifference(ourOrders, peerOrders)}`,
    );
    results.push({
      queue: name,
      ours: { ...ours, fills: ourOrders.length, seconds },
      peer: { ...peer, fills: peerOrders.length },
      same: match.same,
    });
  }
  process.stdout.write(`\n${notes.join("\n")}\n`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
