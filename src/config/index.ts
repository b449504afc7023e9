/** config: what the user asked for, where each value came from, and one clear line when it cannot be. */
export * from "./generate.js";
export * from "./load.js";
export * from "./names.js";
export * from "./schema.js";
