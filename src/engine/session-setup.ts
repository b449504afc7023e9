import type { Config } from "../config/index.js";
import type { Clock, Instrument, Rng, Timers } from "../domain/index.js";
import type { PurchaseRecord } from "../execution/index.js";
import { IpBudget, type IpUse } from "../venues/hyperliquid/limits.js";
import type { NetworkEndpoints } from "../venues/hyperliquid/network.js";
import { expectedRequestsPerHour } from "./allowance.js";
import type { LiveOptions } from "./live.js";
import type { MarketFacts } from "./markets.js";
import type { PaperPlan } from "./paper.js";
import type { Plan } from "./plan.js";
import type { VenueFacts } from "./venue.js";

/**
 * Everything that a session is made of and that is data: what the journal keeps of its beginning, and of which a replay makes the
 * same session again. No secret is in it.
 */
export interface SessionSetup {
  readonly layoutHash: number;
  readonly version: string;
  readonly startedAtMs: number;
  /** Without the key. */
  readonly config: Config;
  readonly endpoints: NetworkEndpoints;
  /** Of the key that signed; the key itself is nowhere. */
  readonly signerAddress: string;
  readonly account: string;
  readonly vaultAddress: string | undefined;
  readonly instruments: readonly Instrument[];
  readonly markets: readonly MarketFacts[];
  readonly midPx: readonly number[];
  readonly fees: VenueFacts["fees"];
  readonly plan: Plan;
  /** Of all clearinghouses traded in, at the start. */
  readonly accountValueUsd: number;
  readonly seed: number;
  readonly sessionId: number;
  readonly nonceLane: number | undefined;
  readonly lastNonce: number;
  readonly purchased: PurchaseRecord | undefined;
  /** What the questions before had used of the address's limits. */
  readonly limits: IpUse;
  /** Play money, and what its exchange assumes; undefined: the venue's own account. */
  readonly paper?: PaperPlan | undefined;
}

/** What a session needs that is no data. */
export type SessionWorld = Pick<
  LiveOptions,
  | "clock"
  | "clockBaseNs"
  | "timers"
  | "watchdog"
  | "metrics"
  | "openAccount"
  | "tape"
  | "journal"
  | "journalFiles"
  | "turns"
  | "recorder"
  | "isDebugLogged"
  | "log"
  | "onNotice"
  | "onKilled"
> & {
  readonly signer: VenueFacts["signer"];
  readonly funds: VenueFacts["funds"];
  /** For the venue's limits, which belong to the session's own time. */
  readonly seams: { readonly clock: Clock; readonly timers: Timers };
  readonly limitsRng: Rng;
  readonly onLimited: (blockedMs: number) => void;
  readonly onSpent: ((record: PurchaseRecord) => void) | undefined;
};

/** The options of the engine, the same for a run and for its replay. */
export function liveOptions(s: SessionSetup, world: SessionWorld): LiveOptions {
  const { config, plan } = s;
  const { signer, funds, seams, limitsRng, onLimited, onSpent, ...given } = world;
  return {
    ...given,
    facts: {
      endpoints: s.endpoints,
      signer,
      account: s.account,
      vaultAddress: s.vaultAddress,
      instruments: s.instruments,
      midPx: s.midPx,
      markets: s.markets,
      fees: s.fees,
      funds,
    },
    assets: plan.assets,
    params: plan.params,
    margins: plan.margins,
    seed: s.seed,
    sessionId: s.sessionId,
    nonceLane: s.nonceLane,
    lastNonce: s.lastNonce,
    orderExpiryMs: config.engine.order_expiry_ms,
    wait: config.engine.wait,
    requoteBps: config.engine.requote_bps,
    requoteMs: config.engine.requote_ms,
    kernelCount: config.engine.threads,
    limits: new IpBudget({ ...seams, rng: limitsRng, onRefused: onLimited, before: s.limits }),
    expectedRequestsPerHour: expectedRequestsPerHour(config, s.instruments.length),
    purchase: config.rate_limit.buy_request_weight
      ? {
          maxUsdPerDay: config.rate_limit.max_purchase_usd_per_day,
          spent: s.purchased,
          onSpent: onSpent ?? (() => {}),
        }
      : undefined,
    economiseBelowHours: config.rate_limit.economise_below_hours,
    deadManMs: config.safety.dead_man_secs * 1000,
    watchdogMode: config.safety.watchdog,
    staleAfterMs: config.risk.pull_quotes_after_stale_secs * 1000,
    // Venues push 20 levels every few seconds and 5 levels twice a second; the simulator 20 levels twice a second.
    isFastBook: s.endpoints.name !== "localhost",
    hasStandby: config.engine.standby,
    relay:
      config.engine.relay_port === 0
        ? undefined
        : { host: config.engine.relay_host, port: config.engine.relay_port },
    warmUpDecayS: config.strategy.warmup_decay_secs,
  };
}
