/**
 * Replay protection as the venue does it: per signing key the 100 highest nonces are kept; a new one must be above the
 * smallest of them, not among them, and within (T − 2 days, T + 1 day).
 *
 * Source: reference/hyperliquid-api.md 5.5. The text for a nonce out of the window is not documented.
 */
const KEPT = 100;
const DAY_MS = 86_400_000;

export class NonceSet {
  /** Ascending. */
  private readonly kept: number[] = [];

  /** Stores the nonce. @returns the venue's error text, or undefined when it was accepted. */
  take(nonce: number, wallMs: number): string | undefined {
    if (nonce <= wallMs - 2 * DAY_MS || nonce >= wallMs + DAY_MS) {
      return `Invalid nonce: nonce ${nonce} is out of the time window around ${Math.floor(wallMs)}`;
    }
    const { kept } = this;
    let i = kept.length;
    while (i > 0 && kept[i - 1]! > nonce) i--;
    if (i > 0 && kept[i - 1] === nonce) return `Invalid nonce: duplicate nonce ${nonce}`;
    if (kept.length === KEPT) {
      if (i === 0) return `Invalid nonce: nonce too low ${nonce} < ${kept[0]}`;
      kept.shift();
      i--;
    }
    // Nonces come in order but for what the network has mixed up.
    if (i === kept.length) kept.push(nonce);
    else kept.splice(i, 0, nonce);
    return undefined;
  }
}
