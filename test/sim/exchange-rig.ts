/** An exchange core with a few listed markets and short ways to trade on it. */
import { Side } from "../../src/domain/index.js";
import type { Account } from "../../src/sim/account.js";
import {
  DEFAULT_EXCHANGE_OPTIONS,
  Exchange,
  type ExchangeOptions,
  type OrderSpec,
} from "../../src/sim/exchange.js";
import { isPerp, type Market, type PerpMarket } from "../../src/sim/listed-market.js";
import { instrumentOf } from "../../src/sim/market.js";
import { L3Book } from "../../src/sim/matching.js";
import { DEFAULT_UNIVERSE } from "../../src/sim/universe.js";

export const NOW = 1_760_000_000_000;
export const address = (n: number): string => `0x${n.toString(16).padStart(40, "0")}`;

export class Rig {
  readonly exchange: Exchange;

  constructor(options: Partial<ExchangeOptions> = {}) {
    this.exchange = new Exchange({ ...DEFAULT_EXCHANGE_OPTIONS, ...options });
  }

  /** Lists a coin of the default universe at a mark in dollars. */
  list(coin: string, markPx: number): Market {
    const perp = DEFAULT_UNIVERSE.dexs.flatMap((d) => d.perps).find((p) => p.coin === coin);
    const szDecimals = perp?.szDecimals ?? (coin === "PURR/USDC" ? 0 : 2);
    const market = this.exchange.addMarket(
      instrumentOf(coin, szDecimals, perp?.maxLeverage ?? 1),
      new L3Book(),
    );
    this.mark(market, markPx);
    return market;
  }

  perp(coin: string, markPx: number): PerpMarket {
    const market = this.list(coin, markPx);
    if (!isPerp(market)) throw new Error(`${coin} is not a perp`);
    return market;
  }

  ticks(market: Market, px: number): number {
    return Math.round(px * 10 ** market.pxDecimals);
  }

  mark(market: Market, px: number, atMs = NOW): void {
    this.exchange.setMark(market, this.ticks(market, px), atMs);
  }

  user(n: number, usd: number, dexIndex = 0): Account {
    return this.exchange.deposit(address(n), Math.round(usd * 1e6), dexIndex);
  }

  house(n: number): Account {
    return this.exchange.addHouse(address(0xf000 + n));
  }

  /** @returns the answer's status: an object of the wire. */
  place(
    account: Account,
    market: Market,
    side: Side,
    px: number,
    sz: number,
    rest: Partial<OrderSpec> = {},
  ): ReturnType<Exchange["place"]> {
    const spec: OrderSpec = {
      market,
      side,
      pxTicks: this.ticks(market, px),
      szLots: Math.round(sz * 10 ** market.szDecimals),
      tif: "Gtc",
      isReduceOnly: false,
      cloid: undefined,
      ...rest,
    };
    return this.exchange.place(account, spec, NOW);
  }

  /** Two accounts trade at a price: the first one as the taker. */
  cross(taker: Account, maker: Account, market: Market, side: Side, px: number, sz: number): void {
    const rest = this.place(maker, market, side === Side.Buy ? Side.Sell : Side.Buy, px, sz);
    const take = this.place(taker, market, side, px, sz, { tif: "Ioc" });
    for (const { status } of [rest, take]) if ("error" in status) throw new Error(status.error);
  }

  cash(account: Account, dexIndex = 0): number {
    return account.clearinghouse(dexIndex).balanceMicroUsd / 1e6;
  }
}
