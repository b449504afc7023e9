/**
 * Money in = money out, to the last unit of every token, through thousands of short random sessions that use everything
 * that moves money: orders, leverage, isolated margin, funding, liquidation, backstop, deleveraging, transfers.
 */
import { describe, expect, it } from "vitest";
import { Rng, Side } from "../../src/domain/index.js";
import type { Account } from "../../src/sim/account.js";
import { DEFAULT_EXCHANGE_OPTIONS, Exchange, flatFees } from "../../src/sim/exchange.js";
import { VENUE_FEES } from "../../src/sim/fees.js";
import { isSpot, type Market } from "../../src/sim/listed-market.js";
import { instrumentOf } from "../../src/sim/market.js";
import { L3Book } from "../../src/sim/matching.js";

const START = 1_760_000_000_000;
const SESSIONS = 2500;
const STEPS = 160;
const address = (n: number): string => `0x${n.toString(16).padStart(40, "0")}`;

const LISTED = [
  { coin: "BTC", szDecimals: 5, maxLeverage: 40, mid: 1_000_000, step: 1000, lot: 4000 },
  { coin: "SOL", szDecimals: 2, maxLeverage: 20, mid: 2_000_000, step: 1000, lot: 2000 },
  { coin: "hyna:BTC", szDecimals: 5, maxLeverage: 40, mid: 1_000_000, step: 1000, lot: 4000 },
  { coin: "flx:ETH", szDecimals: 4, maxLeverage: 20, mid: 400_000, step: 100, lot: 20_000 },
  { coin: "PURR/USDC", szDecimals: 0, maxLeverage: 1, mid: 20_000_000, step: 10_000, lot: 5000 },
  { coin: "@107", szDecimals: 2, maxLeverage: 1, mid: 40_000_000, step: 10_000, lot: 2000 },
] as const;

interface Session {
  readonly seed: number;
  readonly rng: Rng;
  readonly exchange: Exchange;
  readonly books: readonly L3Book[];
  readonly traders: Account[];
  readonly seen: Map<string, number>;
  /** Where most of this session happens. */
  readonly focus: number;
  nowMs: number;
}

function open(seed: number, seen: Map<string, number>): Session {
  const rng = new Rng(seed);
  const exchange = new Exchange({
    ...DEFAULT_EXCHANGE_OPTIONS,
    fees: seed % 2 === 0 ? VENUE_FEES : flatFees({ makerPpm: -31, takerPpm: 457 }),
    partialLiquidationUsd: seed % 3 === 0 ? 10_000 : 100_000,
  });
  const books = LISTED.map((l) => {
    const book = new L3Book();
    const market = exchange.addMarket(instrumentOf(l.coin, l.szDecimals, l.maxLeverage), book);
    exchange.setMark(market, l.mid, START);
    return book;
  });
  const note = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  const traders: Account[] = [];
  for (let n = 1; n <= 4; n++) {
    for (let dex = 0; dex < 3; dex++) exchange.deposit(address(n), 1e9 + rng.below(5e9), dex);
    for (const token of exchange.tokens) {
      exchange.depositSpot(address(n), token, rng.below(20_000) * 10 ** token.weiDecimals + rng.below(1000));
    }
    traders.push(exchange.account(address(n))!);
  }
  const sub = exchange.createSubAccount(traders[0]!, "sub");
  const vault = exchange.createVault(traders[1]!, "vault");
  exchange.transfers.subAccountTransfer(traders[0]!, sub.address, true, 100e6, START);
  exchange.transfers.vaultTransfer(traders[1]!, vault.address, true, 100e6, START);
  traders.push(sub, vault);
  exchange.events = {
    onTrade() {},
    onOrderUpdate: (_account, update) => note(update.status),
    onNonUserCancel() {},
    onFill: (_account, fill) => {
      note(fill.liquidation?.method ?? "plain fill");
      if (fill.dir === "Auto-Deleveraging") note(fill.dir);
      if (fill.fee.startsWith("-")) note("rebate");
      if (fill.builderFee !== undefined) note("builder fee");
    },
    onFunding: () => note("funding"),
    onLiquidation: () => note("liquidation"),
    onLedger: (_account, update) => note(update.delta.type),
  };
  return { seed, rng, exchange, books, traders, seen, focus: rng.below(LISTED.length), nowMs: START };
}

const pick = <T>(rng: Rng, of: readonly T[]): T => of[rng.below(of.length)]!;

function trade(s: Session): void {
  const { rng, exchange } = s;
  const n = rng.uniform() < 0.75 ? s.focus : rng.below(LISTED.length);
  const l = LISTED[n]!;
  const market = exchange.markets[n]!;
  const mark = market.referenceTicks;
  const px = Math.max(1, Math.round(mark / l.step) + rng.below(11) - 5) * l.step;
  const account = pick(rng, s.traders);
  // Some orders pay a builder, who is one of the traders: their own fee may come back to them.
  const builder = pick(rng, s.traders);
  exchange.settings.of(account).builderFees.set(builder.address, 80);
  const terms = rng.uniform() < 0.1 ? { b: builder.address, f: 1 + rng.below(80) } : undefined;
  const place = () =>
    exchange.place(
      account,
      {
        market,
        side: rng.uniform() < 0.5 ? Side.Buy : Side.Sell,
        pxTicks: px,
        szLots: 1 + rng.below(l.lot * (rng.uniform() < 0.1 ? 10 : 1)),
        tif: pick(rng, ["Gtc", "Gtc", "Gtc", "Alo", "Ioc", "FrontendMarket"] as const),
        isReduceOnly: rng.uniform() < 0.25,
        cloid: undefined,
      },
      s.nowMs,
    );
  exchange.withBuilder(account, terms, place);
}

function transfer(s: Session): void {
  const { rng, exchange } = s;
  const { transfers, tokens } = exchange;
  const from = pick(rng, s.traders);
  const to = rng.uniform() < 0.1 ? address(100 + rng.below(5)) : pick(rng, s.traders).address;
  const micro = 1 + rng.below(2e9);
  const token = pick(rng, tokens);
  const wei = 1 + rng.below(2000 * 10 ** token.weiDecimals);
  const master = s.traders[0]!;
  const sub = s.traders[4]!;
  const at = s.nowMs;
  const places = ["", "spot", "hyna", "flx"];
  switch (rng.below(8)) {
    case 0:
      return void transfers.usdClassTransfer(from, micro, rng.uniform() < 0.5, at);
    case 1:
      return void transfers.usdSend(from, to, micro, at);
    case 2:
      return void transfers.spotSend(from, to, token, wei, at);
    case 3:
    case 4:
      return void transfers.sendAsset(
        from,
        to,
        pick(rng, places),
        pick(rng, places),
        token.name,
        `${micro / 1e6}`,
        at,
      );
    case 5:
      return void transfers.subAccountTransfer(master, sub.address, rng.uniform() < 0.5, micro, at);
    case 6:
      return void transfers.subAccountSpotTransfer(master, sub.address, rng.uniform() < 0.5, token, wei, at);
    case 7:
      if (rng.uniform() < 0.5) return void transfers.withdraw3(from, to, micro, at);
      return void transfers.vaultTransfer(
        s.traders[1]!,
        s.traders[5]!.address,
        rng.uniform() < 0.5,
        micro,
        at,
      );
  }
}

function step(s: Session): void {
  const { rng, exchange } = s;
  s.nowMs += rng.below(20_000);
  const dice = rng.uniform();
  const account = pick(rng, s.traders);
  const market = rng.uniform() < 0.6 ? exchange.markets[s.focus]! : pick(rng, exchange.markets);
  if (dice < 0.6) trade(s);
  else if (dice < 0.68) {
    const order = pick(rng, [...account.openOrders.values()]);
    if (order !== undefined) exchange.cancel(order, s.nowMs);
  } else if (dice < 0.76)
    exchange.transfers.updateLeverage(account, market, rng.uniform() < 0.4, 1 + rng.below(40));
  else if (dice < 0.8) exchange.transfers.updateIsolatedMargin(account, market, rng.below(2e8) - 1e8);
  else if (dice < 0.81) exchange.transfers.topUpIsolatedOnlyMargin(account, market, "3.0");
  else if (dice < 0.89) transfer(s);
  else if (dice < 0.97) {
    const calm = rng.uniform() < 0.7;
    const move = 1 + (rng.uniform() - 0.5) * (calm ? 0.06 : 0.3);
    exchange.setOracle(market, Math.round(market.referenceTicks * (1 + (rng.uniform() - 0.5) * 0.02)));
    exchange.setMark(market, Math.max(100, Math.round(market.referenceTicks * move)), s.nowMs);
  } else if (dice < 0.99) {
    for (const m of exchange.perpMarkets()) exchange.funding.sample(m);
    exchange.settleFunding(s.nowMs);
  } else market.oiCapUsd = rng.uniform() < 0.7 ? 2000 : 1e9;
}

/** Everything that must hold at any moment. @returns the first thing that does not. */
function fault(s: Session): string | undefined {
  const { exchange, books } = s;
  const accounts = exchange.allAccounts();
  const moneyFault = tokenFault(exchange);
  if (moneyFault !== undefined) return moneyFault;
  for (const [n, market] of exchange.markets.entries()) {
    let net = 0;
    let longs = 0;
    let resting = 0;
    for (const account of accounts) {
      const lots = account.positionLots(market);
      net += lots;
      longs += Math.max(0, lots);
      const residue = restingFault(account, market);
      if (residue !== undefined) return residue;
      for (const o of account.openOrders.values()) if (o.market === market) resting++;
    }
    if (net !== 0) return `${market.coin}: positions sum to ${net}`;
    if (longs !== market.openInterestLots)
      return `${market.coin}: open interest ${market.openInterestLots}, longs ${longs}`;
    if (books[n]!.orderCount !== resting)
      return `${market.coin}: ${books[n]!.orderCount} in the book, ${resting} open`;
  }
  return undefined;
}

function tokenFault(exchange: Exchange): string | undefined {
  for (const token of exchange.tokens) {
    let inexact: number | undefined;
    const wei = (n: number): bigint => {
      if (Number.isSafeInteger(n)) return BigInt(n);
      inexact = n;
      return 0n;
    };
    const spot = exchange.spotPot(token);
    let held = wei(spot.fees) + wei(spot.withdrawals);
    let came = wei(spot.deposits);
    for (const account of exchange.allAccounts()) held += wei(account.spot.balance(token).totalWei);
    for (const dex of exchange.dexs) {
      if (dex.collateral !== token) continue;
      const pot = exchange.dexPot(dex.index);
      let micro = wei(pot.fees) + wei(pot.funding) + wei(pot.withdrawals);
      for (const account of exchange.allAccounts()) {
        const house = account.clearinghouses[dex.index];
        if (house === undefined) continue;
        micro += wei(house.balanceMicroUsd);
        for (const p of house.positions) micro += wei(p.isolatedMicroUsd) - wei(p.signedEntryMicroUsd);
      }
      const scale = 10n ** BigInt(token.weiDecimals - 6);
      held += micro * scale;
      came += wei(pot.deposits) * scale;
    }
    if (inexact !== undefined) return `${token.name}: ${inexact} is not an exact amount`;
    if (held !== came) return `${token.name}: ${came} came in, ${held} are here`;
  }
  return undefined;
}

/** Reserved margin and holds are exactly what resting orders make them; a flat or cross position holds no money. */
function restingFault(account: Account, market: Market): string | undefined {
  const who = `${account.role} ${account.address} ${market.coin}`;
  const orders = [...account.openOrders.values()].filter((o) => o.market === market);
  const sum = (side: Side): number =>
    orders.filter((o) => o.side === side && !o.isReduceOnly).reduce((t, o) => t + o.szLots, 0);
  if (isSpot(market)) {
    for (const b of account.spot.balances()) {
      if (b.totalWei < 0 || b.freeWei < 0) return `${who}: negative ${b.token.name}`;
    }
    return undefined;
  }
  const p = account.positions[market.asset];
  if (p === undefined) return orders.length > 0 ? `${who}: orders without a position` : undefined;
  if (p.restingBuyLots !== sum(Side.Buy) || p.restingSellLots !== sum(Side.Sell))
    return `${who}: reserved size`;
  const reduceOnly = orders.filter((o) => o.isReduceOnly);
  if (p.restingReduceOnlyCount !== reduceOnly.length) return `${who}: reduce-only count`;
  const reducible = reduceOnly.reduce((t, o) => t + o.szLots, 0);
  if (reducible > Math.abs(p.szLots)) return `${who}: reduce-only orders exceed the position`;
  if ((p.szLots === 0 || p.isCross) && p.isolatedMicroUsd !== 0)
    return `${who}: money left in a flat or cross position`;
  return p.szLots === 0 && p.entryMicroUsd !== 0 ? `${who}: cost without a position` : undefined;
}

function holdFault(exchange: Exchange): string | undefined {
  for (const account of exchange.allAccounts()) {
    const holds = new Map<number, number>();
    for (const o of account.openOrders.values()) {
      if (!isSpot(o.market)) continue;
      const { base, quote } = o.market.spot;
      const [token, wei] =
        o.side === Side.Buy
          ? [quote, o.pxTicks * o.szLots]
          : [base, o.szLots * 10 ** (base.weiDecimals - o.market.szDecimals)];
      holds.set(token.index, (holds.get(token.index) ?? 0) + wei);
    }
    for (const b of account.spot.balances()) {
      if (b.holdWei !== (holds.get(b.token.index) ?? 0)) return `${account.address}: hold of ${b.token.name}`;
    }
  }
  return undefined;
}

describe("conservation", () => {
  it(`law: nothing appears or vanishes in ${SESSIONS} random sessions, whatever moves money`, () => {
    const seen = new Map<string, number>();
    for (let seed = 1; seed <= SESSIONS; seed++) {
      const s = open(seed, seen);
      for (let i = 0; i < STEPS; i++) {
        step(s);
        // Every step of a few sessions, so that a failure points at its cause; the end of all.
        const wrong = seed % 40 === 0 || i % 40 === 39 ? (fault(s) ?? holdFault(s.exchange)) : undefined;
        if (wrong !== undefined) throw new Error(`seed ${seed}, step ${i}: ${wrong}`);
      }
      for (const account of s.traders) {
        for (const order of [...account.openOrders.values()]) s.exchange.cancel(order, s.nowMs);
      }
      const wrong = fault(s) ?? holdFault(s.exchange);
      if (wrong !== undefined) throw new Error(`seed ${seed}, after cancelling all: ${wrong}`);
    }
    for (const what of [
      "plain fill",
      "rebate",
      "builder fee",
      "funding",
      "market",
      "backstop",
      "Auto-Deleveraging",
      "liquidation",
      "liquidatedCanceled",
      "marginCanceled",
      "reduceOnlyCanceled",
      "selfTradeCanceled",
      "openInterestCapCanceled",
      "insufficientSpotBalanceRejected",
      "accountClassTransfer",
      "internalTransfer",
      "spotTransfer",
      "send",
      "subAccountTransfer",
      "vaultDeposit",
      "vaultWithdraw",
      "withdraw",
    ]) {
      expect(
        seen.get(what) ?? 0,
        `nothing of "${what}" happened: the sessions prove too little`,
      ).toBeGreaterThan(20);
    }
  }, 60_000);
});
