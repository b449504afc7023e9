import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TapeError } from "../errors.js";
import type { Format } from "./context.js";
import { TEXT_FORMATS } from "./formats/index.js";
import { isNpy, isZip } from "./npz.js";
import { firstBytes, headLines } from "./text.js";

export const HFT_FORMAT = "hftbacktest";
const HEAD_LINES = 40;
const ORDERBOOK_NAME = /_orderbook_(?=[^/]*$)/;

/** Files that one importer reads one after the other. */
export interface PlannedSource {
  readonly format: Format | typeof HFT_FORMAT;
  readonly paths: string[];
  readonly head: readonly string[];
}

export const formatNames = (): string => [...TEXT_FORMATS.map((f) => f.name), HFT_FORMAT].join(", ");

/** The files that a path names: a file, a folder, or a pattern with `*` in its last part. Sorted by name, numbers by value. */
export async function filesOf(path: string): Promise<string[]> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isFile()) return [path];
  const dir = info?.isDirectory() ? path : dirname(path);
  const names = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const pattern = info?.isDirectory() ? "*" : basename(path);
  const regExp = new RegExp(`^${pattern.split("*").map(escaped).join(".*")}$`, "i");
  const files = names.filter((e) => e.isFile() && regExp.test(e.name)).map((e) => join(dir, e.name));
  if (files.length === 0)
    throw new TapeError("no_such_file", `${path}: no file, folder or pattern of files with this name`);
  return files.sort(byName);
}

const escaped = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
const byName = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true });

/** @throws {TapeError} `no_such_file`, `nothing_recognised`, `ambiguous`. */
export async function planConversion(
  inputs: readonly string[],
  formatName: string | undefined,
): Promise<PlannedSource[]> {
  const wanted = TEXT_FORMATS.filter((f) => formatName !== undefined && f.name.startsWith(formatName));
  if (formatName !== undefined && formatName !== HFT_FORMAT && wanted.length === 0)
    throw new TapeError("nothing_recognised", `no format ${formatName}: choose among ${formatNames()}`);
  const sources = new Map<string, PlannedSource>();
  for (const input of inputs) {
    const files = await filesOf(input);
    let hasAny = false;
    for (const path of files) {
      // Read beside its message file.
      if (ORDERBOOK_NAME.test(path) && existsSync(path.replace(ORDERBOOK_NAME, "_message_"))) continue;
      const one = await recognise(path, formatName, wanted);
      if (one === undefined) {
        if (files.length === 1)
          throw new TapeError(
            "nothing_recognised",
            `${path}: not a recording that is known; give --format, one of ${formatNames()}`,
          );
        continue;
      }
      hasAny = true;
      const old = sources.get(one.key);
      if (old === undefined) sources.set(one.key, { format: one.format, paths: [path], head: one.head });
      else if (!old.paths.includes(path)) old.paths.push(path);
    }
    if (!hasAny)
      throw new TapeError(
        "nothing_recognised",
        `${input}: no recording recognised among ${files.length} files`,
      );
  }
  for (const source of sources.values()) source.paths.sort((a, b) => byName(basename(a), basename(b)));
  return [...sources.values()];
}

async function recognise(
  path: string,
  formatName: string | undefined,
  wanted: readonly Format[],
): Promise<(Omit<PlannedSource, "paths"> & { readonly key: string }) | undefined> {
  const name = basename(path);
  const first = await firstBytes(path, 8);
  if (Buffer.from(first).toString("latin1") === "MMTAPE01")
    throw new TapeError(
      "ambiguous",
      `${path} is a tape already: join tapes with \`market-maker tape merge\``,
    );
  if (formatName === HFT_FORMAT || isNpy(first) || (isZip(first) && name.endsWith(".npz")))
    return { format: HFT_FORMAT, head: [], key: `${HFT_FORMAT} ${path}` };
  const head = await headLines(path, HEAD_LINES).catch((error: unknown) => {
    // A damaged start is told by the conversion itself.
    if (error instanceof TapeError && formatName !== undefined) return [];
    throw error;
  });
  const format =
    wanted.length === 1
      ? wanted[0]!
      : (wanted.length > 0 ? wanted : TEXT_FORMATS).find((f) => f.recognises(head, name));
  if (format === undefined) return undefined;
  return { format, head, key: `${format.name} ${format.key?.(head, name) ?? path}` };
}
