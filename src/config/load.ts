import { existsSync, readFileSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import type { z } from "zod";
import { DEFAULT_CONFIG_FILE } from "./names.js";
import { type Config, configSchema } from "./schema.js";

/** A configuration a user must correct: one line that says what, where, and what to do. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(
    readonly code: "NotFound" | "Syntax" | "Invalid" | "Unreadable",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** `section.key` → where its value came from: default, the file, or an option. */
export type Origins = ReadonlyMap<string, string>;

export interface LoadedConfig {
  readonly config: Config;
  readonly origins: Origins;
  /** Undefined when no file was read. */
  readonly path: string | undefined;
}

/** Values from the command line, by `section.key` path; undefined entries are absent options. */
export type Overrides = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * Reads the file (the default one only if it exists), applies the overrides and validates the whole.
 *
 * @throws {ConfigError} naming file, key, value and what is accepted.
 */
export function loadConfig(path: string | undefined, overrides: Overrides): LoadedConfig {
  const file = path ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : undefined);
  const raw = file === undefined ? {} : readToml(file);
  const origins = new Map<string, string>();
  if (file !== undefined) for (const key of leafPaths(raw)) origins.set(key, file);
  for (const [key, value] of Object.entries(overrides)) {
    if (value === undefined) continue;
    assign(raw, key.split("."), value);
    origins.set(key, "option");
  }
  const result = configSchema.safeParse(raw);
  if (!result.success) throw invalid(result.error, origins, file);
  return { config: result.data, origins, path: file };
}

function readToml(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") {
      throw new ConfigError(
        "NotFound",
        `Config file not found: ${file} (create one with: market-maker generate-config)`,
      );
    }
    throw new ConfigError("Unreadable", `Config file ${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  try {
    return parse(text) as Record<string, unknown>;
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const what = cause.message.split("\n")[0] ?? "syntax error";
    // The parser's code block quotes the offending line, which may hold a key: only its position is shown.
    throw new ConfigError("Syntax", `${file}:${cause.line}:${cause.column}: ${what}`);
  }
}

function invalid(error: z.ZodError, origins: Origins, file: string | undefined): ConfigError {
  const lines = error.issues.map((issue) => {
    const key = issue.path.join(".");
    const from = origins.get(key) ?? file ?? "defaults";
    if (issue.code === "unrecognized_keys") {
      const where = key === "" ? "" : `[${key}] `;
      return `${where}unknown key ${issue.keys.map((k) => `"${k}"`).join(", ")} (${from}): remove it or correct its spelling`;
    }
    return `${key}: ${issue.message} (from ${from})`;
  });
  return new ConfigError("Invalid", `Invalid configuration: ${lines.join("; ")}`);
}

function leafPaths(value: unknown, prefix = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [prefix];
  return Object.entries(value).flatMap(([k, v]) => leafPaths(v, prefix === "" ? k : `${prefix}.${k}`));
}

function assign(target: Record<string, unknown>, path: string[], value: unknown): void {
  const [head, ...rest] = path;
  if (head === undefined) return;
  if (rest.length === 0) {
    target[head] = value;
    return;
  }
  const next = target[head];
  if (typeof next === "object" && next !== null) assign(next as Record<string, unknown>, rest, value);
  else {
    const made: Record<string, unknown> = {};
    target[head] = made;
    assign(made, rest, value);
  }
}
