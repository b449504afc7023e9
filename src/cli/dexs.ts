import { type DexListing, listDexes } from "../venues/hyperliquid/dexes.js";
import { venueInfo } from "./venue-info.js";

/** `--list-dexs` (SOP §6.2): needs no key and starts nothing. */
export async function printDexes(network: string, simPort: number | undefined): Promise<void> {
  const dexes = await listDexes(await venueInfo(network, simPort));
  process.stdout.write(`${dexTable(network, dexes).join("\n")}\n`);
}

/** The manual's lines with what one needs to choose and to fund. */
export function dexTable(network: string, dexes: readonly DexListing[]): string[] {
  if (dexes.length === 0) return [`No HIP-3 DEX is deployed on ${network}.`];
  const width = Math.max(...dexes.map((d) => d.name.length));
  const lines = dexes.map((d) => {
    const growth = d.deployerFeeScale === 1 ? "twice the base fees" : `fee scale ${d.deployerFeeScale}`;
    const coins = d.coins.length === 1 ? "1 asset" : `${d.coins.length} assets`;
    const shown = d.coins.slice(0, 8).join(", ") + (d.coins.length > 8 ? ", …" : "");
    return [
      `  ${d.name.padEnd(width)} - ${d.fullName} (deployer: ${d.deployer ?? "unknown"})`,
      `  ${" ".repeat(width)}   index ${d.index}, collateral ${d.collateral}, ${coins}, ${growth}${shown === "" ? "" : `: ${shown}`}`,
    ].join("\n");
  });
  return ["Available HIP-3 DEXs:", ...lines, "Trade on one with: market-maker --asset COIN --dex NAME"];
}
