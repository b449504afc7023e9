/**
 * Trading fees: tiers by volume, maker shares, discounts, and what a HIP-3 dex makes of them.
 *
 * Source: reference/hyperliquid-api.md 8.13, 9.5, 3.10.
 */
import type { Account, DayVolume } from "./account.js";
import type { Market } from "./listed-market.js";

export interface FeeRates {
  /** Parts per million of notional: 150 is 1.5 bps. Negative is a rebate. */
  readonly makerPpm: number;
  readonly takerPpm: number;
}

/** Base tier of reference 8.13: maker 1.5 bps, taker 4.5 bps. */
export const BASE_FEES: FeeRates = { makerPpm: 150, takerPpm: 450 };

export interface FeeTier extends FeeRates {
  /** Weighted 14-day volume above which the tier holds. */
  readonly volumeUsd: number;
  readonly spotMakerPpm: number;
  readonly spotTakerPpm: number;
}

export interface FeeSchedule {
  /** Ascending; the first one starts at 0. */
  readonly tiers: readonly FeeTier[];
  /** Maker share of the exchange's 14-day volume above which makers have this rate instead. Ascending. */
  readonly makerShares: readonly { readonly share: number; readonly makerPpm: number }[];
}

const tier = (
  volumeUsd: number,
  takerPpm: number,
  makerPpm: number,
  spotTakerPpm: number,
  spotMakerPpm: number,
): FeeTier => ({ volumeUsd, takerPpm, makerPpm, spotTakerPpm, spotMakerPpm });

export const VENUE_FEES: FeeSchedule = {
  tiers: [
    tier(0, 450, 150, 700, 400),
    tier(5e6, 400, 120, 600, 300),
    tier(25e6, 350, 80, 500, 200),
    tier(100e6, 300, 40, 400, 100),
    tier(500e6, 280, 0, 350, 0),
    tier(2e9, 260, 0, 300, 0),
    tier(7e9, 240, 0, 250, 0),
  ],
  makerShares: [
    { share: 0.005, makerPpm: -10 },
    { share: 0.015, makerPpm: -20 },
    { share: 0.03, makerPpm: -30 },
  ],
};

/** The same rates for everyone; spot keeps the venue's base. */
export function flatFees(rates: FeeRates): FeeSchedule {
  return { tiers: [{ ...VENUE_FEES.tiers[0]!, ...rates }], makerShares: [] };
}

/** Rates of an account after tier and staking discount, before referral discount and dex scale: what `userFees` shows. */
export interface UserRates {
  readonly makerPpm: number;
  readonly takerPpm: number;
  readonly spotMakerPpm: number;
  readonly spotTakerPpm: number;
}

const DAY_MS = 86_400_000;
const WINDOW_DAYS = 14;
/** For the first 25M of volume of an account that named a referrer. */
export const REFERRAL_DISCOUNT = 0.04;
const REFERRAL_VOLUME_USD = 25e6;

/**
 * The rate that is charged.
 * @param scale deployer fee scale s, 0 on the first dex.
 * @param referral discount as a fraction.
 */
export function scaledPpm(ratePpm: number, scale: number, isGrowthMode: boolean, referral: number): number {
  // A rebate is paid as it is: protocol and deployer share its cost.
  if (ratePpm <= 0) return ratePpm * (isGrowthMode ? 0.1 : 1);
  const h = scale < 1 ? 1 + scale : 2 * scale;
  return ratePpm * (isGrowthMode ? 0.1 : 1) * h * (1 - referral);
}

export class FeeBook {
  /** Everybody's volume by day, in weighted quote units, one-sided. */
  private readonly exchangeDays: { day: number; usd: number }[] = [];
  private readonly cached = new Map<Account, { day: number; rates: UserRates }>();

  constructor(readonly schedule: FeeSchedule) {}

  /** Sub-accounts share their master's tier; vaults have their own. */
  private payer(account: Account): Account {
    return account.role === "subAccount" && account.master !== undefined ? account.master : account;
  }

  private family(account: Account): readonly Account[] {
    return [account, ...account.subAccounts];
  }

  /** Weighted volume and maker share over the 14 full UTC days before today. */
  standing(account: Account, nowMs: number): { volumeUsd: number; makerShare: number } {
    const today = Math.floor(nowMs / DAY_MS);
    const isCounted = (day: number): boolean => day < today && day >= today - WINDOW_DAYS;
    let volumeUsd = 0;
    let makerUsd = 0;
    for (const member of this.family(this.payer(account))) {
      for (const d of member.dayVolumes) {
        if (!isCounted(d.day)) continue;
        volumeUsd += d.weightedUsd;
        makerUsd += d.makerUsd;
      }
    }
    const total = this.exchangeDays.reduce((s, d) => s + (isCounted(d.day) ? d.usd : 0), 0);
    return { volumeUsd, makerShare: total > 0 ? makerUsd / total : 0 };
  }

  /** Changes with the UTC day, when discounts change, or never. */
  userRates(account: Account, nowMs: number): UserRates {
    const payer = this.payer(account);
    const day = Math.floor(nowMs / DAY_MS);
    const known = this.cached.get(payer);
    if (known?.day === day) return known.rates;
    const { volumeUsd, makerShare } = this.standing(payer, nowMs);
    let at = this.schedule.tiers[0]!;
    for (const t of this.schedule.tiers) if (volumeUsd > t.volumeUsd) at = t;
    let makerPpm = at.makerPpm;
    for (const s of this.schedule.makerShares) if (makerShare > s.share) makerPpm = s.makerPpm;
    const staked = (ppm: number): number => (ppm > 0 ? ppm * (1 - payer.stakingDiscount) : ppm);
    const rates = {
      makerPpm: staked(makerPpm),
      takerPpm: staked(at.takerPpm),
      spotMakerPpm: staked(at.spotMakerPpm),
      spotTakerPpm: staked(at.spotTakerPpm),
    };
    this.cached.set(payer, { day, rates });
    return rates;
  }

  /** After a change of an account's discounts. */
  forget(account: Account): void {
    this.cached.delete(this.payer(account));
  }

  /** The rate of one fill, ppm of its notional; fractional. */
  ratePpm(account: Account, market: Market, isTaker: boolean, nowMs: number): number {
    const rates = this.userRates(account, nowMs);
    const payer = this.payer(account);
    const referral = payer.cumVolumeUsd < REFERRAL_VOLUME_USD ? payer.referralDiscount : 0;
    if (market.perp === undefined)
      return scaledPpm(isTaker ? rates.spotTakerPpm : rates.spotMakerPpm, 0, false, referral);
    const { dex, isGrowthMode } = market.perp;
    return scaledPpm(isTaker ? rates.takerPpm : rates.makerPpm, dex.deployerFeeScale, isGrowthMode, referral);
  }

  /** Counts a fill towards tiers and rate limits. */
  note(account: Account, market: Market, usd: number, isTaker: boolean, nowMs: number): void {
    const growth = market.perp?.isGrowthMode === true ? 0.1 : 1;
    account.cumVolumeUsd += usd * growth;
    if (account.isHouse) return;
    const today = dayOf(account.dayVolumes, Math.floor(nowMs / DAY_MS));
    if (isTaker) today.takerUsd += usd;
    else today.makerUsd += usd;
    today.weightedUsd += usd * growth * (market.spot === undefined ? 1 : 2);
  }

  /** Counts a trade, once, towards the volume that maker shares are measured against. */
  noteTrade(usd: number, nowMs: number): void {
    const day = Math.floor(nowMs / DAY_MS);
    const last = this.exchangeDays[this.exchangeDays.length - 1];
    if (last?.day === day) last.usd += usd;
    else {
      this.exchangeDays.push({ day, usd });
      if (this.exchangeDays.length > WINDOW_DAYS + 2) this.exchangeDays.shift();
    }
  }

  exchangeVolumeUsd(day: number): number {
    return this.exchangeDays.find((d) => d.day === day)?.usd ?? 0;
  }
}

function dayOf(days: DayVolume[], day: number): DayVolume {
  const last = days[days.length - 1];
  if (last?.day === day) return last;
  const today = { day, takerUsd: 0, makerUsd: 0, weightedUsd: 0 };
  days.push(today);
  if (days.length > WINDOW_DAYS + 2) days.shift();
  return today;
}
