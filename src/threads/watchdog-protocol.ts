import type { NetworkEndpoints } from "../venues/hyperliquid/network.js";

/** What a watchdog needs to act alone. It comes over the process channel: never by argument, environment or file. */
export interface WatchdogInit {
  readonly type: "init";
  readonly key: Uint8Array;
  readonly endpoints: NetworkEndpoints;
  /** Account, sub-account or vault whose orders these are. */
  readonly user: string;
  readonly vaultAddress: string | undefined;
  readonly assets: readonly { readonly coin: string; readonly venueAssetId: number }[];
  /** Silence of the maker after which it counts as dead, ms. */
  readonly silenceMs: number;
  readonly lastNonce: number;
}

export type ToWatchdog =
  | WatchdogInit
  /** The maker lives. */
  | { readonly type: "beat"; readonly lastNonce: number }
  /** Nothing rests: go. */
  | { readonly type: "disarm" };

export type FromWatchdog = { readonly type: "ready" };
