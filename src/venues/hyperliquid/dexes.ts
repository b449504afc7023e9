/**
 * The builder-deployed perp dexs (HIP-3) and how a user's words for one are understood. Cold path. Source: reference §3.3, §9.
 */
import { VenueError } from "./errors.js";
import type { InfoClient } from "./info.js";
import type { Meta, SpotMeta } from "./market-shapes.js";
import { closeNames } from "./symbols.js";

export interface DexInfo {
  /** Place in the venue's list, part of asset ids; 0 is the first dex. */
  readonly index: number;
  /** `""` for the first dex. */
  readonly name: string;
  readonly fullName: string;
  readonly deployer: string | undefined;
  /** Share of the fees on top of the venue's own: 1 doubles them. */
  readonly deployerFeeScale: number;
  /** Open-interest cap by coin, in collateral. */
  readonly oiCapUsd: ReadonlyMap<string, number>;
}

export const FIRST_DEX: DexInfo = {
  index: 0,
  name: "",
  fullName: "validator-operated perpetuals",
  deployer: undefined,
  deployerFeeScale: 0,
  oiCapUsd: new Map(),
};

/** Every dex with its index, the first one included. */
export async function loadDexes(info: InfoClient): Promise<DexInfo[]> {
  const listed = await info.perpDexs();
  return listed.flatMap((dex, index): DexInfo[] => {
    if (dex === null) return index === 0 ? [FIRST_DEX] : [];
    return [
      {
        index,
        name: dex.name,
        fullName: dex.fullName ?? dex.name,
        deployer: dex.deployer,
        deployerFeeScale: Number(dex.deployerFeeScale ?? 0),
        oiCapUsd: new Map((dex.assetToStreamingOiCap ?? []).map(([coin, cap]) => [coin, Number(cap)])),
      },
    ];
  });
}

/** A dex as `--list-dexs` shows it. */
export interface DexListing extends DexInfo {
  /** Name of the collateral token, such as USDC. */
  readonly collateral: string;
  /** Coins that can be traded, without the dex's prefix. */
  readonly coins: readonly string[];
}

/** The builder-deployed dexs with their collateral and markets: three requests, and one for each that lists no market. */
export async function listDexes(info: InfoClient): Promise<DexListing[]> {
  const [dexes, metas, spot] = await Promise.all([loadDexes(info), info.allPerpMetas(), info.spotMeta()]);
  const built = dexes.filter((dex) => dex.index > 0);
  return Promise.all(
    built.map(async (dex) => {
      // By the prefix of the coins: a list that skips a dex would show another's markets.
      const listed = metas.find((m) => m?.universe[0]?.name.startsWith(`${dex.name}:`) === true);
      const meta = listed ?? (await info.meta(dex.name));
      return {
        ...dex,
        collateral: collateralName(meta, spot),
        coins: meta.universe
          .filter((u) => u.isDelisted !== true)
          .map((u) => u.name.slice(dex.name.length + 1)),
      };
    }),
  );
}

/** Name of a dex's collateral token; `token 360` when the venue does not name it. */
export function collateralName(meta: Meta | undefined, spot: SpotMeta): string {
  const index = meta?.collateralToken ?? 0;
  return spot.tokens.find((t) => t.index === index)?.name ?? (index === 0 ? "USDC" : `token ${index}`);
}

/**
 * The dex a user means: by its name, or by the beginning of its full name when that is one dex's alone ("hyena" for `hyna`,
 * Hyena Exchange).
 *
 * @throws {VenueError} DexNotFound, with the list and what to do.
 */
export function findDex(dexes: readonly DexInfo[], typed: string): DexInfo {
  const exact = dexes.find((dex) => dex.name === typed);
  if (exact !== undefined) return exact;
  const wanted = typed.toLowerCase();
  const built = dexes.filter((dex) => dex.index > 0);
  const meant = built.filter(
    (dex) => dex.name.toLowerCase() === wanted || dex.fullName.toLowerCase().startsWith(wanted),
  );
  if (wanted !== "" && meant.length === 1) return meant[0]!;
  const names = built.map((dex) => dex.name);
  const close = closeNames(typed, names);
  const hint = close.length > 0 ? `; did you mean ${close.join(", ")}?` : "";
  const list =
    names.length > 0 ? `there are ${names.join(", ")} (see --list-dexs)` : "no DEX is deployed there";
  throw new VenueError("DexNotFound", `DEX "${typed}" is not deployed on this network${hint}: ${list}`);
}
