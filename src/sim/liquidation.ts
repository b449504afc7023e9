/**
 * Liquidation: what happens to an account, or to one isolated position, whose equity falls below its maintenance margin.
 *
 * On each mark update, in this order: its orders in scope go; market orders try the book, no further than the price at
 * which nothing would be left; what the book could not cure goes to the liquidator with all margin in scope once equity is
 * below two thirds of maintenance; and below zero, positions are closed against opposite holders in profit at the previous
 * mark. Whatever debt is then left is the liquidator's: no micro-unit disappears.
 *
 * Source: reference/hyperliquid-api.md 8.11, 8.12.
 */
import { Side, stepTicks } from "../domain/index.js";
import type { Account, SimOrder } from "./account.js";
import type { Clearinghouse, Position } from "./clearinghouse.js";
import type { ExchangeState } from "./exchange-state.js";
import type { Market, PerpMarket } from "./listed-market.js";
import {
  accountValue,
  crossEquity,
  crossMaintenance,
  isolatedEquity,
  ntlMicroUsd,
  positionMaintenance,
} from "./margin.js";
import type { Settlement } from "./settlement.js";
import { dec } from "./wire.js";

export interface LiquidationOptions {
  /** Above this position value only a fifth is sent at first; testnet has 10,000. */
  readonly partialLiquidationUsd: number;
  readonly liquidationCooldownMs: number;
}

/** The order side of the exchange, as far as a liquidation needs it. */
export interface LiquidationDesk {
  cancel(order: SimOrder, exchMs: number, status?: string): void;
  placeLiquidation(account: Account, market: Market, side: Side, limitTicks: number, szLots: number): void;
  trimReduceOnly(account: Account, market: Market): void;
  systemOid(): number;
}

/** What is liquidated together: all cross positions of an account in a dex, or one isolated position. */
interface Scope {
  readonly account: Account;
  readonly house: Clearinghouse;
  readonly dexIndex: number;
  readonly isolated: Position | undefined;
}

const PARTIAL = 0.2;
/** Room for the taker fee below the price at which nothing is left: above any fee with dex scale. */
const FEE_ROOM = 0.003;

const equity = (s: Scope): number =>
  s.isolated === undefined ? crossEquity(s.house) : isolatedEquity(s.isolated);
const maintenance = (s: Scope): number =>
  s.isolated === undefined ? crossMaintenance(s.house) : positionMaintenance(s.isolated);
const open = (s: Scope): Position[] =>
  s.isolated !== undefined
    ? s.isolated.szLots === 0
      ? []
      : [s.isolated]
    : s.house.positions.filter((p) => p.isCross && p.szLots !== 0);

export class Liquidator {
  private count = 0;
  private isBusy = false;

  constructor(
    private readonly state: ExchangeState,
    private readonly settlement: Settlement,
    private readonly desk: LiquidationDesk,
    private readonly options: LiquidationOptions,
  ) {}

  /** After a move of a market's mark. */
  check(market: PerpMarket): void {
    // A liquidation's own trades move no marks before it is done.
    if (this.isBusy) return;
    const dexIndex = market.perp.dex.index;
    for (const account of this.state.allAccounts()) {
      if (account.isMarginExempt) continue;
      const p = account.positions[market.asset];
      if (p === undefined || p.szLots === 0) continue;
      const house = account.clearinghouse(dexIndex);
      const scope = { account, house, dexIndex, isolated: p.isCross ? undefined : p };
      if (equity(scope) >= maintenance(scope)) continue;
      this.isBusy = true;
      try {
        this.state.inTransaction(() => this.liquidate(scope));
      } finally {
        this.isBusy = false;
        this.state.liquidating = undefined;
      }
    }
  }

  private liquidate(scope: Scope): void {
    this.cancelOrders(scope);
    const before = snapshot(scope);
    if (equity(scope) >= 0) this.tryBook(scope);
    const left = equity(scope);
    let isBackstop = false;
    if (open(scope).length === 0) this.coverDebt(scope);
    else if (left < 0) this.deleverage(scope);
    else if (left < (2 / 3) * maintenance(scope) && this.hasBackstop(scope)) {
      this.backstop(scope);
      isBackstop = true;
    }
    this.announce(scope, before, isBackstop);
  }

  /** A HIP-3 dex's liquidator takes only what may be held cross. */
  private hasBackstop(scope: Scope): boolean {
    return scope.dexIndex === 0 || open(scope).every((p) => p.market.perp.marginMode === "normal");
  }

  private cancelOrders(scope: Scope): void {
    const { account, isolated, dexIndex } = scope;
    for (const order of [...account.openOrders.values()]) {
      const { perp } = order.market;
      if (perp === undefined || perp.dex.index !== dexIndex) continue;
      const p = account.position(order.market as PerpMarket);
      if (isolated === undefined ? !p.isCross : p !== isolated) continue;
      this.desk.cancel(order, this.state.nowMs, "liquidatedCanceled");
    }
  }

  private tryBook(scope: Scope): void {
    const { account, house } = scope;
    const largestFirst = open(scope).sort((a, b) => ntlMicroUsd(b) - ntlMicroUsd(a));
    for (const p of largestFirst) {
      const left = equity(scope);
      if (left >= maintenance(scope) || left <= 0) return;
      const isLarge = ntlMicroUsd(p) > this.options.partialLiquidationUsd * 1e6;
      const isPartial = isLarge && this.state.nowMs >= house.liquidationCooldownMs;
      if (isPartial) house.liquidationCooldownMs = this.state.nowMs + this.options.liquidationCooldownMs;
      const held = Math.abs(p.szLots);
      const szLots = isPartial ? Math.max(1, Math.ceil(held * PARTIAL)) : held;
      const side = p.szLots > 0 ? Side.Sell : Side.Buy;
      const limitTicks = this.bankruptcyTicks(p, left, side);
      if (limitTicks <= 0) continue;
      this.state.liquidating = {
        liquidated: account,
        isCross: p.isCross,
        liquidatedUser: account.address,
        markPx: dec(p.market.referenceTicks, p.market.pxDecimals),
        method: "market",
      };
      this.desk.placeLiquidation(account, p.market, side, limitTicks, szLots);
      this.state.liquidating = undefined;
    }
  }

  /** The worst legal price at which closing all of it leaves nothing, fee included. */
  private bankruptcyTicks(p: Position, equityMicroUsd: number, side: Side): number {
    const mark = p.market.referenceTicks;
    const px =
      mark + (side * equityMicroUsd) / (Math.abs(p.szLots) * p.market.microPerUnit) - side * mark * FEE_ROOM;
    const worst = side === Side.Sell ? Math.max(px, 1) : px;
    const step = stepTicks(p.market.instrument, Math.max(1, Math.round(worst)));
    return side === Side.Sell ? Math.ceil(worst / step) * step : Math.floor(worst / step) * step;
  }

  /** All positions in scope at mark, and all margin in scope, to the liquidator. */
  private backstop(scope: Scope): void {
    const { account, house, dexIndex, isolated } = scope;
    const liquidator = this.state.liquidator(dexIndex);
    for (const p of open(scope)) {
      const mark = p.market.referenceTicks;
      this.state.liquidating = {
        liquidated: account,
        isCross: p.isCross,
        liquidatedUser: account.address,
        markPx: dec(mark, p.market.pxDecimals),
        method: "backstop",
      };
      const margin = isolated === undefined ? 0 : isolatedEquity(p);
      this.handOver(account, liquidator, p, Math.abs(p.szLots), mark);
      this.state.liquidating = undefined;
      if (isolated !== undefined) this.move(house, liquidator, dexIndex, margin);
    }
    if (isolated === undefined) this.move(house, liquidator, dexIndex, house.balanceMicroUsd);
  }

  private move(from: Clearinghouse, to: Account, dexIndex: number, microUsd: number): void {
    from.balanceMicroUsd -= microUsd;
    to.clearinghouse(dexIndex).balanceMicroUsd += microUsd;
  }

  /** Closes what is open against opposite holders, at the previous mark. */
  private deleverage(scope: Scope): void {
    const before = scope.house.balanceMicroUsd;
    for (const p of open(scope)) {
      const px = p.market.previousMarkTicks || p.market.referenceTicks;
      for (const other of this.ranked(p)) {
        if (p.szLots === 0) break;
        const theirs = other.positions[p.asset]!;
        const szLots = Math.min(Math.abs(p.szLots), Math.abs(theirs.szLots));
        this.handOver(scope.account, other, p, szLots, px, "Auto-Deleveraging");
      }
      // Only on a replayed market can holders be too few: the tape's side is not an account.
      const leftLots = Math.abs(p.szLots);
      if (leftLots > 0) {
        const liquidator = this.state.liquidator(scope.dexIndex);
        this.handOver(scope.account, liquidator, p, leftLots, px, "Auto-Deleveraging");
      }
    }
    // An isolated position must not cost more than its own money: closing it put the difference on the cash.
    if (scope.isolated === undefined) this.coverDebt(scope);
    else {
      const change = scope.house.balanceMicroUsd - before;
      if (change < 0) this.move(scope.house, this.state.liquidator(scope.dexIndex), scope.dexIndex, change);
    }
  }

  /** Cross cash below zero with nothing open is a debt that nobody will pay: the liquidator does. */
  private coverDebt({ house, dexIndex }: Scope): void {
    const isFlat = house.positions.every((p) => p.szLots === 0 || !p.isCross);
    if (isFlat && house.balanceMicroUsd < 0) {
      this.move(house, this.state.liquidator(dexIndex), dexIndex, house.balanceMicroUsd);
    }
  }

  /** Opposite holders by profit ratio times leverage, highest first; those without margin of their own come last. */
  private ranked(p: Position): Account[] {
    const mark = p.market.referenceTicks;
    const dexIndex = p.market.perp.dex.index;
    const score = (account: Account): number => {
      const q = account.positions[p.asset]!;
      if (account.isMarginExempt) return Number.NEGATIVE_INFINITY;
      const ntl = ntlMicroUsd(q);
      const ratio =
        q.szLots > 0
          ? ntl / q.entryMicroUsd
          : q.entryMicroUsd / Math.max(1, Math.abs(q.szLots) * mark * p.market.microPerUnit);
      return ratio * (ntl / Math.max(1, accountValue(account.clearinghouse(dexIndex))));
    };
    return this.state
      .allAccounts()
      .filter((account) => (account.positions[p.asset]?.szLots ?? 0) * p.szLots < 0)
      .map((account) => ({ account, score: score(account) }))
      .sort((a, b) => b.score - a.score || a.account.id - b.account.id)
      .map((r) => r.account);
  }

  /** A trade without orders, book or fee between the owner of `p` and another account. */
  private handOver(
    from: Account,
    to: Account,
    p: Position,
    szLots: number,
    pxTicks: number,
    dir?: string,
  ): void {
    const { market } = p;
    const side = p.szLots > 0 ? Side.Sell : Side.Buy;
    const [fromOid, toOid] = [this.desk.systemOid(), this.desk.systemOid()];
    const tid = this.state.tradeId(fromOid, toOid);
    const common = { market, pxTicks, szLots, tid, hash: this.state.hash, cloid: undefined, isFree: true };
    const label = dir === undefined ? {} : { dir };
    this.settlement.settle({ ...common, ...label, account: from, side, oid: fromOid, isTaker: true });
    this.settlement.settle({
      ...common,
      ...label,
      account: to,
      side: -side as Side,
      oid: toOid,
      isTaker: false,
    });
    this.desk.trimReduceOnly(from, market);
    this.desk.trimReduceOnly(to, market);
  }

  /** Nothing is told when nothing could be done: the next mark tries again. */
  private announce(scope: Scope, before: Snapshot, isBackstop: boolean): void {
    const { account, isolated, dexIndex } = scope;
    const hasChanged = before.positions.some(({ position, szLots }) => position.szLots !== szLots);
    if (!hasChanged) return;
    const liquidatedNtlPos = dec(Math.round(before.ntl), 6);
    const value = dec(Math.round(before.equity), 6);
    this.state.recordLedger(account, {
      type: "liquidation",
      accountValue: value,
      leverageType: isolated === undefined ? "Cross" : "Isolated",
      liquidatedNtlPos,
      liquidatedPositions: before.positions.map(({ position: { market }, szLots }) => ({
        coin: market.coin,
        szi: dec(szLots, market.szDecimals),
      })),
    });
    const liquidator = this.state.liquidator(dexIndex);
    const event = {
      lid: ++this.count,
      liquidator: liquidator.address,
      liquidated_user: account.address,
      liquidated_ntl_pos: liquidatedNtlPos,
      liquidated_account_value: value,
    };
    this.state.events.onLiquidation?.(account, event);
    if (isBackstop) this.state.events.onLiquidation?.(liquidator, event);
  }
}

interface Snapshot {
  readonly ntl: number;
  readonly equity: number;
  readonly positions: readonly { readonly position: Position; readonly szLots: number }[];
}

function snapshot(scope: Scope): Snapshot {
  const positions = open(scope);
  return {
    ntl: positions.reduce((sum, p) => sum + ntlMicroUsd(p), 0),
    equity: equity(scope),
    positions: positions.map((position) => ({ position, szLots: position.szLots })),
  };
}
