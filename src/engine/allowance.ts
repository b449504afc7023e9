import type { Config } from "../config/index.js";
import type { AddressBudget, PurchaseRecord } from "../execution/index.js";
import type { DataDir } from "../store/index.js";
import type { LogFn } from "../telemetry/log.js";

/** Volatility of a typical market, bps per square root of a second: how often a quote drifts out of its threshold. */
const TYPICAL_SIGMA_BPS = 1;
/** A start with less than this is told. */
const WARN_BELOW_HOURS = 24;

/**
 * Requests per hour that this configuration will want in a typical market: each side's levels are moved whenever the price
 * has drifted by `max_bps_diff`, which takes (max_bps_diff / sigma)² seconds, but not before `min_requote_ms`; plus the
 * refreshing of the dead man's switch. A first guess; the forecast in use is measured.
 */
export function expectedRequestsPerHour(config: Config, assets: number): number {
  const { trading, strategy, engine, safety } = config;
  const driftS = (trading.max_bps_diff / TYPICAL_SIGMA_BPS) ** 2;
  const everyS = Math.max(0.5, driftS, engine.min_requote_ms / 1000);
  const orders = strategy.strategy_type === "ladder" ? 2 * strategy.ladder_config.num_levels : 2;
  const refreshes = safety.dead_man_secs > 0 ? (3 * 3600) / safety.dead_man_secs : 0;
  return (assets * orders * 3600) / everyS + refreshes;
}

/** Says at the start how long the account's allowance lasts when nothing refills it. */
export function tellAllowance(budget: AddressBudget, perHour: number, log: LogFn): void {
  if (!budget.isKnown) return;
  const hours = budget.remaining / perHour;
  const fields = {
    used: budget.used,
    cap: Math.floor(budget.cap),
    remaining: Math.floor(budget.remaining),
    tradedUsd: Math.round(budget.cumVolumeUsd),
    expectedPerHour: Math.round(perHour),
    hoursWithoutFills: Math.round(10 * hours) / 10,
  };
  if (hours >= WARN_BELOW_HOURS) log("info", "Request allowance", fields);
  else {
    log(
      "warn",
      "Request allowance is small: each USD traded adds one request, requotes get coarser as it shrinks",
      {
        ...fields,
        remedy: "raise max_bps_diff or min_requote_ms, or use fewer levels",
      },
    );
  }
}

/** What was spent on requests today, kept in the data folder: the limit is of the day, not of the run. */
export function purchaseRecord(
  dataDir: DataDir,
  name: string,
): { spent: PurchaseRecord | undefined; onSpent: (record: PurchaseRecord) => void } {
  const file = `purchases.${name}`;
  const [day, usd] = (dataDir.readCheckpoint(file) ?? "").split(" ").map(Number);
  const isRecord = Number.isInteger(day) && Number.isFinite(usd);
  return {
    spent: isRecord ? { day: day!, usd: usd! } : undefined,
    onSpent: (record) => dataDir.writeCheckpoint(file, `${record.day} ${record.usd}`),
  };
}
