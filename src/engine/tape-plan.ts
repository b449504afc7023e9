import { resolve } from "node:path";
import type { Clock, Instrument } from "../domain/index.js";
import type { TapeInstrument } from "../store/index.js";
import type { TapePlan } from "./tape-thread.js";

/** The instruments as a tape lists them. */
export const tapeInstruments = (instruments: readonly Instrument[]): TapeInstrument[] =>
  instruments.map(({ asset, coin, pxDecimals, szDecimals, maxSigFigs, minNotionalUsd, maxLeverage }) => ({
    asset,
    coin,
    pxDecimals,
    szDecimals,
    maxSigFigs,
    minNotionalUsd,
    maxLeverage,
  }));

/** Wall clock of mono 0, ns. */
export const wallBaseNs = (clock: Clock): bigint =>
  BigInt(Math.round(clock.wallMs() - clock.monoNs() / 1e6)) * 1_000_000n;

/** A part of a file name: coins of builder-deployed DEXs have a colon. */
export const fileSafe = (text: string): string => text.replace(/[^A-Za-z0-9._-]+/g, "-");

const ROTATE_BYTES = 256 * 2 ** 20;
const ROTATE_NS = 3600e9;

/** The tape of a run that trades. */
export function runTape(
  dir: string,
  run: {
    readonly network: string;
    readonly isPaper: boolean;
    readonly runId: string;
    readonly instruments: readonly Instrument[];
    readonly clock: Clock;
  },
): TapePlan {
  const world = run.isPaper ? `paper-${run.network}` : run.network;
  return {
    dir: resolve(dir),
    prefix: fileSafe(`${world}_${run.instruments.map((i) => i.coin).join("-")}`),
    venue: "hyperliquid",
    baseWallNs: wallBaseNs(run.clock),
    instruments: tapeInstruments(run.instruments),
    source: `recorded by ${run.runId} on ${world}, with its own orders`,
    ...(run.isPaper ? { ownOrders: "paper" } : {}),
    rotateBytes: ROTATE_BYTES,
    rotateNs: ROTATE_NS,
  };
}
