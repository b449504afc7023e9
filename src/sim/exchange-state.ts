/**
 * What the exchange knows: tokens, dexs, markets, accounts, and the pots that fees, roundings and withdrawals go to.
 *
 * Settlement, funding, liquidation and transfers work on this state; `Exchange` is this state with orders on top.
 */
import { type Instrument, pow10 } from "../domain/index.js";
import {
  Account,
  type AccountRole,
  type FillLiquidation,
  type FillWire,
  type FundingWire,
  type LedgerWire,
  type LiquidationWire,
  type OrderUpdateWire,
} from "./account.js";
import { FeeBook, type FeeSchedule } from "./fees.js";
import { type Dex, isPerp, Market, type PerpMarket, type TradeWire } from "./listed-market.js";
import type { MatchingBook } from "./matching.js";
import { Agents, SettingsBook } from "./permissions.js";
import {
  type DexListing,
  dexNameOf,
  FIRST_DEX_DEFAULTS,
  type MarginTable,
  type PerpListing,
  singleTierTable,
  spotCoin,
  type Token,
  type Universe,
  USDC,
} from "./universe.js";
import { dec } from "./wire.js";

export interface ExchangeEvents {
  /** A print made by matching here (not a replayed one). */
  onTrade(market: Market, trade: TradeWire): void;
  onOrderUpdate(account: Account, update: OrderUpdateWire): void;
  onFill(account: Account, fill: FillWire): void;
  /** Orders taken out without the user's wish: self-trade, margin, liquidation, open-interest cap. */
  onNonUserCancel(account: Account, coin: string, oid: number): void;
  onFunding?(account: Account, payment: FundingWire): void;
  onLedger?(account: Account, update: LedgerWire): void;
  /** To the liquidated account, and to the liquidator of a backstop. */
  onLiquidation?(account: Account, liquidation: LiquidationWire): void;
}

export const NO_EVENTS: ExchangeEvents = {
  onTrade() {},
  onOrderUpdate() {},
  onFill() {},
  onNonUserCancel() {},
};

/** Money of one token outside the accounts; with them it makes up all that ever came in. */
export interface Pot {
  /** In the token's wei in the spot world, micro-units in a dex's world. */
  fees: number;
  /** Funding paid minus funding received: what rounding left (and, on a replayed market, what the tape owes). */
  funding: number;
  deposits: number;
  withdrawals: number;
}

const emptyPot = (): Pot => ({ fees: 0, funding: 0, deposits: 0, withdrawals: 0 });

/** Decimals of money in a dex. */
export const DEX_DECIMALS = 6;

/** The backstop of a dex: 0x400…00 + its index (reference 8.11). */
const liquidatorAddress = (dexIndex: number): string => `0x4${dexIndex.toString(16).padStart(39, "0")}`;

export class ExchangeState {
  /** By dense index, not by wire id: see `marketOfAsset`. */
  readonly markets: Market[] = [];
  /** By dex index; the first dex always exists. */
  readonly dexs: Dex[] = [];
  readonly tokens: readonly Token[];
  readonly fees: FeeBook;
  readonly agents = new Agents();
  readonly settings = new SettingsBook();
  /** By dex index, micro-units of its collateral. Fees of perps, and money that came straight into the dex. */
  private readonly dexPots: Pot[] = [];
  /** By token index, wei. */
  private readonly spotPots = new Map<number, Pot>();
  events: ExchangeEvents = NO_EVENTS;
  /** Exchange time of the entry being carried out. */
  nowMs = 0;
  /** Set while a liquidation's orders match: marks the fills of both sides. */
  liquidating: (FillLiquidation & { readonly liquidated: Account; readonly isCross: boolean }) | undefined;

  private readonly byCoin = new Map<string, Market>();
  private readonly byVenueAssetId = new Map<number, Market>();
  private readonly byAddress = new Map<string, Account>();
  private readonly accounts: Account[] = [];
  /** "" outside of transactions; the number of one whose hash nobody has asked for yet. */
  private txHash: string | number = "";
  private txCount = 0;
  private tradeCount = 0;
  private derivedAddresses = 0;

  constructor(
    readonly universe: Universe,
    feeSchedule: FeeSchedule,
  ) {
    this.tokens = universe.tokens;
    this.fees = new FeeBook(feeSchedule);
    for (const dex of universe.dexs) this.addDex(dex);
  }

  // --- Listings ----------------------------------------------------------------------------------------------------

  addDex(listing: DexListing): Dex {
    const dex: Dex = {
      index: this.dexs.length,
      name: listing.name,
      fullName: listing.fullName,
      deployer: listing.deployer,
      collateral: this.token(listing.collateralToken)!,
      deployerFeeScale: listing.deployerFeeScale,
      totalOiCapUsd: listing.totalOiCapUsd,
      maxTransferUsd: listing.maxTransferUsd,
      markets: [],
    };
    this.dexs.push(dex);
    return dex;
  }

  dex(name: string): Dex | undefined {
    return this.dexs.find((d) => d.name === name);
  }

  /** By index, or by the wire's `NAME` or `NAME:0xid`. */
  token(id: number | string): Token | undefined {
    if (typeof id === "number") return this.tokens.find((t) => t.index === id);
    const [name, tokenId] = id.split(":");
    return this.tokens.find((t) => t.name === name && (tokenId === undefined || t.tokenId === tokenId));
  }

  /**
   * Lists a market. Its terms come from the universe when the coin is there with the same grid, else from defaults; its wire
   * id from its place (a perp goes to the end of its dex) or its pair index.
   * @param isOnAnyGrid A perp from the recording of another venue, whose decimals need not add to six.
   * @throws {RangeError} When the grid does not fit the kind of market, or a dex or pair is unknown.
   */
  addMarket(instrument: Instrument, book: MatchingBook, isOnAnyGrid = false): Market {
    if (this.byCoin.has(instrument.coin)) throw new RangeError(`${instrument.coin}: already listed`);
    const pair = this.universe.spotPairs.find((p) => spotCoin(p, this.tokens) === instrument.coin);
    const decimals = pair === undefined ? 6 : 8;
    const isFree = isOnAnyGrid && pair === undefined;
    if (!isFree && instrument.pxDecimals + instrument.szDecimals !== decimals) {
      throw new RangeError(
        `${instrument.coin}: price and size decimals must add to ${decimals}, got ${instrument.pxDecimals} + ${instrument.szDecimals}`,
      );
    }
    const asset = this.markets.length;
    let market: Market;
    if (pair !== undefined) {
      const spot = { listing: pair, base: this.token(pair.base)!, quote: this.token(pair.quote)! };
      if (spot.base.weiDecimals < instrument.szDecimals || spot.quote.weiDecimals !== decimals) {
        throw new RangeError(`${instrument.coin}: token decimals do not fit the pair's grid`);
      }
      const venueAssetId = 10_000 + pair.index;
      market = new Market(asset, { ...instrument, asset, venueAssetId }, book, undefined, spot);
    } else market = this.perpMarket(asset, instrument, book);
    this.markets.push(market);
    this.byCoin.set(market.coin, market);
    this.byVenueAssetId.set(market.venueAssetId, market);
    return market;
  }

  private perpMarket(asset: number, instrument: Instrument, book: MatchingBook): Market {
    const dex = this.dex(dexNameOf(instrument.coin));
    if (dex === undefined) throw new RangeError(`${instrument.coin}: no such dex on this exchange`);
    const listing = this.listingOf(instrument);
    const indexInDex = dex.markets.length;
    const venueAssetId = dex.index === 0 ? indexInDex : 100_000 + dex.index * 10_000 + indexInDex;
    const perp = { ...listing, dex, indexInDex, marginTable: this.marginTableOf(listing.marginTableId) };
    const market = new Market(asset, { ...instrument, asset, venueAssetId }, book, perp, undefined);
    market.oiCapUsd = listing.oiCapUsd;
    if (isPerp(market)) dex.markets.push(market);
    return market;
  }

  /** The universe's listing if it has the same grid and leverage, else one made from the instrument. */
  private listingOf(instrument: Instrument): PerpListing {
    const { coin, szDecimals, maxLeverage } = instrument;
    for (const dex of this.universe.dexs) {
      for (const p of dex.perps) {
        if (p.coin === coin && p.szDecimals === szDecimals && p.maxLeverage === maxLeverage) return p;
      }
    }
    return { coin, szDecimals, maxLeverage, marginTableId: maxLeverage, ...FIRST_DEX_DEFAULTS };
  }

  private marginTableOf(id: number): MarginTable {
    return this.universe.marginTables.find((t) => t.id === id) ?? singleTierTable(id);
  }

  market(coin: unknown): Market | undefined {
    return typeof coin === "string" ? this.byCoin.get(coin) : undefined;
  }

  /** By the id of signed actions (reference 6.1). */
  marketOfAsset(venueAssetId: number): Market | undefined {
    return this.byVenueAssetId.get(venueAssetId);
  }

  // --- Accounts ----------------------------------------------------------------------------------------------------

  account(address: string): Account | undefined {
    return this.byAddress.get(address);
  }

  /** The account a signer acts for: itself, or the one that approved it as agent. */
  accountOfSigner(address: string): Account | undefined {
    return this.byAddress.get(address) ?? this.agents.get(address)?.account;
  }

  masterOfAgent(address: string): Account | undefined {
    return this.agents.get(address)?.account;
  }

  /**
   * The account an action is for: the signer's own, or the sub-account or vault named by `vaultAddress` if it is the signer's.
   * @returns undefined when that address is nobody's, or not theirs.
   */
  accountFor(signing: Account, vaultAddress: string | undefined): Account | undefined {
    if (vaultAddress === undefined || vaultAddress === signing.address) return signing;
    const account = this.byAddress.get(vaultAddress);
    return account?.master === signing ? account : undefined;
  }

  addAgent(agent: string, account: Account): void {
    this.agents.add(agent, account);
  }

  /** A participant of a simulated market: trades like anyone, but without margin, history or private events. */
  addHouse(address: string): Account {
    return this.addAccount(address, "house");
  }

  /** The address's account, made if need be: anyone can be paid. */
  ensureAccount(address: string): Account {
    return this.byAddress.get(address) ?? this.addAccount(address, "user");
  }

  createSubAccount(master: Account, name: string): Account {
    const sub = this.addAccount(this.deriveAddress("5b"), "subAccount", master, name);
    master.subAccounts.push(sub);
    return sub;
  }

  /** An account of its own that its leader trades for, and others deposit in. */
  createVault(leader: Account, name: string): Account {
    return this.addAccount(this.deriveAddress("7a"), "vault", leader, name);
  }

  /** The account that takes over what no book would in a dex; made on first need. */
  liquidator(dexIndex: number): Account {
    const address = liquidatorAddress(dexIndex);
    return this.byAddress.get(address) ?? this.addAccount(address, "liquidator");
  }

  allAccounts(): readonly Account[] {
    return this.accounts;
  }

  private deriveAddress(prefix: string): string {
    return `0x${prefix}${(++this.derivedAddresses).toString(16).padStart(38, "0")}`;
  }

  private addAccount(address: string, role: AccountRole, master?: Account, name = ""): Account {
    const account = new Account(this.accounts.length + 1, address, role, master, name);
    this.accounts.push(account);
    this.byAddress.set(address, account);
    return account;
  }

  // --- Money -------------------------------------------------------------------------------------------------------

  dexPot(dexIndex: number): Pot {
    this.dexPots[dexIndex] ??= emptyPot();
    return this.dexPots[dexIndex];
  }

  spotPot(token: Token): Pot {
    let pot = this.spotPots.get(token.index);
    if (pot === undefined) {
      pot = emptyPot();
      this.spotPots.set(token.index, pot);
    }
    return pot;
  }

  /** Money from outside into a dex's cash, by default the first one's. */
  deposit(address: string, amountMicroUsd: number, dexIndex = 0): Account {
    const account = this.ensureAccount(address);
    account.clearinghouse(dexIndex).balanceMicroUsd += amountMicroUsd;
    this.dexPot(dexIndex).deposits += amountMicroUsd;
    if (dexIndex === 0)
      this.recordLedger(account, { type: "deposit", usdc: dec(amountMicroUsd, DEX_DECIMALS) });
    return account;
  }

  /** Tokens from outside into a spot wallet. */
  depositSpot(address: string, token: Token, wei: number): Account {
    const account = this.ensureAccount(address);
    account.spot.balance(token).totalWei += wei;
    this.spotPot(token).deposits += wei;
    return account;
  }

  /** How many wei one micro-unit of a dex is: both sides of a transfer between dex and spot are exact. */
  weiPerMicro(token: Token): number {
    return pow10(token.weiDecimals - DEX_DECIMALS);
  }

  get usdc(): Token {
    return this.token(USDC)!;
  }

  // --- Transactions ------------------------------------------------------------------------------------------------

  /** Runs one action: all its trades carry one hash, as at the venue. What no user sent has the zero hash. */
  inTransaction<T>(run: () => T, hash: string | number = ++this.txCount): T {
    const outer = this.txHash;
    this.txHash = hash;
    try {
      return run();
    } finally {
      this.txHash = outer;
    }
  }

  /** Hash of the transaction being carried out; the zero hash of system events between transactions. */
  get hash(): string {
    if (typeof this.txHash === "number") this.txHash = hashOf(this.txHash);
    return this.txHash === "" ? ZERO_HASH : this.txHash;
  }

  get isInTransaction(): boolean {
    return this.txHash !== "";
  }

  /** 50-bit id of the two orders that traded (reference 2.4). */
  tradeId(oidA: number, oidB: number): number {
    const n = ++this.tradeCount;
    const lo =
      (Math.imul((oidA % 0x100000000) | 0, 0x9e3779b1) ^
        Math.imul((oidB % 0x100000000) | 0, 0x85ebca6b) ^
        n) >>>
      0;
    const hi = (Math.imul(lo ^ n, 0xc2b2ae35) >>> 14) + 1;
    return hi * 0x100000000 + lo;
  }

  recordLedger(account: Account, delta: LedgerWire["delta"]): void {
    if (account.isHouse) return;
    const update = { time: this.nowMs, hash: this.hash, delta };
    account.recordLedger(update);
    this.events.onLedger?.(account, update);
  }

  /** Perps of every dex, in order of listing. */
  perpMarkets(): PerpMarket[] {
    return this.markets.filter(isPerp);
  }
}

const hashOf = (transaction: number): string => `0x51${transaction.toString(16).padStart(62, "0")}`;

/** Marks what no user transaction caused. */
export const ZERO_HASH = `0x${"0".repeat(64)}`;
