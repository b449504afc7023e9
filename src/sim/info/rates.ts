/** Fees and request budgets of an account (reference 3.9, 3.10). */
import type { Account } from "../account.js";
import type { Exchange } from "../exchange.js";
import { requestsCap } from "../limits.js";
import { decOf } from "../wire.js";

export function userRateLimit(account: Account | undefined): unknown {
  const volume = account?.cumVolumeUsd ?? 0;
  return {
    cumVlm: decOf(volume, 6),
    nRequestsUsed: account?.requests.used ?? 0,
    nRequestsCap: requestsCap(volume),
    nRequestsSurplus: account?.requests.surplus ?? 0,
  };
}

export function userFees(exchange: Exchange): unknown {
  const rate = (ppm: number): string => decOf(ppm / 1e6, 8);
  const { makerPpm, takerPpm } = exchange.fees.schedule.tiers[0]!;
  return {
    dailyUserVlm: [],
    feeSchedule: {
      cross: rate(takerPpm),
      add: rate(makerPpm),
      spotCross: "0.0007",
      spotAdd: "0.0004",
      tiers: { vip: [], mm: [] },
      referralDiscount: "0.04",
      stakingDiscountTiers: [{ bpsOfMaxSupply: "0.0", discount: "0.0" }],
    },
    userCrossRate: rate(takerPpm),
    userAddRate: rate(makerPpm),
    userSpotCrossRate: "0.0007",
    userSpotAddRate: "0.0004",
    activeReferralDiscount: "0.0",
    trial: null,
    feeTrialEscrow: "0.0",
    nextTrialAvailableTimestamp: null,
    stakingLink: null,
    activeStakingDiscount: { bpsOfMaxSupply: "0.0", discount: "0.0" },
  };
}
