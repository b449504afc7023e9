import type { Config } from "../config/index.js";
import type { Clock, Instrument, Rng, Timers } from "../domain/index.js";
import type { LogFn } from "../telemetry/log.js";
import { type AssetCtx, InfoClient, type Meta } from "../venues/hyperliquid/info.js";
import { type KeySource, loadPrivateKey } from "../venues/hyperliquid/keys.js";
import { type NetworkEndpoints, networkEndpoints } from "../venues/hyperliquid/network.js";
import { L1Signer } from "../venues/hyperliquid/sign.js";
import { dexOf, instrumentsFromMeta } from "../venues/hyperliquid/symbols.js";

/** Something about the account or its market keeps us from trading: one line for the user. */
export class StartError extends Error {
  override readonly name = "StartError";
  constructor(
    readonly code: "Unfunded" | "UnknownAgent" | "Dex" | "Decimals" | "Twice",
    message: string,
  ) {
    super(message);
  }
}

/** What is known of the venue before any thread starts. */
export interface VenueFacts {
  readonly endpoints: NetworkEndpoints;
  readonly signer: L1Signer;
  /** The account traded for: the signer's own, or the master that approved it as agent. */
  readonly account: string;
  readonly instruments: readonly Instrument[];
  /** By engine index. */
  readonly midPx: readonly number[];
  readonly accountValueUsd: number;
  readonly withdrawableUsd: number;
  /** Signed, bps of notional. */
  readonly makerFeeBps: number;
  readonly takerFeeBps: number;
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
  const info = new InfoClient({ endpoints, clock: r.clock, timers: r.timers, rng: r.rng });
  const names = r.config.trading.asset
    .split(",")
    .map((n) => n.trim())
    .filter((n) => n !== "");
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new StartError("Twice", `asset ${twice} is named twice: name each once`);
  const markets = await resolveMarkets(info, names);
  const { midPx } = markets;
  const instruments = markets.instruments.map((inst) => withDecimals(inst, r.config.trading.decimals));
  const account = await accountOf(info, signer.address);
  const dexes = [...new Set(instruments.map((i) => dexOf(i.coin)))];
  const states = await Promise.all(dexes.map((dex) => info.clearinghouseState(account, dex)));
  const accountValueUsd = states.reduce((sum, s) => sum + Number(s.marginSummary.accountValue), 0);
  const withdrawableUsd = states.reduce((sum, s) => sum + Number(s.withdrawable), 0);
  if (!(accountValueUsd > 0)) {
    throw new StartError(
      "Unfunded",
      `account ${account} holds no margin on ${endpoints.name}: check that the key is the right one, or deposit first`,
    );
  }
  const fees = await info.userFees(account);
  return {
    endpoints,
    signer,
    account,
    instruments,
    midPx,
    accountValueUsd,
    withdrawableUsd,
    makerFeeBps: Number(fees.userAddRate) * 1e4,
    takerFeeBps: Number(fees.userCrossRate) * 1e4,
  };
}

async function resolveMarkets(
  info: InfoClient,
  names: readonly string[],
): Promise<{ instruments: Instrument[]; midPx: number[] }> {
  const instruments: Instrument[] = [];
  const midPx: number[] = [];
  const loaded = new Map<string, [Meta, AssetCtx[], number]>();
  for (const name of names) {
    const dex = dexOf(name);
    let entry = loaded.get(dex);
    if (entry === undefined) {
      const [meta, contexts] = await info.metaAndAssetCtxs(dex === "" ? undefined : dex);
      entry = [meta, contexts, dex === "" ? 0 : await dexIndex(info, dex)];
      loaded.set(dex, entry);
    }
    const [meta, contexts, index] = entry;
    const [inst] = instrumentsFromMeta(meta, [name], { dexIndex: index, firstAsset: instruments.length });
    instruments.push(inst!);
    const context = contexts[meta.universe.findIndex((u) => u.name === name)];
    midPx.push(Number(context?.midPx ?? context?.markPx ?? Number.NaN));
  }
  return { instruments, midPx };
}

/** `--decimals`: a coarser price grid than the venue's own; a finer one would only be refused order by order. */
function withDecimals(inst: Instrument, decimals: number | undefined): Instrument {
  if (decimals === undefined) return inst;
  if (decimals > inst.pxDecimals) {
    throw new StartError(
      "Decimals",
      `${inst.coin} has at most ${inst.pxDecimals} price decimals: lower --decimals, or leave it out`,
    );
  }
  return { ...inst, pxDecimals: decimals };
}

async function dexIndex(info: InfoClient, dex: string): Promise<number> {
  const index = (await info.perpDexs()).findIndex((d) => d?.name === dex);
  if (index < 0) throw new StartError("Dex", `DEX "${dex}" is not deployed on this network`);
  return index;
}

/** An agent's own address has no account: its queries would answer emptily (reference §3). */
async function accountOf(info: InfoClient, address: string): Promise<string> {
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
