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
import { firstDifference, matchFills } from "./compare.js";
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
  readonly positionLots: number;
  readonly feesUsd: number;
  readonly pnlUsd: number;
  readonly fills: readonly (readonly [number, number, number, number])[];
  readonly seconds: readonly number[];
}

const median = (xs: readonly number[]): number => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)]!;
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
      "| queue | side | fills | volume, BTC | position, BTC | fees, USD | P&L, USD | events/s |\n|---|---|---|---|---|---|---|---|\n",
  );
  const results: unknown[] = [];
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
    let ours = await runOurs(tape, o, () => performance.now());
    for (let round = 0; round < rounds; round++) {
      ours = await runOurs(tape, o, () => performance.now());
      seconds.push(ours.seconds);
    }
    const volume = (fills: readonly PeerFill[]): number => fills.reduce((sum, f) => sum + f.szLots, 0) / 1e5;
    const rate = (n: number, s: readonly number[]): number => n / median(s);
    const line = (
      side: string,
      fills: readonly PeerFill[],
      pos: number,
      fees: number,
      pnl: number,
      r: number,
    ): void => {
      process.stdout.write(
        `| ${name} | ${side} | ${fills.length} | ${volume(fills).toFixed(3)} | ${(pos / 1e5).toFixed(3)} | ${fees.toFixed(2)} | ${pnl.toFixed(2)} | ${(r / 1e6).toFixed(2)} M |\n`,
      );
    };
    const peerRate = rate(peer.events, peer.seconds);
    const ourRate = rate(ours.events, seconds);
    line(`hftbacktest ${peer.version}`, peerFills, peer.positionLots, peer.feesUsd, peer.pnlUsd, peerRate);
    line("market-maker", ours.fills, ours.positionLots, ours.feesUsd, ours.pnlUsd, ourRate);
    const match = matchFills(ours.fills, peerFills);
    process.stdout.write(
      `| ${name} | ratio | ${(ours.fills.length / peerFills.length).toFixed(3)} | ${(volume(ours.fills) / volume(peerFills)).toFixed(3)} | | | | ${(ourRate / peerRate).toFixed(2)} |\n`,
    );
    process.stderr.write(
      `${name}: ${match.same} fills the same, ${match.onlyOurs.length} only ours, ${match.onlyPeer.length} only hftbacktest's; ${firstDifference(ours.fills, peerFills)}\n`,
    );
    results.push({
      queue: name,
      ours: { ...ours, fills: ours.fills.length, seconds },
      peer: { ...peer, fills: peerFills.length },
      match: { same: match.same, onlyOurs: match.onlyOurs.length, onlyPeer: match.onlyPeer.length },
    });
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
