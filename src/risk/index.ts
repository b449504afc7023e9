/**
 * risk: what may be sent, and when to stop. `approveOrder` / `approveModify` are the only makers of `Approved<T>`; the
 * monitors and their aggregator grade what is happening. Pure: state in, verdict out; no clock, no I/O.
 *
 * Law 1: |position| + worst-case open orders of a side never exceeds the position limit through an approved order.
 * Law 2: an order is refused when the latch is tripped, off grid, outside the collar, crossing, or self-crossing.
 * Law 3: a finding's severity never falls when its quantity worsens.
 */
export * from "./aggregator.js";
export * from "./approve.js";
export * from "./limits.js";
export * from "./monitors.js";
