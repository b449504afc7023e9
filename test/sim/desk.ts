/** An exchange with one market and a few funded accounts, driven by actions: no sockets, no signatures, no clock. */
import type { Account, OrderUpdateWire } from "../../src/sim/account.js";
import type { Action, Grouping, OrderWire } from "../../src/sim/actions.js";
import { DEFAULT_EXCHANGE_OPTIONS, Exchange, type ExchangeOptions } from "../../src/sim/exchange.js";
import { ActionExecutor, type ExecutorOptions } from "../../src/sim/execute.js";
import type { Market } from "../../src/sim/listed-market.js";
import { perpInstrument } from "../../src/sim/market.js";
import { L3Book } from "../../src/sim/matching.js";

export const NOW = 1_760_000_000_000;
const SIGNATURE = { r: "0x0", s: "0x0", v: 27 };

// biome-ignore lint/suspicious/noExplicitAny: tidy-ok: the protocol's JSON, inspected freely by expectations
type Loose = any;

export class Desk {
  readonly exchange: Exchange;
  readonly executor: ActionExecutor;
  readonly market: Market;
  readonly accounts: Account[];
  /** `oid status` of every order update, in order. */
  readonly updates: string[] = [];
  ms = NOW;
  private nonce = NOW;

  constructor(executor: Partial<ExecutorOptions> = {}, options: Partial<ExchangeOptions> = {}) {
    this.exchange = new Exchange({ ...DEFAULT_EXCHANGE_OPTIONS, ...options });
    this.market = this.exchange.addMarket(perpInstrument("BTC", 5, 40), new L3Book());
    this.accounts = [1, 2, 3].map((n) =>
      this.exchange.deposit(`0x${n.toString(16).padStart(40, "0")}`, 1_000_000 * 1e6),
    );
    this.executor = new ActionExecutor(this.exchange, executor);
    this.exchange.events = {
      onTrade() {},
      onFill() {},
      onNonUserCancel() {},
      onOrderUpdate: (_account: Account, u: OrderUpdateWire) =>
        this.updates.push(`${u.order.oid} ${u.status}`),
    };
    this.mark(100_000);
  }

  /** The whole answer. */
  act(who: number, action: Action, extra: { expiresAfter?: number } = {}): Loose {
    const envelope = {
      action,
      nonce: ++this.nonce,
      signature: SIGNATURE,
      vaultAddress: undefined,
      expiresAfter: extra.expiresAfter,
    };
    return this.executor.execute(this.accounts[who]!.address, envelope, this.ms, this.ms);
  }

  /** The statuses of an action that has them. */
  statuses(who: number, action: Action): Loose[] {
    const answer = this.act(who, action);
    if (answer.status !== "ok") throw new Error(`refused: ${answer.response}`);
    return answer.response.data.statuses;
  }

  order(who: number, orders: OrderWire[], grouping: Grouping = "na"): Loose[] {
    return this.statuses(who, { type: "order", orders, grouping });
  }

  /** Moves the mark by hand and lets what depends on it happen. */
  mark(usd: number): void {
    this.exchange.setMark(this.market, Math.round(usd * 10), this.ms);
    this.executor.advance(this.ms, this.ms);
  }

  position(who: number): number {
    return this.accounts[who]!.positionLots(this.market) / 1e5;
  }

  open(who: number): string[] {
    return [...this.accounts[who]!.openOrders.keys()].map(String);
  }

  /** Status of the account's order with this cloid digit. */
  status(who: number, cloid: number): string {
    return this.accounts[who]!.byCloid.get(cloidOf(cloid))!.status;
  }

  oid(who: number, cloid: number): number {
    return this.accounts[who]!.byCloid.get(cloidOf(cloid))!.oid;
  }

  /** What happened to each order, in order. */
  lives(): Map<number, string[]> {
    const lives = new Map<number, string[]>();
    for (const update of this.updates) {
      const [oid, status] = update.split(" ") as [string, string];
      const life = lives.get(Number(oid));
      if (life === undefined) lives.set(Number(oid), [status]);
      else life.push(status);
    }
    return lives;
  }

  /** What happened to an order, in order. */
  lifeOf(oid: number): string[] {
    return this.updates.filter((u) => u.startsWith(`${oid} `)).map((u) => u.slice(`${oid} `.length));
  }
}

export const cloidOf = (n: number): string => `0x${n.toString(16).padStart(32, "0")}`;

type Tif = "Gtc" | "Ioc" | "Alo" | "FrontendMarket";

export function limit(
  isBuy: boolean,
  px: number,
  sz: number,
  tif: Tif = "Gtc",
  cloid?: number,
  r = false,
): OrderWire {
  return {
    a: 0,
    b: isBuy,
    p: String(px),
    s: String(sz),
    r,
    t: { limit: { tif } },
    ...(cloid === undefined ? {} : { c: cloidOf(cloid) }),
  };
}

export function trigger(
  isBuy: boolean,
  tpsl: "tp" | "sl",
  triggerPx: number,
  sz: number,
  rest: { isMarket?: boolean; px?: number; r?: boolean; cloid?: number } = {},
): OrderWire {
  return {
    a: 0,
    b: isBuy,
    p: String(rest.px ?? triggerPx),
    s: String(sz),
    r: rest.r ?? true,
    t: { trigger: { isMarket: rest.isMarket ?? true, triggerPx: String(triggerPx), tpsl } },
    ...(rest.cloid === undefined ? {} : { c: cloidOf(rest.cloid) }),
  };
}
