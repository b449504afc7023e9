/**
 * execution: from ladder to orders, on the main thread: reconcile (pure), own-order state machine, ledger, markouts,
 * in-flight record, audit, and the `Executor` that ties them. Imports risk, venues/port, rings, domain, abi; imported by
 * engine. Invariants: see `Executor`, `OrderBook`, `reconcile`.
 */
export * from "./budget.js";
export * from "./context.js";
export * from "./dead-man.js";
export type { AssetParams } from "./desk.js";
export * from "./economy.js";
export * from "./executor.js";
export * from "./ladder-view.js";
export * from "./ledger.js";
export * from "./markouts.js";
export * from "./order-book.js";
export * from "./purchase.js";
export * from "./reconcile.js";
