/**
 * Actions on the account itself: agents, approvals, settings, and moving money between its pockets and to others.
 *
 * Source: reference/hyperliquid-api.md 4.7 to 4.9.
 */
import type { Account } from "./account.js";
import type { Action } from "./actions.js";
import { type ExchangeResponse, err, ok } from "./answers.js";
import type { Exchange } from "./exchange.js";
import { type Abstraction, builderRate } from "./permissions.js";

/** Largest builder fee that can be approved: 1 %, of spot. */
const BUILDER_FEE_MAX = 1000;
const ABSTRACTIONS: Readonly<Record<string, Abstraction>> = {
  i: "disabled",
  u: "unifiedAccount",
  p: "portfolioMargin",
  disabled: "disabled",
  unifiedAccount: "unifiedAccount",
  portfolioMargin: "portfolioMargin",
  dexAbstraction: "dexAbstraction",
};

export class AccountActions {
  constructor(private readonly exchange: Exchange) {}

  /** @param account the signer's own account for user-signed actions, the account traded for otherwise. */
  carryOut(account: Account, action: Action, wallMs: number): ExchangeResponse {
    const { agents, settings } = this.exchange;
    switch (action.type) {
      case "approveAgent": {
        const isAccount = (address: string): boolean => this.exchange.account(address) !== undefined;
        const { agentAddress, agentName } = action;
        const refusal = agents.approve(account, agentAddress, agentName, wallMs, 0, isAccount);
        return refusal === undefined ? ok("default") : err(refusal);
      }
      case "approveBuilderFee": {
        const rate = builderRate(action.maxFeeRate);
        if (rate === undefined || rate > BUILDER_FEE_MAX) return err("Invalid builder fee rate.");
        settings.of(account).builderFees.set(action.builder, rate);
        return ok("default");
      }
      case "userSetAbstraction":
        if (action.user !== account.address) return err("User must be the signer.");
        return this.setAbstraction(account, action.abstraction);
      case "agentSetAbstraction":
        return this.setAbstraction(account, action.abstraction);
      case "userDexAbstraction":
        if (action.user !== account.address) return err("User must be the signer.");
        return this.setAbstraction(account, action.enabled ? "dexAbstraction" : "disabled");
      case "agentEnableDexAbstraction":
        return this.setAbstraction(account, "dexAbstraction");
      case "userPortfolioMargin":
        if (action.user !== account.address) return err("User must be the signer.");
        return this.setAbstraction(account, action.enabled ? "portfolioMargin" : "disabled");
      case "setReferrer":
        if (settings.of(account).referrerCode !== undefined) return err("Referrer already set.");
        settings.of(account).referrerCode = action.code;
        return ok("default");
      case "registerReferrer":
        settings.of(account).ownReferralCode = action.code;
        return ok("default");
      case "setDisplayName":
        settings.of(account).displayName = action.displayName;
        return ok("default");
      case "evmUserModify":
        settings.of(account).usesBigBlocks = action.usingBigBlocks;
        return ok("default");
      case "spotUser":
        settings.of(account).optsOutOfSpotDusting = action.toggleSpotDusting.optOut;
        return ok("default");
      case "claimRewards":
        return err("No rewards to claim.");
      default:
        return err(`This exchange does not simulate ${action.type}.`);
    }
  }

  private setAbstraction(account: Account, text: string): ExchangeResponse {
    const mode = ABSTRACTIONS[text];
    if (mode === undefined) return err("Invalid abstraction.");
    this.exchange.settings.of(account).abstraction = mode;
    return ok("default");
  }
}
