/** An account's spot tokens: what it owns, and what resting orders hold of it. Integers of 10^-weiDecimals. */
import type { Token } from "./universe.js";

export class TokenBalance {
  totalWei = 0;
  /** Reserved by resting orders. */
  holdWei = 0;
  /** Cost of what is owned, in quote; for display only. */
  entryNtl = 0;

  constructor(readonly token: Token) {}

  get freeWei(): number {
    return this.totalWei - this.holdWei;
  }
}

export class SpotWallet {
  private readonly byIndex = new Map<number, TokenBalance>();

  balance(token: Token): TokenBalance {
    let b = this.byIndex.get(token.index);
    if (b === undefined) {
      b = new TokenBalance(token);
      this.byIndex.set(token.index, b);
    }
    return b;
  }

  freeWei(token: Token): number {
    return this.byIndex.get(token.index)?.freeWei ?? 0;
  }

  /** In order of first touch. */
  balances(): IterableIterator<TokenBalance> {
    return this.byIndex.values();
  }
}
