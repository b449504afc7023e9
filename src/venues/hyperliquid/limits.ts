/** Requests that an address may send for cancels. Source: reference §7.2. */
export const cancelCap = (cap: number): number => Math.min(cap + 100_000, 2 * cap);
