/**
 * What a sweep varies: keys of market_maker.toml with the values they may take, as points of a unit cube.
 */
import { readFileSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import { type Config, ConfigError, configSchema } from "../../config/index.js";

export type ParamValue = number | string | boolean;

export type Param =
  | {
      readonly key: string;
      readonly kind: "range";
      readonly lo: number;
      readonly hi: number;
      readonly isLog: boolean;
      readonly isInteger: boolean;
      /** Points that a grid takes. */
      readonly steps: number;
    }
  | { readonly key: string; readonly kind: "choice"; readonly values: readonly ParamValue[] };

export type Params = Readonly<Record<string, ParamValue>>;

const DEFAULT_STEPS = 5;
/** Sections that decide nothing in a backtest, or hold secrets. */
const FIXED_SECTIONS = ["network", "logging", "monitoring"];

/**
 * `key=a,b,c` (these values) or `key=lo:hi[:log][:int][:STEPS]` (a range; STEPS is what a grid takes of it).
 * @throws {RangeError} naming what is accepted.
 */
export function parseParam(text: string): Param {
  const at = text.indexOf("=");
  const key = text.slice(0, at).trim();
  const spec = text.slice(at + 1).trim();
  if (at <= 0 || spec === "")
    throw new RangeError(`parameter "${text}": want key=a,b,c or key=low:high[:log][:int][:steps]`);
  const parts = spec.split(":");
  if (parts.length === 1) return choice(key, spec.split(",").map(value));
  const [lo, hi] = [Number(parts[0]), Number(parts[1])];
  let isLog = false;
  let isInteger = false;
  let steps = DEFAULT_STEPS;
  for (const flag of parts.slice(2)) {
    if (flag === "log") isLog = true;
    else if (flag === "int") isInteger = true;
    else if (/^\d+$/.test(flag)) steps = Number(flag);
    else throw new RangeError(`parameter ${key}: "${flag}" is not log, int or a number of steps`);
  }
  return range(key, lo, hi, isLog, isInteger, steps);
}

/**
 * The same from a TOML file: `[params]` with `"trading.risk_aversion" = { low = 0.05, high = 1, log = true, steps = 5 }` or
 * `"strategy.ladder_config.min_depth_bps" = [2, 5, 8]`.
 * @throws {RangeError} naming the file.
 */
export function readSpace(path: string): Param[] {
  let table: unknown;
  try {
    table = parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const where = cause instanceof TomlError ? `:${cause.line}:${cause.column}` : "";
    throw new RangeError(`${path}${where}: ${(cause as Error).message.split("\n")[0]}`, { cause });
  }
  const params = (table as { params?: unknown }).params;
  if (typeof params !== "object" || params === null || Array.isArray(params))
    throw new RangeError(`${path}: want a table [params]`);
  return leaves(params as Record<string, unknown>, "").map(([key, spec]) => {
    if (Array.isArray(spec)) return choice(key, spec as ParamValue[]);
    const { low, high, log = false, int = false, steps = DEFAULT_STEPS, ...rest } = spec as RangeTable;
    const unknown = Object.keys(rest)[0];
    if (unknown !== undefined) throw new RangeError(`${path}: ${key}: unknown key "${unknown}"`);
    return range(key, Number(low), Number(high), log, int, steps);
  });
}

interface RangeTable {
  low?: number;
  high?: number;
  log?: boolean;
  int?: boolean;
  steps?: number;
}

/** Keys may be quoted and dotted, or tables in tables. */
function leaves(table: Record<string, unknown>, prefix: string): [string, unknown][] {
  return Object.entries(table).flatMap(([k, v]): [string, unknown][] => {
    const key = `${prefix}${k}`;
    const isTable = typeof v === "object" && v !== null && !Array.isArray(v);
    if (isTable && !("low" in v || "high" in v)) return leaves(v as Record<string, unknown>, `${key}.`);
    if (!isTable && !Array.isArray(v))
      throw new RangeError(`parameter ${key}: want a list of values, or low and high`);
    return [[key, v]];
  });
}

function range(
  key: string,
  lo: number,
  hi: number,
  isLog: boolean,
  isInteger: boolean,
  steps: number,
): Param {
  if (!Number.isFinite(lo) || !Number.isFinite(hi) || !(lo < hi))
    throw new RangeError(`parameter ${key}: a range is low:high with low below high`);
  if (isLog && lo <= 0) throw new RangeError(`parameter ${key}: a logarithmic range begins above 0`);
  if (isInteger && !(Number.isInteger(lo) && Number.isInteger(hi)))
    throw new RangeError(`parameter ${key}: a range of whole numbers has whole ends`);
  if (!Number.isInteger(steps) || steps < 2 || steps > 10_000)
    throw new RangeError(`parameter ${key}: ${steps} steps: want 2 to 10000`);
  return { key, kind: "range", lo, hi, isLog, isInteger, steps };
}

function choice(key: string, values: readonly ParamValue[]): Param {
  const distinct = [...new Set(values)];
  if (distinct.length === 0 || !distinct.every((v) => ["number", "string", "boolean"].includes(typeof v)))
    throw new RangeError(`parameter ${key}: want numbers, words, true or false`);
  return { key, kind: "choice", values: distinct };
}

function value(text: string): ParamValue {
  const word = text.trim();
  if (word === "true" || word === "false") return word === "true";
  const n = Number(word);
  return word !== "" && Number.isFinite(n) ? n : word;
}

/**
 * The value of a parameter at `u` in [0, 1). Six significant figures: short to read, and the same on every machine.
 */
export function valueAt(param: Param, u: number): ParamValue {
  if (param.kind === "choice")
    return param.values[Math.min(param.values.length - 1, Math.floor(u * param.values.length))]!;
  const { lo, hi, isLog, isInteger } = param;
  if (isInteger) {
    const at = isLog ? Math.exp(Math.log(lo) + u * Math.log((hi + 1) / lo)) : lo + u * (hi + 1 - lo);
    return Math.min(hi, Math.max(lo, Math.floor(at)));
  }
  const x = isLog ? lo * (hi / lo) ** u : lo + u * (hi - lo);
  return Math.min(hi, Math.max(lo, Number(x.toPrecision(6))));
}

/** Points that a grid takes of a parameter, as places in the unit interval. */
export function gridOf(param: Param): number[] {
  if (param.kind === "choice") return param.values.map((_, i) => (i + 0.5) / param.values.length);
  if (param.isInteger && param.hi - param.lo + 1 <= param.steps && !param.isLog)
    return Array.from({ length: param.hi - param.lo + 1 }, (_, i) => (i + 0.5) / (param.hi - param.lo + 1));
  return Array.from({ length: param.steps }, (_, i) =>
    param.isInteger ? Math.min(i / (param.steps - 1), 1 - 1e-9) : i / (param.steps - 1),
  );
}

export const paramsAt = (space: readonly Param[], point: readonly number[]): Params =>
  Object.fromEntries(space.map((p, d) => [p.key, valueAt(p, point[d]!)]));

/** @throws {RangeError} for a key that is no option, or that decides nothing in a backtest. */
export function checkSpace(space: readonly Param[], base: Config): void {
  if (space.length === 0) throw new RangeError("nothing to vary: give --param key=low:high or --space FILE");
  const known = new Set(optionKeys());
  for (const { key } of space) {
    if (space.filter((p) => p.key === key).length > 1)
      throw new RangeError(`parameter ${key} is given twice`);
    if (FIXED_SECTIONS.includes(key.split(".")[0]!))
      throw new RangeError(`parameter ${key}: decides nothing in a backtest`);
    if (!known.has(key))
      throw new RangeError(
        `parameter ${key}: no option of the configuration (market-maker generate-config lists them)`,
      );
  }
  // Its own values must pass: otherwise every candidate would fail for a reason that is none of theirs.
  withParams(base, {});
}

function optionKeys(): string[] {
  const keys: string[] = [];
  const visit = (schema: unknown, prefix: string): void => {
    let s = schema as { shape?: Record<string, unknown>; _zod?: { def?: { innerType?: unknown } } };
    while (s.shape === undefined && s._zod?.def?.innerType !== undefined)
      s = s._zod.def.innerType as typeof s;
    if (s.shape === undefined) keys.push(prefix);
    else for (const [k, v] of Object.entries(s.shape)) visit(v, prefix === "" ? k : `${prefix}.${k}`);
  };
  visit(configSchema, "");
  return keys;
}

/**
 * The configuration with a candidate's values, without the sections that decide nothing (and with them all secrets).
 * @throws {ConfigError} `Invalid` when the values do not go together.
 */
export function withParams(base: Config, params: Params): Config {
  const raw = structuredClone(base) as unknown as Record<string, unknown>;
  for (const section of FIXED_SECTIONS) delete raw[section];
  for (const [key, v] of Object.entries(params)) {
    const path = key.split(".");
    let table = raw;
    for (const name of path.slice(0, -1)) {
      table[name] ??= {};
      table = table[name] as Record<string, unknown>;
    }
    table[path.at(-1)!] = v;
  }
  const result = configSchema.safeParse(raw);
  if (result.success) return result.data;
  const said = result.error.issues.map((i) => `${i.path.join(".")}: ${i.message}`).join("; ");
  throw new ConfigError("Invalid", said);
}

/** A candidate as lines for market_maker.toml. */
export function asToml(params: Params): string {
  const sections = new Map<string, string[]>();
  for (const [key, v] of Object.entries(params)) {
    const at = key.lastIndexOf(".");
    const section = key.slice(0, at);
    const lines = sections.get(section) ?? [];
    lines.push(`${key.slice(at + 1)} = ${JSON.stringify(v)}`);
    sections.set(section, lines);
  }
  return [...sections].map(([name, lines]) => `[${name}]\n${lines.join("\n")}\n`).join("\n");
}
