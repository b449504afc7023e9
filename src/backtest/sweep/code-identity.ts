/**
 * Which code computes an evaluation: results of another are not ours, and machines that differ must not share a sweep.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { LAYOUT_HASH } from "../../abi/layout.js";
import { compiledUrl, kernelBytes, packageRoot } from "../../engine/artifacts.js";

export interface CodeIdentity {
  readonly version: string;
  readonly layoutHash: string;
  /** Of the kernels and of every module that the evaluation's entry reaches. */
  readonly digest: string;
}

export const describeCode = (c: CodeIdentity): string =>
  `version ${c.version}, layout ${c.layoutHash}, code ${c.digest}`;

/** @throws {Error} When the program was not built. */
export function codeIdentity(): CodeIdentity {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as {
    version: string;
  };
  const entry = fileURLToPath(compiledUrl("backtest/sweep/evaluate-worker.js"));
  const root = packageRoot();
  const texts = new Map<string, string>();
  const visit = (file: string): void => {
    if (texts.has(file)) return;
    const text = readFileSync(file, "utf8");
    texts.set(file, text);
    for (const [, spec] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+\.js)"/g))
      visit(join(dirname(file), spec!));
  };
  visit(entry);
  const hash = createHash("sha256").update(kernelBytes()).update(String(LAYOUT_HASH)).update(version);
  for (const file of [...texts.keys()].sort()) {
    hash.update(relative(root, file).replaceAll("\\", "/")).update("\0").update(texts.get(file)!);
  }
  return {
    version,
    layoutHash: `0x${LAYOUT_HASH.toString(16)}`,
    digest: hash.digest("hex").slice(0, 16),
  };
}
