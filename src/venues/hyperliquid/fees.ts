/**
 * What a fill costs on a dex: the account's rates scaled by the deployer's share and the market's growth mode.
 * Source: reference §8.13, §9.5.
 */

/** The account's rates on the first dex after tier and staking, fractions of notional (`userFees`). */
export interface AccountRates {
  /** Negative: a rebate. */
  readonly maker: number;
  readonly taker: number;
  /** Share of positive rates that a referral saves, 0 to 1. */
  readonly referralDiscount: number;
}

export interface DexFees {
  /** The deployer's share on top of the base fee; 0 on the first dex, 1 doubles it. */
  readonly deployerScale: number;
  /** Fees, rebates and volume credits are a tenth. */
  readonly isGrowth: boolean;
  /** The collateral is an aligned quote asset. */
  readonly isAligned?: boolean;
}

const GROWTH = 0.1;
const ALIGNED_REBATE = 1.5;
const ALIGNED_TAKER = 0.8;

/** Maker and taker fee of one market, signed, bps of notional. */
export function marketFees(account: AccountRates, dex: DexFees): { makerBps: number; takerBps: number } {
  const { maker, taker } = account;
  const growth = dex.isGrowth ? GROWTH : 1;
  const scale = dex.deployerScale;
  const multiple = scale < 1 ? 1 + scale : 2 * scale;
  const deployerShare = scale < 1 ? scale / (1 + scale) : 0.5;
  const aligned = (factor: number): number =>
    dex.isAligned === true ? (1 - deployerShare) * factor + deployerShare : 1;
  const paid = growth * multiple * (1 - account.referralDiscount);
  return {
    makerBps: 1e4 * (maker > 0 ? maker * paid : maker * growth * aligned(ALIGNED_REBATE)),
    takerBps: 1e4 * taker * paid * aligned(ALIGNED_TAKER),
  };
}
