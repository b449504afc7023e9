/** What the venue does and this version of the SDK does not list, or lists too strictly; each with its place in the reference. */
const KNOWN: readonly RegExp[] = [
  // Only the testnet of early 2026 had prediction markets in spotMeta (reference 3.5 shows mainnet's two keys).
  /^spotMeta(AndAssetCtxs\.0)?\.(outcomes|questions): /,
  // TWAPs with a start trigger and a stop price are younger than this SDK (reference 2.6: TwapState).
  /^(twapHistory|userTwapHistory|twapStates).*\.(trigger|stopPx) is a key the SDK does not know$/,
];

export const isKnownBeyondSdk = (finding: string): boolean => KNOWN.some((pattern) => pattern.test(finding));
