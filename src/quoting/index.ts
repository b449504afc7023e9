/**
 * quoting: what the user wants, in the kernel's words (`kernelParams`), what the account can carry (`capSizes`), and a quote
 * explained to a person (`explainLadder`). The ladder itself is computed by the kernel. Imports kernels, config, domain, abi.
 */
export * from "./explain.js";
export * from "./params.js";
export * from "./sizing.js";
