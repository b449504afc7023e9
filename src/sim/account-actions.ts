/**
 * Actions on the account itself: agents, approvals, settings, and moving money between its pockets and to others.
 *
 * Source: reference/hyperliquid-api.md 4.7 to 4.9.
 */
import type { Account } from "./account.js";
import type { Action } from "./actions.js";
import { type ExchangeResponse, err, ok, okWith } from "./answers.js";
import type { Exchange } from "./exchange.js";
import { REFERRAL_DISCOUNT } from "./fees.js";
import { withdrawable } from "./margin.js";
import { type Abstraction, builderRate } from "./permissions.js";
import { INVALID_SEND } from "./transfers.js";

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
  carryOut(account: Account, action: Action, exchMs: number, wallMs: number): ExchangeResponse {
    return (
      this.moveMoney(account, action, exchMs) ??
      this.ownOthers(account, action) ??
      this.permit(account, action, wallMs)
    );
  }

  // --- Money -------------------------------------------------------------------------------------------------------

  /** @returns undefined for an action of another kind. */
  private moveMoney(account: Account, action: Action, exchMs: number): ExchangeResponse | undefined {
    const { transfers } = this.exchange;
    switch (action.type) {
      case "usdSend": {
        const microUsd = transfers.parseUsd(action.amount);
        return this.answer(
          microUsd === undefined
            ? INVALID_SEND
            : transfers.usdSend(account, action.destination, microUsd, exchMs),
        );
      }
      case "spotSend": {
        const token = this.exchange.token(action.token);
        const wei = token === undefined ? undefined : transfers.parseToken(action.amount, token);
        if (token === undefined || wei === undefined) return err(INVALID_SEND);
        return this.answer(transfers.spotSend(account, action.destination, token, wei, exchMs));
      }
      case "withdraw3": {
        const microUsd = transfers.parseUsd(action.amount);
        if (microUsd === undefined) return err(INVALID_SEND);
        return this.answer(transfers.withdraw3(account, action.destination, microUsd, exchMs));
      }
      case "usdClassTransfer": {
        const [amount, suffix] = action.amount.split(" ");
        const owner = this.exchange.accountFor(account, suffix?.slice("subaccount:".length).toLowerCase());
        const microUsd = transfers.parseUsd(amount!);
        if (owner === undefined || microUsd === undefined) return err(INVALID_SEND);
        return this.answer(transfers.usdClassTransfer(owner, microUsd, action.toPerp, exchMs));
      }
      case "sendAsset":
      case "agentSendAsset": {
        const from = this.exchange.accountFor(account, action.fromSubAccount || undefined);
        if (from === undefined) return err(INVALID_SEND);
        const { destination, sourceDex, destinationDex, token, amount } = action;
        const send = action.type === "sendAsset" ? "sendAsset" : "agentSendAsset";
        return this.answer(
          transfers[send](from, destination, sourceDex, destinationDex, token, amount, exchMs),
        );
      }
      case "subAccountTransfer":
        return this.answer(
          transfers.subAccountTransfer(account, action.subAccountUser, action.isDeposit, action.usd, exchMs),
        );
      case "subAccountSpotTransfer": {
        const token = this.exchange.token(action.token);
        const wei = token === undefined ? undefined : transfers.parseToken(action.amount, token);
        if (token === undefined || wei === undefined) return err(INVALID_SEND);
        const { subAccountUser, isDeposit } = action;
        return this.answer(
          transfers.subAccountSpotTransfer(account, subAccountUser, isDeposit, token, wei, exchMs),
        );
      }
      case "vaultTransfer":
        return this.answer(
          transfers.vaultTransfer(account, action.vaultAddress, action.isDeposit, action.usd, exchMs),
        );
      case "updateIsolatedMargin": {
        const market = this.exchange.marketOfAsset(action.asset);
        if (market === undefined) return err(`Asset ${action.asset} does not exist.`);
        return this.answer(transfers.updateIsolatedMargin(account, market, action.ntli));
      }
      case "topUpIsolatedOnlyMargin": {
        const market = this.exchange.marketOfAsset(action.asset);
        if (market === undefined) return err(`Asset ${action.asset} does not exist.`);
        return this.answer(transfers.topUpIsolatedOnlyMargin(account, market, action.leverage));
      }
      default:
        return undefined;
    }
  }

  private answer(refusal: string | undefined): ExchangeResponse {
    return refusal === undefined ? ok("default") : err(refusal);
  }

  // --- Sub-accounts and vaults ---------------------------------------------------------------------------------------

  /** @returns undefined for an action of another kind. */
  private ownOthers(account: Account, action: Action): ExchangeResponse | undefined {
    const { exchange } = this;
    switch (action.type) {
      case "createSubAccount": {
        const required = exchange.options.subAccountMinVolumeUsd;
        if (account.cumVolumeUsd < required) {
          const traded = Math.floor(account.cumVolumeUsd * 100) / 100;
          return err(
            `Cannot create sub-accounts until enough volume traded. Required: $${required}. Traded: $${traded}.`,
          );
        }
        if (account.role !== "user") return err("Only a master account can create sub-accounts.");
        if (!isName(action.name)) return err("Invalid sub-account name.");
        return okWith("createSubAccount", exchange.createSubAccount(account, action.name).address);
      }
      case "subAccountModify": {
        const sub = exchange.account(action.subAccountUser);
        if (sub === undefined || sub.master !== account || sub.role !== "subAccount")
          return err(`Sub-account not registered: ${action.subAccountUser}`);
        if (!isName(action.name)) return err("Invalid sub-account name.");
        sub.name = action.name;
        return ok("default");
      }
      case "createVault": {
        if (action.initialUsd > withdrawable(account.clearinghouse(0)))
          return err("Insufficient balance for withdrawal");
        const vault = exchange.createVault(account, action.name);
        exchange.transfers.vaultTransfer(account, vault.address, true, action.initialUsd, exchange.nowMs);
        return okWith("createVault", vault.address);
      }
      case "vaultModify":
        return exchange.account(action.vaultAddress)?.master === account
          ? ok("default")
          : err(`Vault not registered: ${action.vaultAddress}`);
      default:
        return undefined;
    }
  }

  // --- Permissions and settings --------------------------------------------------------------------------------------

  private permit(account: Account, action: Action, wallMs: number): ExchangeResponse {
    const { agents, settings } = this.exchange;
    switch (action.type) {
      case "approveAgent": {
        const isAccount = (address: string): boolean => this.exchange.account(address) !== undefined;
        const { agentAddress, agentName } = action;
        const refusal = agents.approve(
          account,
          agentAddress,
          agentName,
          wallMs,
          account.subAccounts.length,
          isAccount,
        );
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
        account.referralDiscount = REFERRAL_DISCOUNT;
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

/** Of sub-accounts: 1 to 16 characters. */
const isName = (name: string): boolean => name.length >= 1 && name.length <= 16;
