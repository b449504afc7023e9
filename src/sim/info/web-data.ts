/** The aggregates that the venue's own page asks for (reference 2.14, 3.1). */
import type { Account } from "../account.js";
import { dec } from "../wire.js";
import { clearinghouseState } from "./account.js";
import { unnamedAgent } from "./identity.js";
import { assetCtxs, meta, perpsAtOpenInterestCap } from "./meta.js";
import { frontendOpenOrders } from "./orders.js";
import type { InfoContext } from "./request.js";
import { spotAssetCtxs, spotClearinghouseState } from "./spot.js";

/** Deposits minus withdrawals of the account, from its ledger. */
function ledgerTotal(account: Account | undefined): string {
  let micro = 0;
  for (const { delta } of account?.ledger ?? []) {
    if (delta.type !== "deposit" && delta.type !== "withdraw") continue;
    micro += Math.round(Number(delta["usdc"]) * 1e6) * (delta.type === "deposit" ? 1 : -1);
  }
  return dec(micro, 6);
}

export function webData2(ctx: InfoContext, user: string, account: Account | undefined): unknown {
  const { exchange, exchMs } = ctx;
  const dex = exchange.dexs[0]!;
  return {
    clearinghouseState: clearinghouseState(exchange, account, exchMs),
    leadingVaults: [],
    totalVaultEquity: "0.0",
    openOrders: frontendOpenOrders(account, ""),
    ...unnamedAgent(ctx, account),
    cumLedger: ledgerTotal(account),
    meta: meta(dex),
    assetCtxs: assetCtxs(exchange, dex),
    serverTime: Math.floor(exchMs),
    isVault: account?.role === "vault",
    user,
    twapStates: account === undefined ? [] : ctx.twaps.statesOf(account),
    spotState: spotClearinghouseState(account),
    spotAssetCtxs: spotAssetCtxs(exchange),
    perpsAtOpenInterestCap: perpsAtOpenInterestCap(dex),
  };
}

export function webData3(ctx: InfoContext, user: string, account: Account | undefined): unknown {
  const { exchange } = ctx;
  const settings = account === undefined ? undefined : exchange.settings.of(account);
  const abstraction = settings?.abstraction ?? "default";
  return {
    userState: {
      ...unnamedAgent(ctx, account),
      cumLedger: ledgerTotal(account),
      serverTime: Math.floor(ctx.exchMs),
      isVault: account?.role === "vault",
      user,
      ...(settings?.optsOutOfSpotDusting === true ? { optOutOfSpotDusting: true } : {}),
      dexAbstractionEnabled: abstraction === "dexAbstraction",
      abstraction: abstraction === "default" ? "disabled" : abstraction,
    },
    perpDexStates: exchange.dexs.map((dex) => ({
      totalVaultEquity: "0.0",
      perpsAtOpenInterestCap: perpsAtOpenInterestCap(dex),
      leadingVaults: [],
    })),
  };
}
