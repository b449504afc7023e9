import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Finished, Program, workspace } from "./program.js";

const SECRET = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";

/** One clear line, no stack trace, non-zero. */
function expectOneLine({ code, out }: Finished, words: RegExp): void {
  expect(code, out).toBe(1);
  const errors = out.split("\n").filter((line) => line.startsWith("error: "));
  expect(errors, out).toHaveLength(1);
  expect(errors[0]).toMatch(words);
  expect(out).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(out).not.toContain(SECRET);
}

describe.concurrent("a start that cannot work ends with one clear line", () => {
  test("bad config value", async () => {
    const w = await workspace();
    const file = join(w.dir, "bad.toml");
    writeFileSync(file, "[trading]\nrisk_aversion = -3\n");
    expectOneLine(await new Program(w.args("--config", file)).finished, /trading\.risk_aversion.*bad\.toml/);
  });

  test("missing config file", async () => {
    const w = await workspace();
    expectOneLine(
      await new Program(w.args("--config", "absent.toml")).finished,
      /not found: absent\.toml.*generate-config/,
    );
  });

  test("unknown asset", { timeout: 60_000 }, async () => {
    const w = await workspace();
    expectOneLine(await new Program(w.args("--asset", "BTX")).finished, /BTX.*did you mean BTC/);
  });

  test("simulator port held by another program", { timeout: 60_000 }, async () => {
    const w = await workspace();
    const other = createServer((_, response) => response.end("not json"));
    await new Promise<void>((resolve) => other.listen(w.port, "127.0.0.1", resolve));
    expectOneLine(await new Program(w.args()).finished, new RegExp(`port ${w.port} is in use.*--port`));
    other.close();
  });

  test("metrics port in use", { timeout: 60_000 }, async () => {
    const w = await workspace();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    const args = w.args().map((a, i, all) => (all[i - 1] === "--metrics-port" ? String(port) : a));
    expectOneLine(
      await new Program(args).finished,
      new RegExp(`metrics port ${port} is in use.*--metrics-port`),
    );
    other.close();
  });

  test("malformed key", async () => {
    const w = await workspace();
    const run = new Program(w.args(), { HYPERLIQUID_PRIVATE_KEY: `${SECRET}zz` });
    expectOneLine(await run.finished, /HYPERLIQUID_PRIVATE_KEY is not a private key/);
  });

  test("a key whose account is empty", { timeout: 60_000 }, async () => {
    const w = await workspace();
    const run = new Program(w.args(), { HYPERLIQUID_PRIVATE_KEY: SECRET });
    expectOneLine(await run.finished, /holds no margin on localhost/);
  });

  test("no key for a real network", async () => {
    expectOneLine(
      await new Program(["run", "--network", "testnet", "--metrics-port", "0"]).finished,
      /no private key for testnet/,
    );
  });

  test("unreachable exchange", { timeout: 60_000 }, async () => {
    // Nothing outside this machine is contacted: the name is sent to a proxy-free resolver that has no address for it.
    const run = new Program(["run", "--network", "testnet", "--metrics-port", "0"], {
      HYPERLIQUID_PRIVATE_KEY: SECRET,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(
        'globalThis.fetch=()=>Promise.reject(Object.assign(new TypeError("fetch failed"),{cause:Object.assign(new Error("getaddrinfo ENOTFOUND"),{code:"ENOTFOUND"})}));',
      )}`,
    });
    expectOneLine(await run.finished, /api\.hyperliquid-testnet\.xyz/);
  });

  test("tape that does not exist", { timeout: 60_000 }, async () => {
    const w = await workspace();
    expectOneLine(await new Program(w.args("--tape", "/no/such/tape.gz")).finished, /\/no\/such\/tape\.gz/);
  });

  test("--log-level debug shows the stack", async () => {
    const w = await workspace();
    const { code, out } = await new Program(w.args("--config", "absent.toml", "--log-level", "debug"))
      .finished;
    expect(code).toBe(1);
    expect(out).toMatch(/^\s+at /m);
  });
});
