import type { LogFn } from "../telemetry/log.js";
import type { InfoClient } from "../venues/hyperliquid/info.js";
import type { MarketFacts } from "./markets.js";

/** How near a market is to a cap of open interest. */
export interface OpenInterest {
  /** Of the market, at mark, USD. */
  readonly oiUsd: number;
  /** Cap of the market; undefined where none is published. */
  readonly capUsd: number | undefined;
  /** The same of the whole dex. */
  readonly dexOiUsd: number;
  readonly dexCapUsd: number | undefined;
  /** The venue lists the market as at its cap. */
  readonly isAtCap: boolean;
}

export interface OpenInterestVerdict {
  /** Of the nearest cap; 1 is at the cap. */
  readonly share: number;
  /** What is left of the quoted size. */
  readonly sizeMult: number;
  /** No order may add to the position. */
  readonly isReduceOnly: boolean;
}

/** From this share on the quotes shrink; a position that must be built slowly is better than one that cannot be left. */
const SHRINK_FROM = 0.9;
/** Size left just below the cap. */
const LEAST_MULT = 0.25;

/** Full size up to nine tenths of the cap, then shrinking to a quarter, reduce-only at the cap. */
export function judgeOpenInterest(oi: OpenInterest): OpenInterestVerdict {
  const share = Math.max(
    shareOf(oi.oiUsd, oi.capUsd),
    shareOf(oi.dexOiUsd, oi.dexCapUsd),
    oi.isAtCap ? 1 : 0,
  );
  if (share >= 1) return { share, sizeMult: LEAST_MULT, isReduceOnly: true };
  const excess = Math.max(0, share - SHRINK_FROM) / (1 - SHRINK_FROM);
  return { share, sizeMult: 1 - excess * (1 - LEAST_MULT), isReduceOnly: false };
}

const shareOf = (usd: number, capUsd: number | undefined): number =>
  capUsd !== undefined && capUsd > 0 && Number.isFinite(usd) ? usd / capUsd : 0;

export interface OpenInterestHooks {
  /** Told after every look. */
  readonly onVerdict: (asset: number, verdict: OpenInterestVerdict) => void;
}

/** Caps move rarely: they are read again at every so many looks. */
const LIMITS_EVERY = 30;
/** Looks that failed in a row; one lost packet is no news. */
const BLIND_AFTER = 3;

/**
 * Reads the caps of open interest at start and watches how near they are (SOP §6.5). A builder-deployed dex publishes caps of
 * each market and of itself; of the venue's own markets only the list of those at their cap is known.
 *
 * Thread: main, cold. Requests per look and dex: one, and one more on a builder-deployed dex.
 */
export class OpenInterestWatch {
  private readonly caps = new Map<
    string,
    { readonly dexUsd: number | undefined; readonly byCoin: ReadonlyMap<string, number> }
  >();
  private readonly lastLevel = new Map<number, string>();
  private looks = 0;
  private isBusy = false;
  private failures = 0;

  constructor(
    private readonly info: Pick<InfoClient, "perpDexLimits" | "perpsAtOpenInterestCap" | "metaAndAssetCtxs">,
    private readonly markets: readonly MarketFacts[],
    private readonly log: LogFn,
    private readonly hooks: OpenInterestHooks,
  ) {}

  /** Never throws: a read that failed is repeated at the next look, and the last verdicts stand. Blindness is told. */
  async look(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      const isLimitsTurn = this.looks++ % LIMITS_EVERY === 0;
      for (const dex of new Set(this.markets.map((m) => m.dex.name))) await this.lookAt(dex, isLimitsTurn);
      if (this.failures >= BLIND_AFTER) this.log("info", "Open interest read again");
      this.failures = 0;
    } catch (error) {
      const isBlind = ++this.failures === BLIND_AFTER || this.looks === 1;
      this.log(isBlind ? "warn" : "debug", "Open interest not read: its caps are not watched", {
        error: (error as Error).message,
      });
    } finally {
      this.isBusy = false;
    }
  }

  private async lookAt(dex: string, isLimitsTurn: boolean): Promise<void> {
    const atCap = new Set(await this.info.perpsAtOpenInterestCap(dex === "" ? undefined : dex));
    const oiUsd = dex === "" ? new Map<string, number>() : await this.openInterest(dex);
    if (dex !== "" && (isLimitsTurn || !this.caps.has(dex))) await this.readCaps(dex);
    const caps = this.caps.get(dex);
    const dexOiUsd = [...oiUsd.values()].reduce((sum, usd) => sum + usd, 0);
    for (const m of this.markets) {
      if (m.dex.name !== dex) continue;
      const { asset, coin } = m.instrument;
      const facts: OpenInterest = {
        oiUsd: oiUsd.get(coin) ?? Number.NaN,
        capUsd: caps?.byCoin.get(coin) ?? m.dex.oiCapUsd.get(coin),
        dexOiUsd,
        dexCapUsd: caps?.dexUsd,
        isAtCap: atCap.has(coin),
      };
      const verdict = judgeOpenInterest(facts);
      this.tell(m, facts, verdict);
      this.hooks.onVerdict(asset, verdict);
    }
  }

  private async openInterest(dex: string): Promise<Map<string, number>> {
    const [meta, contexts] = await this.info.metaAndAssetCtxs(dex);
    return new Map(
      meta.universe.map((u, i) => [
        u.name,
        Number(contexts[i]?.openInterest ?? 0) * Number(contexts[i]?.markPx ?? 0),
      ]),
    );
  }

  private async readCaps(dex: string): Promise<void> {
    const limits = await this.info.perpDexLimits(dex);
    this.caps.set(dex, {
      dexUsd: limits === null ? undefined : Number(limits.totalOiCap),
      byCoin: new Map((limits?.coinToOiCap ?? []).map(([coin, cap]) => [coin, Number(cap)])),
    });
  }

  /** The first look tells the caps; later ones only what changed. */
  private tell(
    { instrument: { asset, coin } }: MarketFacts,
    oi: OpenInterest,
    verdict: OpenInterestVerdict,
  ): void {
    const level = verdict.isReduceOnly ? "at cap" : verdict.sizeMult < 1 ? "near cap" : "";
    const before = this.lastLevel.get(asset);
    this.lastLevel.set(asset, level);
    const fields = {
      asset: coin,
      openInterestUsd: whole(oi.oiUsd),
      capUsd: whole(oi.capUsd),
      dexOpenInterestUsd: whole(oi.dexOiUsd),
      dexCapUsd: whole(oi.dexCapUsd),
      shareOfCap: Math.round(verdict.share * 1e4) / 1e4,
    };
    if (before === undefined && oi.capUsd !== undefined) this.log("info", "Open-interest caps", fields);
    if (level === (before ?? "")) return;
    if (level === "at cap") this.log("warn", "Open interest is at its cap: only reducing orders", fields);
    else if (level === "near cap") this.log("warn", "Open interest is near its cap: quotes shrink", fields);
    else this.log("info", "Open interest is away from its cap again", fields);
  }
}

const whole = (usd: number | undefined): number | undefined =>
  usd !== undefined && Number.isFinite(usd) ? Math.round(usd) : undefined;
