/** Fees and request budgets of an account (reference 3.9, 3.10). */
import type { Account } from "../account.js";
import type { Exchange } from "../exchange.js";
import { requestsCap } from "../limits.js";
import { decOf } from "../wire.js";

const DAY_MS = 86_400_000;
/** Reference 8.13: share of the supply staked, discount. */
const STAKING_TIERS = [
  ["0.0", "0.0"],
  ["0.0001", "0.05"],
  ["0.001", "0.1"],
  ["0.01", "0.15"],
  ["0.1", "0.2"],
  ["1.0", "0.3"],
  ["5.0", "0.4"],
].map(([bpsOfMaxSupply, discount]) => ({ bpsOfMaxSupply, discount }));

export function userRateLimit(account: Account | undefined): unknown {
  const volume = account?.cumVolumeUsd ?? 0;
  return {
    cumVlm: decOf(volume, 6),
    nRequestsUsed: account?.requests.used ?? 0,
    nRequestsCap: requestsCap(volume),
    nRequestsSurplus: account?.requests.surplus ?? 0,
  };
}

const rate = (ppm: number): string => decOf(ppm / 1e6, 8);

export function userFees(exchange: Exchange, account: Account | undefined, exchMs: number): unknown {
  const { tiers, makerShares } = exchange.fees.schedule;
  const base = tiers[0]!;
  const rates = account === undefined ? base : exchange.fees.userRates(account, exchMs);
  const staking = decOf(account?.stakingDiscount ?? 0, 4);
  return {
    dailyUserVlm: dailyVolumes(exchange, account, exchMs),
    feeSchedule: {
      cross: rate(base.takerPpm),
      add: rate(base.makerPpm),
      spotCross: rate(base.spotTakerPpm),
      spotAdd: rate(base.spotMakerPpm),
      tiers: {
        vip: tiers.slice(1).map((t) => ({
          ntlCutoff: decOf(t.volumeUsd, 1),
          cross: rate(t.takerPpm),
          add: rate(t.makerPpm),
          spotCross: rate(t.spotTakerPpm),
          spotAdd: rate(t.spotMakerPpm),
        })),
        mm: makerShares.map((s) => ({ makerFractionCutoff: decOf(s.share, 4), add: rate(s.makerPpm) })),
      },
      referralDiscount: "0.04",
      stakingDiscountTiers: STAKING_TIERS,
    },
    userCrossRate: rate(rates.takerPpm),
    userAddRate: rate(rates.makerPpm),
    userSpotCrossRate: rate(rates.spotTakerPpm),
    userSpotAddRate: rate(rates.spotMakerPpm),
    activeReferralDiscount: decOf(account?.referralDiscount ?? 0, 4),
    trial: null,
    feeTrialEscrow: "0.0",
    nextTrialAvailableTimestamp: null,
    stakingLink: null,
    activeStakingDiscount: {
      bpsOfMaxSupply: STAKING_TIERS.find((t) => Number(t.discount) >= Number(staking))!.bpsOfMaxSupply,
      discount: staking,
    },
  };
}

/** The last two weeks and today, oldest first. */
function dailyVolumes(exchange: Exchange, account: Account | undefined, exchMs: number): unknown[] {
  const today = Math.floor(exchMs / DAY_MS);
  return Array.from({ length: 15 }, (_, i) => {
    const day = today - 14 + i;
    const mine = account?.dayVolumes.find((d) => d.day === day);
    return {
      date: new Date(day * DAY_MS).toISOString().slice(0, 10),
      userCross: decOf(mine?.takerUsd ?? 0, 6),
      userAdd: decOf(mine?.makerUsd ?? 0, 6),
      exchange: decOf(exchange.fees.exchangeVolumeUsd(day), 6),
    };
  });
}
