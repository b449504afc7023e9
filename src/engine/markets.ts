import type { Config } from "../config/index.js";
import type { Instrument } from "../domain/index.js";
import type { MarginTier } from "../quoting/index.js";
import { collateralName, type DexInfo, FIRST_DEX, findDex, loadDexes } from "../venues/hyperliquid/dexes.js";
import type { AssetCtx, InfoClient, MarginTable, Meta } from "../venues/hyperliquid/info.js";
import { AssetNotFound, dexOf, instrumentsFromMeta } from "../venues/hyperliquid/symbols.js";
import { StartError } from "./start-error.js";

/** One market as the venue lists it, by engine index. */
export interface MarketFacts {
  readonly instrument: Instrument;
  readonly dex: DexInfo;
  /** Name of the dex's collateral token, such as USDC. */
  readonly collateral: string;
  readonly midPx: number;
  readonly markPx: number;
  /** No cross margin; with `isStrictIsolated` margin cannot be taken out again either. */
  readonly isIsolatedOnly: boolean;
  readonly isStrictIsolated: boolean;
  readonly isGrowth: boolean;
  /** Largest leverage by position value, lowest first. */
  readonly tiers: readonly MarginTier[];
}

/** The coins of `[trading] asset`, each with the prefix of its dex: `BTC` on `hyna` is `hyna:BTC`. */
export async function resolveMarkets(
  info: InfoClient,
  trading: Pick<Config["trading"], "asset" | "dex" | "decimals">,
): Promise<MarketFacts[]> {
  const dexes = await dexesOf(info, trading);
  const wanted = namesOf(trading, dexes);
  const twice = wanted.find((w, i) => wanted.findIndex((o) => o.coin === w.coin) !== i);
  if (twice !== undefined)
    throw new StartError("Twice", `asset ${twice.coin} is named twice: name each once`);
  const loaded = new Map<string, LoadedDex>();
  const out: MarketFacts[] = [];
  for (const { coin, dex } of wanted) {
    const entry = loaded.get(dex.name) ?? (await loadDex(info, dex));
    loaded.set(dex.name, entry);
    out.push(await marketOf(info, entry, coin, out.length, trading.decimals));
  }
  return out;
}

interface LoadedDex {
  readonly dex: DexInfo;
  readonly meta: Meta;
  readonly contexts: readonly AssetCtx[];
  readonly collateral: string;
}

/** The list of dexs is asked for only when one is named. */
async function dexesOf(
  info: InfoClient,
  trading: Pick<Config["trading"], "asset" | "dex">,
): Promise<DexInfo[] | undefined> {
  const isNeeded = trading.dex !== undefined || trading.asset.includes(":");
  return isNeeded ? loadDexes(info) : undefined;
}

function namesOf(
  trading: Pick<Config["trading"], "asset" | "dex">,
  dexes: readonly DexInfo[] | undefined,
): { coin: string; dex: DexInfo }[] {
  const given = trading.dex === undefined ? undefined : findDex(dexes ?? [], trading.dex);
  return trading.asset
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .map((name) => {
      const prefix = dexOf(name);
      if (prefix === "") {
        const dex = given ?? FIRST_DEX;
        return { coin: dex.name === "" ? name : `${dex.name}:${name}`, dex };
      }
      const own = findDex(dexes ?? [], prefix);
      if (given !== undefined && given.name !== own.name) {
        throw new StartError(
          "Dex",
          `asset ${name} names another DEX than --dex ${given.name}: leave one of the two out`,
        );
      }
      return { coin: `${own.name}:${name.slice(prefix.length + 1)}`, dex: own };
    });
}

async function loadDex(info: InfoClient, dex: DexInfo): Promise<LoadedDex> {
  const [[meta, contexts], spot] = await Promise.all([
    info.metaAndAssetCtxs(dex.name === "" ? undefined : dex.name),
    dex.name === "" ? undefined : info.spotMeta(),
  ]);
  return { dex, meta, contexts, collateral: spot === undefined ? "USDC" : collateralName(meta, spot) };
}

async function marketOf(
  info: InfoClient,
  { dex, meta, contexts, collateral }: LoadedDex,
  coin: string,
  asset: number,
  decimals: number | undefined,
): Promise<MarketFacts> {
  const instrument = withDecimals(await instrumentOf(info, meta, coin, dex, asset), decimals);
  const index = meta.universe.findIndex((u) => u.name === coin);
  const entry = meta.universe[index]!;
  const context = contexts[index];
  const isStrictIsolated = entry.marginMode === "strictIsolated";
  return {
    instrument,
    dex,
    collateral,
    midPx: Number(context?.midPx ?? context?.markPx ?? Number.NaN),
    markPx: Number(context?.markPx ?? Number.NaN),
    isIsolatedOnly: entry.onlyIsolated === true || isStrictIsolated || entry.marginMode === "noCross",
    isStrictIsolated,
    isGrowth: entry.growthMode === "enabled",
    tiers: tiersOf(await marginTable(info, meta, entry.marginTableId, dex), instrument.maxLeverage),
  };
}

/** A coin that the first dex does not have may be one of another dex: the user is told how to name it. */
async function instrumentOf(
  info: InfoClient,
  meta: Meta,
  coin: string,
  dex: DexInfo,
  asset: number,
): Promise<Instrument> {
  try {
    return instrumentsFromMeta(meta, [coin], { dexIndex: dex.index, firstAsset: asset })[0]!;
  } catch (error) {
    if (!(error instanceof AssetNotFound) || error.suggestions.length > 0 || dex.name !== "") throw error;
    const metas = await info.allPerpMetas();
    const elsewhere = metas
      .flatMap((m) => m?.universe ?? [])
      .filter((u) => u.isDelisted !== true && u.name.split(":")[1] === coin)
      .map((u) => `--asset ${coin} --dex ${dexOf(u.name)}`);
    throw elsewhere.length === 0 ? error : new AssetNotFound(coin, elsewhere);
  }
}

/** Ids below 50 say the leverage themselves; a table that `meta` leaves out is asked for. */
async function marginTable(
  info: InfoClient,
  meta: Meta,
  id: number | undefined,
  dex: DexInfo,
): Promise<MarginTable | undefined> {
  if (id === undefined || id < FIRST_TABLE_ID) return undefined;
  const listed = meta.marginTables?.find(([table]) => table === id)?.[1];
  return listed ?? (await info.marginTable(id, dex.name === "" ? undefined : dex.name));
}

const FIRST_TABLE_ID = 50;

function tiersOf(table: MarginTable | undefined, maxLeverage: number): MarginTier[] {
  const tiers = (table?.marginTiers ?? [])
    .map((t) => ({ fromUsd: Number(t.lowerBound), maxLeverage: t.maxLeverage }))
    .sort((a, b) => a.fromUsd - b.fromUsd);
  return tiers.length > 0 ? tiers : [{ fromUsd: 0, maxLeverage }];
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
