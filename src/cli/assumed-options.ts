import { type Command, InvalidArgumentError, Option } from "commander";
import type { Dist, FeedDist, FeesBps, LatencySpec } from "../backtest/index.js";
import type { QueueModelSpec } from "../sim/index.js";
import { number } from "./arguments.js";

/** What a backtest assumes of the venue and of the way to it. */
export interface AssumedFlags {
  makerBps: number;
  takerBps: number;
  queue: string;
  feedLatency: string;
  orderLatency: string;
  ackLatency: string;
  zeroLatency?: boolean;
  fitted?: string;
  equity: number;
}

export interface Assumed {
  readonly fees: FeesBps;
  readonly queue: QueueModelSpec;
  readonly latency: LatencySpec;
  readonly equityUsd: number;
  /** Where fitted models came from, a line each. */
  readonly assumptions: readonly string[];
}

/** What one option says must not be said otherwise by another. */
const LATENCIES = ["feedLatency", "orderLatency", "ackLatency"] as const;

export function assumedOptions(command: Command): Command {
  return command
    .option("--maker-bps <bps>", "maker fee; negative: a rebate", number(-10, 100), 1.5)
    .option("--taker-bps <bps>", "taker fee", number(-10, 100), 4.5)
    .option("--queue <model>", "risk-averse, log, power:N, l3 (order-level tapes)", "risk-averse")
    .option(
      "--feed-latency <dist>",
      "market data to us: ms, lognormal:MEDIAN:SIGMA, recorded:FILE, tape:FLOOR_MS",
      "tape:5",
    )
    .option(
      "--order-latency <dist>",
      "orders to the venue: ms, lognormal:MEDIAN:SIGMA, recorded:FILE, tape (of its own orders)",
      "lognormal:40:0.4",
    )
    .option("--ack-latency <dist>", "answers and fills to us, in the same words", "lognormal:20:0.4")
    .addOption(
      new Option("--fitted <file>", "latencies and queue model as market-maker fit found them").conflicts([
        "queue",
        "zeroLatency",
        ...LATENCIES,
      ]),
    )
    .addOption(new Option("--zero-latency", "all three 0: what no real maker has").conflicts([...LATENCIES]))
    .option("--equity <usd>", "account value at the start", number(1, 1e12), 100_000);
}

/** @throws {RangeError} naming what is accepted. */
export async function assumed(flags: AssumedFlags): Promise<Assumed> {
  const { loadFitted, parseFeed, parseOrder, parseQueue } = await import("../backtest/index.js");
  const fees = { makerBps: flags.makerBps, takerBps: flags.takerBps };
  if (flags.fitted !== undefined) {
    const { latency, queue, assumptions } = loadFitted(flags.fitted);
    return { fees, latency, queue, assumptions, equityUsd: flags.equity };
  }
  const zero: Dist & FeedDist = { kind: "constant", ms: 0 };
  const isZero = flags.zeroLatency === true;
  return {
    fees,
    queue: parseQueue(flags.queue),
    latency: {
      feed: isZero ? zero : parseFeed(flags.feedLatency),
      order: isZero ? zero : parseOrder(flags.orderLatency),
      ack: isZero ? zero : parseOrder(flags.ackLatency),
    },
    equityUsd: flags.equity,
    assumptions: [],
  };
}

/** An ISO time or ms since the epoch. */
export function time(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isFinite(ms)) throw new InvalidArgumentError("want an ISO time or ms since the epoch.");
  return ms;
}
