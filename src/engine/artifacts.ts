import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The folder that holds package.json, above this file in both `src/` and `dist/`. */
export function packageRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, "package.json"))) {
    const parent = dirname(dir);
    if (parent === dir)
      throw new Error("package.json not found above the program: the installation is damaged");
    dir = parent;
  }
  return dir;
}

/** Of package.json. */
export function packageVersion(): string {
  const text = readFileSync(join(packageRoot(), "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** URL of a compiled file under dist/src: worker entries need JavaScript even when we run from source in tests. */
export function compiledUrl(path: string): URL {
  const file = join(packageRoot(), "dist", "src", path);
  if (!existsSync(file)) throw new Error(`${file} is missing: build the project first (npm run build)`);
  return pathToFileURL(file);
}

/** @throws {Error} When the kernels have not been built. */
export function kernelBytes(): Buffer {
  const file = join(packageRoot(), "dist", "assembly", "release.wasm");
  if (!existsSync(file)) throw new Error(`${file} is missing: build the project first (npm run build)`);
  return readFileSync(file);
}
