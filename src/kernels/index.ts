/**
 * kernels: the host of the WASM. `KernelHost` owns one instance with fixed memory, copies a record in, steps, and shows the
 * outboxes; `KernelPump` moves records from rings through a host to boards; `KernelParams` is what a kernel is told;
 * `checkProportion` refuses configurations whose terms do not fit each other. No business rules, no ambient clocks; the host
 * knows nothing of rings. May be imported by quoting, risk and everything above; imports abi, domain and rings.
 */
export {
  type ConfigViews,
  DEFAULT_KERNEL_PARAMS,
  type KernelParams,
  writeKernelConfig,
} from "./config.js";
export { KernelError, KernelHost } from "./host.js";
export {
  checkProportion,
  composeTerms,
  type MarketLevels,
  type ProportionCode,
  type ProportionProblem,
  type QuoteTerms,
} from "./proportion.js";
export { KernelPump, type KernelPumpOptions, type TouchState } from "./pump.js";
