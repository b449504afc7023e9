import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");

/** Rooms in layers: a file may import its own room and any room of a lower layer (DESIGN §10). */
const LAYERS: readonly (readonly string[])[] = [
  ["domain", "abi"],
  ["rings"],
  ["store", "risk", "quoting", "kernels", "venues", "config", "telemetry"],
  ["threads", "execution", "sim"],
  ["engine"],
  ["backtest"],
  ["cli"],
];
/** Edges inside a layer that are part of the design, each with its reason. */
const SIDEWAYS: Readonly<Record<string, readonly string[]>> = {
  quoting: ["kernels", "config"], // strategy parameters end as kernel parameters
};

function files(dir: string): string[] {
  return readdirSync(join(ROOT, dir)).flatMap((name) => {
    const path = join(dir, name);
    return statSync(join(ROOT, path)).isDirectory() ? files(path) : path.endsWith(".ts") ? [path] : [];
  });
}

const sources = files("src").filter((f) => !f.startsWith("src/abi/flat/"));
const text = new Map(sources.map((f) => [f, readFileSync(join(ROOT, f), "utf8")]));
const roomOf = (file: string): string => file.split("/")[1]!;
const layerOf = (room: string): number => LAYERS.findIndex((l) => l.includes(room));

function imports(file: string): string[] {
  // A dynamic import is how a command loads its parts on demand; a type import leaves no trace at run time.
  const found = [...text.get(file)!.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((m) => m[1]!);
  return found.map((spec) => normalize(join(dirname(file), spec)).replace(/\.js$/, ".ts"));
}

/** What a file breaks of the import table; shown to fail by the canary below. */
function tableBreaks(file: string, targets: readonly string[]): string[] {
  const room = roomOf(file);
  return targets
    .filter((t) => t.startsWith("src/"))
    .map(roomOf)
    .filter((to) => to !== room)
    .filter((to) => layerOf(to) >= layerOf(room) && !(SIDEWAYS[room] ?? []).includes(to))
    .map((to) => `${file}: ${room} may not import ${to}`);
}

describe("imports", () => {
  test("every room has a place in the table", () => {
    expect([...new Set(sources.map(roomOf))].filter((room) => layerOf(room) < 0)).toEqual([]);
  });

  test("a room imports only what stands below it", () => {
    expect(sources.flatMap((f) => tableBreaks(f, imports(f)))).toEqual([]);
  });

  test("canary: an upward import is reported", () => {
    expect(tableBreaks("src/domain/x.ts", ["src/engine/run.ts"])).toHaveLength(1);
  });

  test("no cycles between files", () => {
    const state = new Map<string, "open" | "done">();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (state.get(file) === "done" || !text.has(file)) return;
      if (state.get(file) === "open") {
        cycles.push([...path.slice(path.indexOf(file)), file].join(" → "));
        return;
      }
      state.set(file, "open");
      for (const next of imports(file)) visit(next, [...path, file]);
      state.set(file, "done");
    };
    for (const file of sources) visit(file, []);
    expect(cycles).toEqual([]);
  });

  test("the simulator knows the engine only by protocol", () => {
    const bad = sources.filter((f) => roomOf(f) === "sim").flatMap((f) => imports(f).map((t) => `${f} ${t}`));
    expect(
      bad.filter((line) => /src\/(execution|kernels|quoting|risk|venues\/hyperliquid)/.test(line)),
    ).toEqual([]);
  });
});

/** Lines that match outside comments, unless marked `tidy-ok: reason`. */
function hits(pattern: RegExp, where: (file: string) => boolean): string[] {
  return sources.filter(where).flatMap((file) =>
    text
      .get(file)!
      .split("\n")
      .map((line, i) => ({ line, at: `${file}:${i + 1}` }))
      .filter(
        ({ line }) => pattern.test(line.replace(/\/\/.*$|^\s*\*.*$/g, "")) && !/tidy-ok: \S+/.test(line),
      )
      .map(({ at, line }) => `${at}: ${line.trim()}`),
  );
}

const isEntry = (f: string): boolean => f.startsWith("src/cli/") || f.startsWith("src/threads/");

describe("determinism and safety", () => {
  test("ambient clocks, timers and dice exist only in entry files", () => {
    const ambient =
      /\b(Date\.now|new Date\(\)|performance\.now|hrtime|Math\.random|randomUUID|setTimeout|setInterval)\b/;
    expect(hits(ambient, (f) => !isEntry(f))).toEqual([]);
  });

  test("canary: the pattern finds an ambient clock", () => {
    expect(hits(/\bDate\.now\b/, (f) => f === "src/threads/system-clock.ts")).not.toEqual([]);
  });

  test("only risk/ makes an Approved order", () => {
    expect(hits(/\bas (unknown as )?Approved\b/, (f) => roomOf(f) !== "risk")).toEqual([]);
  });

  test("nothing prints but the command line and the logger", () => {
    expect(hits(/\bconsole\.|process\.std(out|err)\.write/, (f) => !f.startsWith("src/cli/"))).toEqual([]);
  });

  test("no merge has left its marks", () => {
    expect(hits(/^(<<<<<<<|>>>>>>>)( |$)/m, () => true)).toEqual([]);
  });

  test("no escape hatches are left in the source", () => {
    expect(hits(/@ts-ignore|@ts-expect-error|\bTODO\b|\bFIXME\b/, () => true)).toEqual([]);
  });

  test("an open server in a worker is never answered by terminate()", () => {
    expect(hits(/\.terminate\(/, () => true)).toEqual([]);
  });
});

describe("documents", () => {
  test("files that the README names exist", () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const named = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map((m) => m[1]!);
    expect(named.filter((f) => !statSync(join(ROOT, f), { throwIfNoEntry: false }))).toEqual([]);
  });

  test("npm scripts that the README names exist", () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const scripts = Object.keys(
      (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: object }).scripts,
    );
    const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map((m) => m[1]!);
    expect(named.filter((s) => !scripts.includes(s))).toEqual([]);
  });

  test("relative paths of compiled workers and kernels are named in one place", () => {
    const bad = hits(/["'`][^"'`]*dist\/(src|assembly)/, (f) => f !== "src/engine/artifacts.ts");
    expect(bad.map((line) => relative(ROOT, line))).toEqual([]);
  });
});
