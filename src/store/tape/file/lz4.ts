import { createRequire } from "node:module";
import type Lz4 from "lz4-wasm-nodejs";

const require = createRequire(import.meta.url);
let loaded: typeof Lz4 | undefined;

/** The codec has a WebAssembly memory of its own: threads that touch no tape go without. */
export const lz4 = (): typeof Lz4 => {
  loaded ??= require("lz4-wasm-nodejs") as typeof Lz4;
  return loaded;
};
