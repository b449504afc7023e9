/**
 * Fault rules as people write them: on a command line, in a TOML or JSON file, and in the body of a control request.
 *
 *     loss:rate=0.01,stream=private          --fault, one rule
 *     delay:rate=1,ms=50..200,action=order   ranges with two dots
 *
 *     [[fault]]                              --faults FILE (TOML); JSON: an array of the same objects
 *     kind = "loss"
 *     rate = 0.01
 *     stream = "private"
 *     ms = [50, 200]
 */
import { parse as parseToml } from "smol-toml";
import {
  FAULT_KINDS,
  FAULT_MS_DEFAULT,
  FAULT_PARTS,
  FAULT_POINTS,
  FAULT_STREAMS,
  FAULTS_WITH_PART,
  type FaultKind,
  type FaultRule,
  type FaultWhere,
} from "./faults.js";

/** A rule that can't be understood; the message says which one, what is wrong, and what is accepted. */
export class FaultRuleError extends Error {
  readonly code = "fault-rule";
  constructor(where: string, what: string) {
    super(`${where}: ${what}`);
    this.name = "FaultRuleError";
  }
}

const KEYS = [
  "kind",
  "rate",
  "stream",
  "channel",
  "action",
  "connection",
  "part",
  "ms",
  "pieces",
  "from",
  "until",
  "count",
] as const;
type Fields = Readonly<Record<string, unknown>>;

/**
 * One rule from its text form, `kind:key=value,key=value`.
 * @throws {FaultRuleError} When it can't be understood.
 */
export function parseFaultText(text: string): FaultRule {
  const at = `fault "${text}"`;
  const colon = text.indexOf(":");
  const kind = (colon < 0 ? text : text.slice(0, colon)).trim();
  const fields: Record<string, unknown> = { kind };
  const rest = colon < 0 ? "" : text.slice(colon + 1);
  for (const part of rest.split(",")) {
    if (part.trim() === "") continue;
    const equals = part.indexOf("=");
    const key = part.slice(0, equals).trim();
    const value = part.slice(equals + 1).trim();
    if (equals < 1 || value === "") throw new FaultRuleError(at, `"${part.trim()}" is not key=value`);
    if (key === "kind" || key in fields) throw new FaultRuleError(at, `"${key}" is given twice`);
    fields[key] = textValue(key, value);
  }
  return parseFaultRule(fields, at);
}

function textValue(key: string, value: string): unknown {
  if (key === "stream" || key === "channel" || key === "action" || key === "part") return value;
  const ends = value.split("..");
  const numbers = ends.map((end) => (/^-?\d+(\.\d+)?(e-?\d+)?$/i.test(end) ? Number(end) : Number.NaN));
  if (numbers.some(Number.isNaN)) return value;
  return numbers.length === 1 ? numbers[0] : numbers;
}

/**
 * The rules of a file.
 * @param name its name; ".json" is read as JSON, everything else as TOML.
 * @throws {FaultRuleError} When the file or one of its rules can't be understood.
 */
export function parseFaultFile(text: string, name: string): FaultRule[] {
  let content: unknown;
  try {
    content = name.endsWith(".json") ? JSON.parse(text) : parseToml(text);
  } catch (error) {
    throw new FaultRuleError(name, error instanceof Error ? error.message : String(error));
  }
  if (Array.isArray(content)) return parseFaultRules(content, name);
  const { fault, ...others } = (content ?? {}) as Record<string, unknown>;
  const stranger = Object.keys(others)[0];
  if (stranger !== undefined || fault === undefined) {
    const what = stranger === undefined ? "no rule" : `unknown entry "${stranger}"`;
    throw new FaultRuleError(name, `${what}; want [[fault]] tables, or in JSON an array of rules`);
  }
  return parseFaultRules(fault, name);
}

/**
 * A list of rules as plain objects with flat keys (`{kind, rate, stream, ms, …}`).
 * @throws {FaultRuleError} When one can't be understood.
 */
export function parseFaultRules(value: unknown, where: string): FaultRule[] {
  if (!Array.isArray(value)) throw new FaultRuleError(where, "want a list of rules");
  return value.map((item, i) =>
    typeof item === "string" ? parseFaultText(item) : parseFaultRule(item, `${where}: rule ${i + 1}`),
  );
}

/**
 * One rule from a plain object with flat keys.
 * @throws {FaultRuleError} When it can't be understood.
 */
export function parseFaultRule(value: unknown, at: string): FaultRule {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FaultRuleError(at, 'want an object such as {"kind": "loss", "rate": 0.01}');
  }
  const f = value as Fields;
  const stranger = Object.keys(f).find((key) => !(KEYS as readonly string[]).includes(key));
  if (stranger !== undefined) {
    throw new FaultRuleError(at, `unknown key "${stranger}"; want ${KEYS.join(", ")}`);
  }
  const kind = oneOf(f, "kind", FAULT_KINDS, at);
  if (kind === undefined) throw new FaultRuleError(at, `kind is missing; want ${FAULT_KINDS.join(", ")}`);
  const rate = number(f, "rate", 0, 1, at);
  if (rate === undefined) throw new FaultRuleError(at, "rate is missing; want a number from 0 to 1");
  const where = whereOf(f, kind, at);
  const ms = range(f, "ms", kind === "clockSkew" ? -3_600_000 : 0, 3_600_000, at);
  if (ms !== undefined && FAULT_MS_DEFAULT[kind] === undefined) {
    throw new FaultRuleError(at, `${kind} takes no ms`);
  }
  const pieces = range(f, "pieces", 2, 1000, at);
  if (pieces !== undefined && kind !== "partialFills") {
    throw new FaultRuleError(at, `${kind} takes no pieces: only partialFills does`);
  }
  const fromMs = number(f, "from", 0, Number.MAX_SAFE_INTEGER, at);
  const untilMs = number(f, "until", 0, Number.MAX_SAFE_INTEGER, at);
  if (untilMs !== undefined && untilMs <= (fromMs ?? 0)) {
    throw new FaultRuleError(at, `until=${untilMs} is not after from=${fromMs ?? 0}`);
  }
  const count = whole(f, "count", 1, at);
  return {
    kind,
    rate,
    ...(where === undefined ? {} : { where }),
    ...(ms === undefined ? {} : { ms }),
    ...(pieces === undefined ? {} : { pieces }),
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(count === undefined ? {} : { count }),
  };
}

/** A rule that could never fire is an error, not a silent nothing. */
function whereOf(f: Fields, kind: FaultKind, at: string): FaultWhere | undefined {
  const stream = oneOf(f, "stream", FAULT_STREAMS, at);
  const part = oneOf(f, "part", FAULT_PARTS, at);
  const channel = text(f, "channel", at);
  const action = text(f, "action", at);
  const connection = whole(f, "connection", 1, at);
  const points = FAULT_POINTS[kind];
  const isPush = stream === "public" || stream === "private" || channel !== undefined;
  const isRequest = stream === "http" || stream === "post" || action !== undefined || part !== undefined;
  if (isPush && isRequest) {
    throw new FaultRuleError(
      at,
      "channel and public/private streams are of pushed frames, action, part and http/post streams of requests: want one or the other",
    );
  }
  if (points.includes("fill") && (isPush || isRequest || connection !== undefined)) {
    throw new FaultRuleError(at, `${kind} happens in the market: it takes no stream, channel or connection`);
  }
  if (isPush && !points.includes("push")) {
    throw new FaultRuleError(at, `${kind} happens to requests only: want stream http or post, or action`);
  }
  if (isRequest && !points.includes("request")) {
    throw new FaultRuleError(
      at,
      `${kind} happens to pushed frames only: want stream public or private, or channel`,
    );
  }
  if (part !== undefined && !FAULTS_WITH_PART.includes(kind)) {
    throw new FaultRuleError(at, `${kind} takes no part: only ${FAULTS_WITH_PART.join(", ")} do`);
  }
  const where: FaultWhere = {
    ...(stream === undefined ? {} : { stream }),
    ...(channel === undefined ? {} : { channel }),
    ...(action === undefined ? {} : { action }),
    ...(connection === undefined ? {} : { connection }),
    ...(part === undefined ? {} : { part }),
  };
  return Object.keys(where).length === 0 ? undefined : where;
}

function oneOf<T extends string>(f: Fields, key: string, among: readonly T[], at: string): T | undefined {
  const value = f[key];
  if (value === undefined) return undefined;
  if (among.includes(value as T)) return value as T;
  throw new FaultRuleError(at, `unknown ${key} ${JSON.stringify(value)}; want one of ${among.join(", ")}`);
}

function text(f: Fields, key: string, at: string): string | undefined {
  const value = f[key];
  if (value === undefined || (typeof value === "string" && value !== "")) return value;
  throw new FaultRuleError(at, `${key} is ${JSON.stringify(value)}; want a name`);
}

function number(f: Fields, key: string, min: number, max: number, at: string): number | undefined {
  const value = f[key];
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= min && value <= max) return value;
  throw new FaultRuleError(
    at,
    `${key} is ${JSON.stringify(value)}; want a number from ${min}${max === Number.MAX_SAFE_INTEGER ? " up" : ` to ${max}`}`,
  );
}

function whole(f: Fields, key: string, min: number, at: string): number | undefined {
  const value = number(f, key, min, Number.MAX_SAFE_INTEGER, at);
  if (value === undefined || Number.isInteger(value)) return value;
  throw new FaultRuleError(at, `${key} is ${value}; want a whole number`);
}

function range(f: Fields, key: string, min: number, max: number, at: string): [number, number] | undefined {
  const value = f[key];
  if (value === undefined) return undefined;
  const [low, high] = Array.isArray(value) ? value : [value, value];
  const isRange =
    (!Array.isArray(value) || value.length === 2) &&
    Number.isInteger(low) &&
    Number.isInteger(high) &&
    low >= min &&
    high <= max &&
    low <= high;
  if (isRange) return [low, high];
  throw new FaultRuleError(
    at,
    `${key} is ${JSON.stringify(value)}; want whole numbers from ${min} to ${max}, one or two (${key}=50..200, in a file ${key} = [50, 200])`,
  );
}
