/** Who an address is and what it has allowed: roles, agents, sub-accounts, vaults, settings (reference 3.1, 3.11). */
import type { Account } from "../account.js";
import { parseAddress } from "../action-fields.js";
import { accountValue } from "../margin.js";
import { dec, decOf } from "../wire.js";
import { clearinghouseState } from "./account.js";
import { type Answer, type InfoContext, type InfoRequest, MALFORMED } from "./request.js";
import { spotClearinghouseState, spotValueUsd } from "./spot.js";

export function userRole(ctx: InfoContext, user: string, account: Account | undefined): Answer {
  if (account === undefined) {
    const master = ctx.exchange.masterOfAgent(user);
    return master === undefined ? { role: "missing" } : { role: "agent", data: { user: master.address } };
  }
  if (account.role === "subAccount") return { role: "subAccount", data: { master: account.master!.address } };
  return { role: account.role === "vault" ? "vault" : "user" };
}

/** Named agents that are still valid. */
export function extraAgents(ctx: InfoContext, account: Account | undefined): Answer {
  if (account === undefined) return [];
  return ctx.exchange.agents
    .of(account)
    .filter((a) => a.name !== "" && a.validUntilMs > ctx.wallMs)
    .map((a) => ({ name: a.name, address: a.address, validUntil: a.validUntilMs }));
}

/** The unnamed agent is only told here. An agent of the configuration never ends: the largest time JSON can tell. */
export function unnamedAgent(
  ctx: InfoContext,
  account: Account | undefined,
): { agentAddress: string | null; agentValidUntil: number | null } {
  const agents = account === undefined ? [] : ctx.exchange.agents.of(account);
  const agent = agents.find((a) => a.name === "" && a.validUntilMs > ctx.wallMs);
  if (agent === undefined) return { agentAddress: null, agentValidUntil: null };
  const until = Math.min(agent.validUntilMs, Number.MAX_SAFE_INTEGER);
  return { agentAddress: agent.address, agentValidUntil: until };
}

export function subAccounts(ctx: InfoContext, account: Account | undefined): Answer {
  if (account === undefined || account.subAccounts.length === 0) return null;
  return account.subAccounts.map((sub) => ({
    name: sub.name,
    subAccountUser: sub.address,
    master: account.address,
    clearinghouseState: clearinghouseState(ctx.exchange, sub, ctx.exchMs),
    spotState: spotClearinghouseState(sub),
  }));
}

/** As `subAccounts`, with the state in every dex. */
export function subAccounts2(ctx: InfoContext, account: Account | undefined): Answer {
  if (account === undefined || account.subAccounts.length === 0) return null;
  return account.subAccounts.map((sub) => ({
    name: sub.name,
    subAccountUser: sub.address,
    master: account.address,
    dexToClearinghouseState: ctx.exchange.dexs.map((dex) => [
      dex.name,
      clearinghouseState(ctx.exchange, sub, ctx.exchMs, dex.index),
    ]),
    spotState: spotClearinghouseState(sub),
  }));
}

export function maxBuilderFee(ctx: InfoContext, account: Account | undefined, r: InfoRequest): Answer {
  const builder = parseAddress(r["builder"]);
  if (builder === undefined) return MALFORMED;
  return account === undefined ? 0 : (ctx.exchange.settings.of(account).builderFees.get(builder) ?? 0);
}

export function approvedBuilders(ctx: InfoContext, account: Account | undefined): Answer {
  return account === undefined ? [] : [...ctx.exchange.settings.of(account).builderFees.keys()];
}

export const userAbstraction = (ctx: InfoContext, account: Account | undefined): Answer =>
  account === undefined ? "default" : ctx.exchange.settings.of(account).abstraction;

export function userDexAbstraction(ctx: InfoContext, account: Account | undefined): Answer {
  const mode = account === undefined ? "default" : ctx.exchange.settings.of(account).abstraction;
  return mode === "default" ? null : mode === "dexAbstraction";
}

export function preTransferCheck(ctx: InfoContext, account: Account | undefined): Answer {
  const fee = account === undefined ? ctx.exchange.options.activationFeeMicroUsd : 0;
  return {
    fee: dec(fee, 6),
    isSanctioned: false,
    userExists: account !== undefined,
    userHasSentTx: (account?.orders.size ?? 0) > 0,
  };
}

export function referral(ctx: InfoContext, account: Account | undefined): Answer {
  const settings = account === undefined ? undefined : ctx.exchange.settings.of(account);
  const code = settings?.ownReferralCode;
  return {
    // The owner of a code is not known here; the venue shows its address.
    referredBy:
      settings?.referrerCode === undefined
        ? null
        : { referrer: `0x${"0".repeat(40)}`, code: settings.referrerCode },
    cumVlm: decOf(account?.cumVolumeUsd ?? 0, 6),
    unclaimedRewards: "0.0",
    claimedRewards: "0.0",
    builderRewards: "0.0",
    referrerState:
      code === undefined
        ? { stage: "needToCreateCode" }
        : { stage: "ready", data: { code, nReferrals: 0, referralStates: [] } },
    rewardHistory: [],
    tokenToState: [],
  };
}

/** Perp value over all dexs, and of everything with spot. */
function values(ctx: InfoContext, account: Account | undefined): { perpUsd: number; totalUsd: number } {
  if (account === undefined) return { perpUsd: 0, totalUsd: 0 };
  let micro = 0;
  for (const house of account.clearinghouses) if (house !== undefined) micro += accountValue(house);
  const perpUsd = micro / 1e6;
  return { perpUsd, totalUsd: perpUsd + spotValueUsd(ctx.exchange, account) };
}

const PERIODS = ["day", "week", "month", "allTime"] as const;

/** History is not kept: each series is the present alone. */
export function portfolio(ctx: InfoContext, account: Account | undefined): unknown[] {
  const { perpUsd, totalUsd } = values(ctx, account);
  const now = Math.floor(ctx.exchMs);
  const series = (usd: number): unknown => ({
    accountValueHistory: [[now, decOf(usd, 6)]],
    pnlHistory: [[now, "0.0"]],
    vlm: decOf(account?.cumVolumeUsd ?? 0, 6),
  });
  return [
    ...PERIODS.map((period) => [period, series(totalUsd)]),
    ...PERIODS.map((period) => [`perp${period[0]!.toUpperCase()}${period.slice(1)}`, series(perpUsd)]),
  ];
}

// --- Vaults ------------------------------------------------------------------------------------------------------------

export function userVaultEquities(ctx: InfoContext, user: string): unknown[] {
  return ctx.exchange
    .allAccounts()
    .filter((a) => (a.vaultShares.get(user) ?? 0) > 0)
    .map((vault) => ({
      vaultAddress: vault.address,
      equity: dec(vault.vaultShares.get(user)!, 6),
      lockedUntilTimestamp: Math.floor(ctx.exchMs),
    }));
}

function followerWire(ctx: InfoContext, user: string, microUsd: number): unknown {
  const now = Math.floor(ctx.exchMs);
  return {
    user,
    vaultEquity: dec(microUsd, 6),
    pnl: "0.0",
    allTimePnl: "0.0",
    daysFollowing: 0,
    vaultEntryTime: now,
    lockupUntil: now,
  };
}

/** @returns null for what is no vault. */
export function vaultDetails(ctx: InfoContext, r: InfoRequest): Answer {
  const address = parseAddress(r["vaultAddress"]);
  const given = r["user"] ?? undefined;
  const user = given === undefined ? undefined : parseAddress(given);
  if (address === undefined || (given !== undefined && user === undefined)) return MALFORMED;
  const vault = ctx.exchange.account(address);
  if (vault?.role !== "vault") return null;
  const share = user === undefined ? undefined : vault.vaultShares.get(user);
  const { perpUsd } = values(ctx, vault);
  return {
    name: vault.name,
    vaultAddress: vault.address,
    leader: vault.master?.address ?? vault.address,
    description: "",
    portfolio: portfolio(ctx, vault),
    apr: 0,
    followerState: share === undefined ? null : followerWire(ctx, user!, share),
    leaderFraction: 1,
    leaderCommission: 0,
    followers: [...vault.vaultShares].map(([follower, micro]) => followerWire(ctx, follower, micro)),
    maxDistributable: perpUsd,
    maxWithdrawable: perpUsd,
    isClosed: false,
    relationship: { type: "normal" },
    allowDeposits: true,
    alwaysCloseOnWithdraw: false,
  };
}
