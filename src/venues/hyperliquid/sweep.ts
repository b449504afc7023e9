/**
 * Takes this product's orders off the book without knowing them: for the watchdog, whose market maker is gone.
 */
import { type Clock, isOurs, type Timers } from "../../domain/index.js";
import type { ExchangeClient } from "./exchange.js";
import { l1 } from "./exchange-actions.js";
import type { InfoClient } from "./info.js";

/** The venue takes 200 elements per action. */
const CHUNK = 100;
const ROUND_MS = 300;
/** A round asks for the orders of every dex: a venue that refuses is asked at a pace that its limits bear. */
const TROUBLED_ROUND_MAX_MS = 2_000;
/** A request that was under way when its sender died may still land: the book must be empty for this long. */
const QUIET_NS = 3e9;

export interface SweepOptions {
  readonly info: Pick<InfoClient, "frontendOpenOrders">;
  readonly exchange: Pick<ExchangeClient, "l1">;
  /** Account, sub-account or vault, lower case. */
  readonly user: string;
  /** Venue asset ids of the markets that were traded. */
  readonly assetOf: ReadonlyMap<string, number>;
  readonly dexes: readonly string[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly onTrouble: (text: string) => void;
}

export interface SweepReport {
  /** Orders seen and asked to be cancelled. */
  readonly orders: number;
  /** The venue listed none of them at the end, for some seconds. */
  readonly isClean: boolean;
}

/**
 * Cancels every order with a client id of ours in the given markets, until the venue has listed none for three seconds, or
 * `forMs` have passed. Failures are reported and repeated. Thread: any.
 */
export async function sweepOrders(o: SweepOptions, forMs: number): Promise<SweepReport> {
  const { clock, timers } = o;
  const deadlineNs = clock.monoNs() + forMs * 1e6;
  const seen = new Set<string>();
  let emptySinceNs = Number.NaN;
  let roundMs = ROUND_MS;
  while (clock.monoNs() < deadlineNs) {
    try {
      const open = await ours(o);
      roundMs = ROUND_MS;
      for (const { cloid } of open) seen.add(cloid);
      if (open.length > 0) {
        emptySinceNs = Number.NaN;
        for (let from = 0; from < open.length; from += CHUNK) {
          await o.exchange.l1(l1.cancelByCloid(open.slice(from, from + CHUNK)));
        }
      } else {
        if (Number.isNaN(emptySinceNs)) emptySinceNs = clock.monoNs();
        if (clock.monoNs() - emptySinceNs >= QUIET_NS) return { orders: seen.size, isClean: true };
      }
    } catch (cause) {
      o.onTrouble(cause instanceof Error ? cause.message : String(cause));
      roundMs = Math.min(TROUBLED_ROUND_MAX_MS, 2 * roundMs);
    }
    await new Promise<void>((resolve) => {
      timers.after(roundMs, resolve);
    });
  }
  return { orders: seen.size, isClean: false };
}

async function ours(o: SweepOptions): Promise<{ asset: number; cloid: string }[]> {
  const lists = await Promise.all(o.dexes.map((dex) => o.info.frontendOpenOrders(o.user, dex || undefined)));
  return lists.flat().flatMap(({ coin, cloid }) => {
    const asset = o.assetOf.get(coin);
    return asset !== undefined && typeof cloid === "string" && isOurs(cloid) ? [{ asset, cloid }] : [];
  });
}
