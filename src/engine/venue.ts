import type { Config } from "../config/index.js";
import type { Clock, Instrument, Rng, Timers } from "../domain/index.js";
import type { LogFn } from "../telemetry/log.js";
import { marketFees } from "../venues/hyperliquid/fees.js";
import { InfoClient } from "../venues/hyperliquid/info.js";
import { type KeySource, loadPrivateKey } from "../venues/hyperliquid/keys.js";
import type { IpBudget } from "../venues/hyperliquid/limits.js";
import { type NetworkEndpoints, networkEndpoints } from "../venues/hyperliquid/network.js";
import { L1Signer } from "../venues/hyperliquid/sign.js";
import { type MarketFacts, resolveMarkets } from "./markets.js";
import { StartError } from "./start-error.js";

/** What is known of the venue before any thread starts. */
export interface VenueFacts {
  readonly endpoints: NetworkEndpoints;
  /** Undefined on paper: nothing is ever signed. */
  readonly signer: L1Signer | undefined;
  /** The account traded for: the vault's, else the signer's own, or the master that approved it as agent. */
  readonly account: string;
  /** Sub-account or vault that every action names; undefined: the account is the signer's or its master's. */
  readonly vaultAddress: string | undefined;
  readonly instruments: readonly Instrument[];
  /** By engine index. */
  readonly midPx: readonly number[];
  readonly markets: readonly MarketFacts[];
  /** Signed, bps of notional. */
  readonly fees: readonly { readonly makerBps: number; readonly takerBps: number }[];
  /** By dex: each has a clearinghouse of its own. */
  readonly funds: readonly DexFunds[];
}

/** What the account holds in one clearinghouse. */
export interface DexFunds {
  readonly dex: string;
  readonly collateral: string;
  /** In units of the collateral, which is worth a dollar. */
  readonly accountValueUsd: number;
  readonly withdrawableUsd: number;
  /** Margin inside isolated positions, by coin; part of the account value. */
  readonly isolatedUsd: ReadonlyMap<string, number>;
}

export interface VenueRequest {
  readonly config: Config;
  readonly simPort: number;
  readonly privateKeyOption: string | undefined;
  readonly keystoreOption: string | undefined;
  /** The file that the configuration came from. */
  readonly configPath: string | undefined;
  readonly askSecret: ((question: string) => Promise<string>) | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly rng: Rng;
  readonly log: LogFn;
  /** Limits of this machine's address, shared with what asks later. */
  readonly limits?: IpBudget;
  /** Sees the key before it is zeroed; to be copied if kept. */
  readonly lendKey?: (key: Uint8Array) => void;
}

/** Finds the key first, so that a wrong one is told before anything is started for it. */
export async function loadSigner(
  r: Pick<
    VenueRequest,
    | "config"
    | "simPort"
    | "privateKeyOption"
    | "keystoreOption"
    | "configPath"
    | "env"
    | "askSecret"
    | "log"
    | "lendKey"
  >,
): Promise<{ endpoints: NetworkEndpoints; signer: L1Signer; source: KeySource }> {
  const endpoints = networkEndpoints(r.config.network.base_url, { port: r.simPort });
  const loaded = await loadPrivateKey({
    network: endpoints.name,
    option: r.privateKeyOption,
    keystoreOption: r.keystoreOption,
    env: r.env,
    envFile: ".env",
    keystore: r.config.network.keystore,
    passwordFile: r.config.network.password_file,
    askSecret: r.askSecret,
    config: r.config.network.private_key,
    configFile: r.configPath,
  });
  for (const warning of loaded.warnings) r.log("warn", warning);
  const signer = new L1Signer(loaded.key, endpoints.source);
  r.lendKey?.(loaded.key);
  loaded.key.fill(0);
  return { endpoints, signer, source: loaded.source };
}

/**
 * Asks the venue for everything that must be right before the first order.
 *
 * @throws {VenueError} Unreachable, AssetNotFound, AssetDelisted, … and {StartError} when the account cannot trade.
 */
export async function gatherFacts(
  r: VenueRequest,
  endpoints: NetworkEndpoints,
  signer: L1Signer,
): Promise<VenueFacts> {
  const info = new InfoClient({
    endpoints,
    clock: r.clock,
    timers: r.timers,
    rng: r.rng,
    limits: r.limits,
  });
  const markets = await resolveMarkets(info, r.config.trading);
  const owner = await accountOf(info, signer.address);
  const vaultAddress = r.config.network.vault_address?.toLowerCase();
  if (vaultAddress !== undefined) await checkVault(info, vaultAddress, owner);
  const account = vaultAddress ?? owner;
  const funds = await fundsOf(info, account, markets, endpoints.name);
  const fees = await info.userFees(account);
  const rates = {
    maker: Number(fees.userAddRate),
    taker: Number(fees.userCrossRate),
    referralDiscount: Number(fees.activeReferralDiscount ?? 0),
  };
  return {
    endpoints,
    signer,
    account,
    vaultAddress,
    instruments: markets.map((m) => m.instrument),
    midPx: markets.map((m) => m.midPx),
    markets,
    fees: markets.map((m) =>
      marketFees(rates, { deployerScale: m.dex.deployerFeeScale, isGrowth: m.isGrowth }),
    ),
    funds,
  };
}

/**
 * What the account holds in each clearinghouse of this run's markets. In unified mode the spot balance of the collateral backs
 * the perpetuals too.
 *
 * @throws {StartError} Unfunded, saying how to move collateral there.
 */
async function fundsOf(
  info: InfoClient,
  account: string,
  markets: readonly MarketFacts[],
  network: string,
): Promise<DexFunds[]> {
  const abstraction = await info.userAbstraction(account);
  const isUnified = abstraction === "unifiedAccount" || abstraction === "portfolioMargin";
  const spot = isUnified ? await info.spotClearinghouseState(account) : undefined;
  const byDex = new Map(markets.map((m) => [m.dex.name, m]));
  return Promise.all(
    [...byDex.values()].map(async ({ dex, collateral }) => {
      const state = await info.clearinghouseState(account, dex.name === "" ? undefined : dex.name);
      const balance = spot?.balances.find((b) => b.coin === collateral);
      const spotUsd = balance === undefined ? 0 : Number(balance.total) - Number(balance.hold);
      const accountValueUsd = Number(state.marginSummary.accountValue) + spotUsd;
      if (!(accountValueUsd > 0)) throw unfunded(account, network, dex.name, collateral);
      return {
        dex: dex.name,
        collateral,
        accountValueUsd,
        withdrawableUsd: Number(state.withdrawable) + spotUsd,
        isolatedUsd: new Map(
          state.assetPositions
            .filter(({ position }) => position.leverage.type === "isolated")
            .map(({ position }) => [position.coin, Number(position.marginUsed ?? 0)]),
        ),
      };
    }),
  );
}

function unfunded(account: string, network: string, dex: string, collateral: string): StartError {
  return new StartError(
    "Unfunded",
    dex === ""
      ? `account ${account} holds no margin on ${network}: check that the key is the right one, or deposit first`
      : `account ${account} holds no ${collateral} on DEX ${dex} of ${network}: move ${collateral} into the DEX first (transfer on the Hyperliquid site, or action sendAsset with destinationDex "${dex}")`,
  );
}

/** A vault's leader is not asked for: the venue refuses the first action of anybody else. */
export async function checkVault(info: InfoClient, vault: string, owner: string): Promise<void> {
  const { role, data } = await info.userRole(vault);
  if (role === "vault" || (role === "subAccount" && data?.master === owner)) return;
  const what =
    role === "subAccount" ? `a sub-account of ${data?.master ?? "somebody else"}` : `"${role}" to the venue`;
  throw new StartError(
    "Vault",
    `vault_address ${vault} is ${what}, no vault or sub-account of ${owner}: correct network.vault_address, or leave it out`,
  );
}

/** An agent's own address has no account: its queries would answer emptily (reference §3). */
export async function accountOf(info: InfoClient, address: string): Promise<string> {
  const role = await info.userRole(address);
  if (role.role !== "agent") return address;
  const master = role.data?.user;
  if (master === undefined) {
    throw new StartError(
      "UnknownAgent",
      `${address} is an agent key, but the venue does not say of which account`,
    );
  }
  return master.toLowerCase();
}
