/**
 * domain: the words of the trade: units, sides, grids, orders, clocks, dice. Imports nothing; everyone may import it.
 */

export * from "./clock.js";
export * from "./cloid.js";
export * from "./instrument.js";
export * from "./order.js";
export * from "./rng.js";
export * from "./side.js";
export * from "./units.js";
export * from "./virtual-time.js";
