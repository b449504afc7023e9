/**
 * Money on the move: between an account's places, between accounts, out of the exchange; and margin in and out of isolated
 * positions.
 *
 * Every method returns the venue's error text, or undefined when it is done; a refusal changes nothing. USD amounts are
 * micro-units, token amounts wei. Times are exchange milliseconds.
 * Source: reference/hyperliquid-api.md 4.6, 4.7, 4.11, 8.11.
 */
import { pow10, wireToDecimal } from "../domain/index.js";
import type { Account } from "./account.js";
import type { ExchangeState } from "./exchange-state.js";
import { type Dex, isPerp, type Market } from "./listed-market.js";
import {
  crossEquity,
  freeMargin,
  initialMargin,
  isolatedEquity,
  isolatedRemovable,
  ntlMicroUsd,
  tierAt,
  withdrawable,
} from "./margin.js";
import type { Token } from "./universe.js";
import { dec, decOf } from "./wire.js";

export type TransferError = string | undefined;

export const INVALID_SEND = "Invalid send";
const NO_BALANCE_WITHDRAWAL = "Insufficient balance for withdrawal";
const NO_BALANCE_TRANSFER = "Insufficient balance for token transfer";
/** What no transfer here costs: fees in the token itself. */
const NATIVE_FEE = { nativeTokenFee: "0.0", nonce: null, feeToken: "" };
const WITHDRAWAL_FEE_MICRO_USD = 1_000_000;

/** A place of money in `sendAsset`: `""` is the first dex, `"spot"` the wallet, else a dex's name. */
type Place = Dex | "spot";

export class Transfers {
  constructor(
    private readonly state: ExchangeState,
    private readonly activationFeeMicroUsd: number,
  ) {}

  // --- Amounts -----------------------------------------------------------------------------------------------------

  /** @returns micro-units, or undefined for what the venue answers with `Invalid send`. */
  parseUsd(text: string): number | undefined {
    return positive(wireToDecimal(text, 6));
  }

  parseToken(text: string, token: Token): number | undefined {
    return positive(wireToDecimal(text, token.weiDecimals));
  }

  // --- Between the places of one account -----------------------------------------------------------------------------

  /** Spot USDC to and from the first dex. */
  usdClassTransfer(account: Account, microUsd: number, toPerp: boolean, exchMs: number): TransferError {
    const { usdc } = this.state;
    const dex = this.state.dexs[0]!;
    const error = toPerp
      ? this.takeSpot(account, usdc, this.weiOf(usdc, microUsd), exchMs)
      : this.takeDex(account, dex, microUsd, exchMs);
    if (error !== undefined) return error;
    if (toPerp) this.giveDex(account, dex, microUsd);
    else this.giveSpot(account, usdc, this.weiOf(usdc, microUsd));
    this.state.recordLedger(account, { type: "accountClassTransfer", usdc: usd(microUsd), toPerp });
    return undefined;
  }

  // --- Between accounts --------------------------------------------------------------------------------------------

  /** USDC of the first dex. */
  usdSend(from: Account, destination: string, microUsd: number, exchMs: number): TransferError {
    const fee = this.activationFee(destination);
    const dex = this.state.dexs[0]!;
    const error = this.takeDex(from, dex, microUsd + fee, exchMs);
    if (error !== undefined) return error;
    const to = this.state.ensureAccount(destination);
    this.state.dexPot(0).fees += fee;
    this.giveDex(to, dex, microUsd);
    this.both(from, to, {
      type: "internalTransfer",
      usdc: usd(microUsd),
      user: from.address,
      destination,
      fee: usd(fee),
    });
    return undefined;
  }

  spotSend(from: Account, destination: string, token: Token, wei: number, exchMs: number): TransferError {
    const fee = this.weiOf(this.state.usdc, this.activationFee(destination));
    const error = this.takeSpotWithFee(from, token, wei, fee, exchMs);
    if (error !== undefined) return error;
    const to = this.state.ensureAccount(destination);
    this.giveSpot(to, token, wei);
    this.both(from, to, {
      type: "spotTransfer",
      token: token.name,
      amount: dec(wei, token.weiDecimals),
      usdcValue: this.usdcValue(token, wei),
      user: from.address,
      destination,
      fee: dec(fee, this.state.usdc.weiDecimals),
      ...NATIVE_FEE,
    });
    return undefined;
  }

  /**
   * The general send. Only a dex's collateral moves in or out of it.
   * @param amount as on the wire.
   */
  sendAsset(
    from: Account,
    destination: string,
    sourceDex: string,
    destinationDex: string,
    tokenId: string,
    amount: string,
    exchMs: number,
  ): TransferError {
    const token = this.state.token(tokenId);
    const source = this.place(sourceDex);
    const target = this.place(destinationDex);
    if (token === undefined || source === undefined || target === undefined) return INVALID_SEND;
    if (from.address === destination && source === target) return INVALID_SEND;
    const isDexInvolved = source !== "spot" || target !== "spot";
    for (const place of [source, target]) {
      if (place !== "spot" && place.collateral.index !== token.index) return INVALID_SEND;
    }
    const micro = this.parseUsd(amount);
    const wei = isDexInvolved
      ? micro === undefined
        ? undefined
        : this.weiOf(token, micro)
      : this.parseToken(amount, token);
    if (wei === undefined) return INVALID_SEND;
    for (const place of [source, target]) {
      if (place !== "spot" && micro !== undefined && micro > place.maxTransferUsd * 1e6) return INVALID_SEND;
    }
    const fee = this.activationFee(destination);
    const error = this.takeForSend(from, source, token, wei, micro ?? 0, fee, exchMs);
    if (error !== undefined) return error;
    const to = this.state.ensureAccount(destination);
    if (target === "spot") this.giveSpot(to, token, wei);
    else this.giveDex(to, target, micro!);
    this.both(from, to, {
      type: "send",
      user: from.address,
      destination,
      sourceDex,
      destinationDex,
      token: token.name,
      amount: dec(wei, token.weiDecimals),
      usdcValue: this.usdcValue(token, wei),
      fee: usd(fee),
      nativeTokenFee: "0.0",
      nonce: Math.floor(exchMs),
      feeToken: token.name,
    });
    return undefined;
  }

  /** As `sendAsset`, for an agent: only between places of one owner. */
  agentSendAsset(
    from: Account,
    destination: string,
    sourceDex: string,
    destinationDex: string,
    tokenId: string,
    amount: string,
    exchMs: number,
  ): TransferError {
    const to = this.state.account(destination);
    if (to !== from && (to === undefined || to.master !== from || to.role !== "subAccount")) {
      return "Agent can only send asset to same user or their sub-accounts.";
    }
    return this.sendAsset(from, destination, sourceDex, destinationDex, tokenId, amount, exchMs);
  }

  /** USDC between the first-dex cash of a master and of its sub-account. */
  subAccountTransfer(
    master: Account,
    subAddress: string,
    isDeposit: boolean,
    microUsd: number,
    exchMs: number,
  ): TransferError {
    const sub = this.subAccount(master, subAddress);
    if (typeof sub === "string") return sub;
    const [from, to] = isDeposit ? [master, sub] : [sub, master];
    const dex = this.state.dexs[0]!;
    const error = this.takeDex(from, dex, microUsd, exchMs);
    if (error !== undefined) return error;
    this.giveDex(to, dex, microUsd);
    this.both(from, to, {
      type: "subAccountTransfer",
      usdc: usd(microUsd),
      user: from.address,
      destination: to.address,
    });
    return undefined;
  }

  subAccountSpotTransfer(
    master: Account,
    subAddress: string,
    isDeposit: boolean,
    token: Token,
    wei: number,
    exchMs: number,
  ): TransferError {
    const sub = this.subAccount(master, subAddress);
    if (typeof sub === "string") return sub;
    const [from, to] = isDeposit ? [master, sub] : [sub, master];
    const error = this.takeSpot(from, token, wei, exchMs);
    if (error !== undefined) return error;
    this.giveSpot(to, token, wei);
    this.both(from, to, {
      type: "spotTransfer",
      token: token.name,
      amount: dec(wei, token.weiDecimals),
      usdcValue: this.usdcValue(token, wei),
      user: from.address,
      destination: to.address,
      fee: "0.0",
      ...NATIVE_FEE,
    });
    return undefined;
  }

  /** A depositor gets back at most what it put in: profit sharing is not modelled. */
  vaultTransfer(
    account: Account,
    vaultAddress: string,
    isDeposit: boolean,
    microUsd: number,
    exchMs: number,
  ): TransferError {
    const vault = this.state.account(vaultAddress);
    if (vault === undefined || vault.role !== "vault") return `Vault not registered: ${vaultAddress}`;
    if (!(microUsd > 0)) return INVALID_SEND;
    const share = vault.vaultShares.get(account.address) ?? 0;
    if (!isDeposit && microUsd > share) return NO_BALANCE_WITHDRAWAL;
    const [from, to] = isDeposit ? [account, vault] : [vault, account];
    const dex = this.state.dexs[0]!;
    const error = this.takeDex(from, dex, microUsd, exchMs);
    if (error !== undefined) return error;
    this.giveDex(to, dex, microUsd);
    vault.vaultShares.set(account.address, share + (isDeposit ? microUsd : -microUsd));
    const amount = usd(microUsd);
    this.state.recordLedger(
      account,
      isDeposit
        ? { type: "vaultDeposit", vault: vaultAddress, usdc: amount }
        : {
            type: "vaultWithdraw",
            vault: vaultAddress,
            user: account.address,
            requestedUsd: amount,
            commission: "0.0",
            closingCost: "0.0",
            basis: amount,
            netWithdrawnUsd: amount,
          },
    );
    return undefined;
  }

  /** Out of the exchange; a dollar of it is the fee. */
  withdraw3(account: Account, _destination: string, microUsd: number, exchMs: number): TransferError {
    if (microUsd <= WITHDRAWAL_FEE_MICRO_USD) return NO_BALANCE_WITHDRAWAL;
    const error = this.takeDex(account, this.state.dexs[0]!, microUsd, exchMs);
    if (error !== undefined) return error;
    const pot = this.state.dexPot(0);
    pot.fees += WITHDRAWAL_FEE_MICRO_USD;
    pot.withdrawals += microUsd - WITHDRAWAL_FEE_MICRO_USD;
    this.state.recordLedger(account, {
      type: "withdraw",
      usdc: usd(microUsd - WITHDRAWAL_FEE_MICRO_USD),
      nonce: this.state.nowMs,
      fee: usd(WITHDRAWAL_FEE_MICRO_USD),
    });
    return undefined;
  }

  // --- Leverage and isolated margin ----------------------------------------------------------------------------------

  updateLeverage(account: Account, market: Market, isCross: boolean, leverage: number): TransferError {
    if (!isPerp(market)) return "Invalid leverage value";
    const { marginMode, marginTable, dex } = market.perp;
    if (!Number.isInteger(leverage) || leverage < 1 || leverage > market.instrument.maxLeverage) {
      return "Invalid leverage value";
    }
    if (isCross && marginMode !== "normal") return "Cross margin is not allowed for this asset.";
    const p = account.position(market);
    const isOpen = p.szLots !== 0;
    if (isOpen && p.isCross !== isCross) return "Cannot switch leverage type with open position.";
    if (isOpen && leverage > tierAt(marginTable, ntlMicroUsd(p)).maxLeverage) return "Invalid leverage value";
    const house = account.clearinghouse(dex.index);
    const before = { leverage: p.leverage, isCross: p.isCross };
    p.leverage = leverage;
    p.isCross = isCross;
    // An isolated position at lower leverage holds more money; it comes from the cross cash.
    const missing =
      isOpen && !isCross && leverage < before.leverage
        ? Math.max(0, Math.ceil(ntlMicroUsd(p) / leverage - isolatedEquity(p)))
        : 0;
    const isTighter = leverage < before.leverage || isCross !== before.isCross;
    if (isTighter && initialMargin(house) + missing > crossEquity(house)) {
      Object.assign(p, before);
      return `Insufficient margin to change leverage. asset=${market.venueAssetId}`;
    }
    house.balanceMicroUsd -= missing;
    p.isolatedMicroUsd += missing;
    return undefined;
  }

  /** @param ntli micro-units; negative removes. */
  updateIsolatedMargin(account: Account, market: Market, ntli: number): TransferError {
    const p = isPerp(market) ? account.positions[market.asset] : undefined;
    if (p === undefined || p.isCross || p.szLots === 0) return "Position does not use isolated margin.";
    const { dex, marginMode } = p.market.perp;
    const house = account.clearinghouse(dex.index);
    if (ntli < 0) {
      if (marginMode === "strictIsolated") return "Cannot remove margin from a strict isolated position.";
      if (-ntli > isolatedRemovable(p)) return "Insufficient margin to remove.";
    } else if (ntli > freeMargin(house)) return "Insufficient margin to add.";
    p.isolatedMicroUsd += ntli;
    house.balanceMicroUsd -= ntli;
    return undefined;
  }

  /** Adds what brings an isolated position down to the leverage; @param leverage as on the wire, "10.0". */
  topUpIsolatedOnlyMargin(account: Account, market: Market, leverage: string): TransferError {
    const p = isPerp(market) ? account.positions[market.asset] : undefined;
    if (p === undefined || p.isCross || p.szLots === 0) return "Position does not use isolated margin.";
    const target = Number(leverage);
    if (!(target > 0) || !Number.isFinite(target)) return "Invalid leverage value";
    const missing = Math.ceil(ntlMicroUsd(p) / target - isolatedEquity(p));
    return missing <= 0 ? "Invalid leverage value" : this.updateIsolatedMargin(account, market, missing);
  }

  // --- Parts -------------------------------------------------------------------------------------------------------

  /** At the mark of a pair that has the token as its base; stablecoins are worth what they say. */
  private usdcValue(token: Token, wei: number): string {
    const amount = wei / pow10(token.weiDecimals);
    if (token.name.startsWith("USD")) return decOf(amount, 6);
    const market = this.state.markets.find((m) => m.spot?.base === token);
    return decOf(market === undefined ? 0 : (amount * market.referenceTicks) / pow10(market.pxDecimals), 6);
  }

  private weiOf(token: Token, microUsd: number): number {
    return token.weiDecimals >= 6 ? microUsd * this.state.weiPerMicro(token) : Number.NaN;
  }

  private place(name: string): Place | undefined {
    return name === "spot" ? "spot" : this.state.dex(name);
  }

  private subAccount(master: Account, address: string): Account | string {
    const sub = this.state.account(address);
    if (sub === undefined || sub.role !== "subAccount" || sub.master !== master) {
      return `Sub-account not registered: ${address}`;
    }
    return sub;
  }

  private activationFee(destination: string): number {
    return this.state.account(destination) === undefined ? this.activationFeeMicroUsd : 0;
  }

  private takeDex(account: Account, dex: Dex, microUsd: number, exchMs: number): TransferError {
    this.state.nowMs = Math.floor(exchMs);
    if (!Number.isSafeInteger(microUsd) || microUsd <= 0) return INVALID_SEND;
    const house = account.clearinghouse(dex.index);
    if (microUsd > withdrawable(house)) return NO_BALANCE_WITHDRAWAL;
    house.balanceMicroUsd -= microUsd;
    return undefined;
  }

  private takeSpot(account: Account, token: Token, wei: number, exchMs: number): TransferError {
    this.state.nowMs = Math.floor(exchMs);
    if (!Number.isSafeInteger(wei) || wei <= 0) return INVALID_SEND;
    if (wei > account.spot.freeWei(token)) return NO_BALANCE_TRANSFER;
    const balance = account.spot.balance(token);
    if (balance.totalWei > 0) balance.entryNtl *= 1 - wei / balance.totalWei;
    balance.totalWei -= wei;
    return undefined;
  }

  /** Takes tokens, and the activation fee in USDC. */
  private takeSpotWithFee(
    account: Account,
    token: Token,
    wei: number,
    feeWei: number,
    exchMs: number,
  ): TransferError {
    const { usdc } = this.state;
    const isSame = token.index === usdc.index;
    if (!isSame && feeWei > account.spot.freeWei(usdc)) return NO_BALANCE_TRANSFER;
    const error = this.takeSpot(account, token, isSame ? wei + feeWei : wei, exchMs);
    if (error !== undefined) return error;
    if (!isSame) account.spot.balance(usdc).totalWei -= feeWei;
    this.state.spotPot(usdc).fees += feeWei;
    return undefined;
  }

  private takeForSend(
    from: Account,
    source: Place,
    token: Token,
    wei: number,
    micro: number,
    feeMicro: number,
    exchMs: number,
  ): TransferError {
    if (source === "spot") {
      return this.takeSpotWithFee(from, token, wei, this.weiOf(this.state.usdc, feeMicro), exchMs);
    }
    const error = this.takeDex(from, source, micro + feeMicro, exchMs);
    if (error === undefined) this.state.dexPot(source.index).fees += feeMicro;
    return error;
  }

  private giveDex(account: Account, dex: Dex, microUsd: number): void {
    account.clearinghouse(dex.index).balanceMicroUsd += microUsd;
  }

  private giveSpot(account: Account, token: Token, wei: number): void {
    const balance = account.spot.balance(token);
    balance.totalWei += wei;
    balance.entryNtl += token.index === this.state.usdc.index ? wei / pow10(token.weiDecimals) : 0;
  }

  private both(from: Account, to: Account, delta: Parameters<ExchangeState["recordLedger"]>[1]): void {
    this.state.recordLedger(from, delta);
    if (to !== from) this.state.recordLedger(to, delta);
  }
}

const positive = (n: number | undefined): number | undefined => (n !== undefined && n > 0 ? n : undefined);
const usd = (micro: number): string => dec(micro, 6);
