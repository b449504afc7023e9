import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import {
  ConfigError,
  configSchema,
  loadConfig,
  SAMPLE_CONFIG,
  writeSampleConfig,
} from "../../src/config/index.js";

const dir = mkdtempSync(join(tmpdir(), "mm-config-"));
function file(text: string): string {
  const path = join(dir, `${Math.random().toString(36).slice(2)}.toml`);
  writeFileSync(path, text);
  return path;
}

function errorOf(fn: () => unknown): ConfigError {
  try {
    fn();
  } catch (e) {
    if (e instanceof ConfigError) return e;
    throw e;
  }
  throw new Error("did not throw");
}

describe("configuration file", () => {
  test("the generated sample says exactly what the defaults are", () => {
    expect(configSchema.parse(parse(SAMPLE_CONFIG))).toEqual(configSchema.parse({}));
  });

  test("every documented key of the sample, commented ones included, is accepted", () => {
    const all = SAMPLE_CONFIG.replace(/^# (\w+ = )/gm, "$1");
    expect(() => configSchema.parse(parse(all))).not.toThrow();
  });

  test("a missing file names the command that makes one", () => {
    const e = errorOf(() => loadConfig(join(dir, "absent.toml"), {}));
    expect(e.code).toBe("NotFound");
    expect(e.message).toContain("generate-config");
  });

  test("a misspelt key is refused by name, not ignored", () => {
    const e = errorOf(() => loadConfig(file("[risk]\nmax_dayly_loss_usd = 5\n"), {}));
    expect(e.code).toBe("Invalid");
    expect(e.message).toContain('"max_dayly_loss_usd"');
    expect(e.message.split("\n")).toHaveLength(1);
  });

  test("a bad value names key, problem and origin", () => {
    const path = file("[trading]\nrisk_aversion = -1\n");
    const e = errorOf(() => loadConfig(path, {}));
    expect(e.message).toContain("trading.risk_aversion");
    expect(e.message).toContain(path);
  });

  test("an option wins over the file and is named as the origin of a bad value", () => {
    const path = file("[trading]\nrisk_aversion = 0.2\n");
    expect(loadConfig(path, { "trading.risk_aversion": 0.7 }).config.trading.risk_aversion).toBe(0.7);
    expect(errorOf(() => loadConfig(path, { "trading.risk_aversion": 99 })).message).toContain("option");
  });

  test("a syntax error gives file, line and column, and never quotes the line", () => {
    const secret = "0xabcdef0123456789";
    const e = errorOf(() => loadConfig(file(`[network]\nprivate_key = ${secret} oops\n`), {}));
    expect(e.code).toBe("Syntax");
    expect(e.message).toMatch(/:2:\d+:/);
    expect(e.message).not.toContain(secret);
  });

  test("an existing file is never overwritten by generate-config", () => {
    const path = file("mine = 1");
    expect(errorOf(() => writeSampleConfig(path)).code).toBe("Invalid");
  });
});
