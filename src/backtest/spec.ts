/** The texts of a command line are the simulator's: a paper run reads the same. */
export * from "../sim/spec-text.js";
