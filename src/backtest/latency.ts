/** Latency models are the simulator's: a paper run draws from the same. */
export * from "../sim/latency-spec.js";
