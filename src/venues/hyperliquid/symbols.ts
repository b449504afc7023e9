/**
 * Markets by name: the venue's meta to instruments with their grids. Cold path.
 */
import type { Instrument } from "../../domain/index.js";
import { VenueError } from "./errors.js";
import type { Meta, SpotMeta } from "./info.js";

/** Decimals of a market's price plus those of its size; builder-deployed perpetuals are perpetuals. Source: reference §6.2. */
const PERP_DECIMALS = 6;
const SPOT_DECIMALS = 8;
const MAX_SIG_FIGS = 5;
/** Smallest order value, quote units: USDC, or the dex's collateral, or a pair's quote token. Source: reference §6.4. */
const MIN_NOTIONAL_USD = 10;

/** Id in signed actions: the index itself on the first dex, an offset block per builder-deployed dex. Source: §6.1. */
export function venueAssetId(dexIndex: number, index: number): number {
  return dexIndex === 0 ? index : 100_000 + dexIndex * 10_000 + index;
}

/** Id of a spot pair. Source: §6.1. */
export const spotAssetId = (pairIndex: number): number => 10_000 + pairIndex;

/** `"xyz"` of `"xyz:TSLA"`; `""` for the first dex. */
export function dexOf(coin: string): string {
  const colon = coin.indexOf(":");
  return colon < 0 ? "" : coin.slice(0, colon);
}

export interface ResolvedAsset {
  readonly coin: string;
  readonly venueAssetId: number;
  readonly szDecimals: number;
  readonly maxLeverage: number;
  readonly isDelisted: boolean;
  /** No cross margin on this market. */
  readonly isIsolatedOnly: boolean;
}

/** The venue has no market of that name; `suggestions` are the closest names. */
export class AssetNotFound extends VenueError {
  override readonly name = "AssetNotFound";

  constructor(
    readonly asset: string,
    readonly suggestions: readonly string[],
  ) {
    const hint = suggestions.length > 0 ? `; did you mean ${suggestions.join(", ")}?` : "";
    super("AssetNotFound", `asset "${asset}" is not listed on this network${hint}`);
  }
}

/**
 * Finds a market by its exact name.
 * @param dexIndex place of the dex in `perpDexs` (0: the first dex).
 * @throws {AssetNotFound}
 */
export function resolveAsset(meta: Meta, name: string, dexIndex = 0): ResolvedAsset {
  // Delisted markets keep their slot: never filter before indexing.
  const index = meta.universe.findIndex((u) => u.name === name);
  const entry = meta.universe[index];
  if (entry === undefined) {
    const listed = meta.universe.filter((u) => u.isDelisted !== true).map((u) => u.name);
    throw new AssetNotFound(name, closeNames(name, listed));
  }
  return {
    coin: entry.name,
    venueAssetId: venueAssetId(dexIndex, index),
    szDecimals: entry.szDecimals,
    maxLeverage: entry.maxLeverage,
    isDelisted: entry.isDelisted === true,
    isIsolatedOnly:
      entry.onlyIsolated === true || entry.marginMode === "strictIsolated" || entry.marginMode === "noCross",
  };
}

/**
 * The instrument at engine index `asset`.
 * @throws {VenueError} AssetDelisted; BadResponse when the venue's decimals do not fit its own rule.
 */
export function toInstrument(resolved: ResolvedAsset, asset: number): Instrument {
  if (resolved.isDelisted) {
    throw new VenueError(
      "AssetDelisted",
      `asset "${resolved.coin}" is delisted: remove it from the list of assets`,
    );
  }
  return gridOf(resolved, asset, PERP_DECIMALS, "meta");
}

/** @throws {VenueError} BadResponse when the venue's decimals do not fit its own rule. */
function gridOf(
  market: Pick<ResolvedAsset, "coin" | "venueAssetId" | "szDecimals" | "maxLeverage">,
  asset: number,
  decimals: number,
  what: string,
): Instrument {
  const { coin, szDecimals } = market;
  if (szDecimals > decimals)
    throw new VenueError(
      "BadResponse",
      `${what}: ${coin} has szDecimals ${szDecimals}, more than ${decimals}`,
    );
  return {
    asset,
    venueAssetId: market.venueAssetId,
    coin,
    pxDecimals: decimals - szDecimals,
    szDecimals,
    maxSigFigs: MAX_SIG_FIGS,
    minNotionalUsd: MIN_NOTIONAL_USD,
    maxLeverage: market.maxLeverage,
  };
}

/**
 * Instruments of one dex in the order of `names`, engine indices counted from `firstAsset`.
 * @throws {AssetNotFound} and what `toInstrument` throws.
 */
export function instrumentsFromMeta(
  meta: Meta,
  names: readonly string[],
  options: { dexIndex?: number; firstAsset?: number } = {},
): Instrument[] {
  const first = options.firstAsset ?? 0;
  return names.map((name, i) => toInstrument(resolveAsset(meta, name, options.dexIndex ?? 0), first + i));
}

/**
 * The instrument of a spot pair at engine index `asset`.
 * @param name the venue's own (`PURR/USDC`, `@107`), both tokens (`HYPE/USDC`), or the base token (`HYPE`) of a USDC pair, of
 *   which the canonical one wins.
 * @throws {AssetNotFound}; {VenueError} BadResponse when the venue's lists do not fit together.
 */
export function spotInstrument(meta: SpotMeta, name: string, asset: number): Instrument {
  // A token's index is not its place in the list.
  const tokens = new Map(meta.tokens.map((token) => [token.index, token]));
  const pairs = meta.universe.map((pair) => {
    const [base, quote] = pair.tokens.map((index) => tokens.get(index));
    return { ...pair, base, quote, tokenNames: `${base?.name}/${quote?.name}` };
  });
  const matches = (of: (pair: (typeof pairs)[number]) => boolean): (typeof pairs)[number] | undefined =>
    pairs.filter(of).sort((a, b) => Number(b.isCanonical === true) - Number(a.isCanonical === true))[0];
  const found =
    matches((pair) => pair.name === name || `@${pair.index}` === name) ??
    matches((pair) => pair.tokenNames === name) ??
    matches((pair) => pair.base?.name === name && pair.quote?.index === 0);
  if (found === undefined)
    throw new AssetNotFound(
      name,
      closeNames(
        name,
        pairs.map((pair) => pair.tokenNames),
      ),
    );
  if (found.base === undefined)
    throw new VenueError(
      "BadResponse",
      `spotMeta: ${found.name} names token ${found.tokens[0]}, which is not listed`,
    );
  const { szDecimals } = found.base;
  const market = { coin: found.name, venueAssetId: spotAssetId(found.index), szDecimals, maxLeverage: 1 };
  return gridOf(market, asset, SPOT_DECIMALS, "spotMeta");
}

/** Up to five listed names near to what was typed: other case, a shared beginning, or up to two wrong letters. */
export function closeNames(typed: string, listed: readonly string[]): string[] {
  const wanted = typed.toLowerCase();
  return listed
    .map((name) => ({ name, distance: nameDistance(wanted, name.toLowerCase()) }))
    .filter(({ distance }) => distance <= 2)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, 5)
    .map(({ name }) => name);
}

function nameDistance(a: string, b: string): number {
  const afterDex = b.slice(b.indexOf(":") + 1);
  if (a === b || a === afterDex || b.startsWith(`${a}/`)) return 0;
  if (a.length >= 3 && (b.startsWith(a) || a.startsWith(b) || afterDex.startsWith(a))) return 1;
  // Two wrong letters of three are another name.
  return Math.max(editDistance(a, b), a.length <= 3 && editDistance(a, b) > 1 ? 3 : 0);
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
