import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { AccountStatus } from "../../src/engine/account-status.js";
import { freePort, Program, workspace } from "./program.js";

const TIMEOUT_MS = 60_000;
vi.setConfig({ testTimeout: TIMEOUT_MS });

async function run(...args: string[]): Promise<{ code: number | null; out: string }> {
  return await new Program(args).finished;
}
const errorOf = (out: string): string =>
  out
    .split("\n")
    .filter((line) => line.startsWith("error: "))
    .join("\n");

describe.concurrent("the account on a simulated exchange with builder-deployed dexs", () => {
  let port = 0;
  let sim: Program;
  beforeAll(async () => {
    port = await freePort();
    const args = ["--asset", "BTC,hyna:BTC,flx:BTC", "--seed", "3", "--speed", "4"];
    sim = new Program(["sim", "--port", String(port), ...args]);
    await sim.seen(/simulated exchange on http/);
  }, TIMEOUT_MS);
  afterAll(async () => {
    sim.child.kill("SIGTERM");
    await sim.finished;
  });
  const at = (...args: string[]): string[] => [...args, "--network", "localhost", "--port", String(port)];
  const status = async (...args: string[]): Promise<AccountStatus> => {
    const { code, out } = await run("status", "--json", ...at(...args));
    expect(code, out).toBe(0);
    return JSON.parse(out) as AccountStatus;
  };

  test("--list-dexs prints the manual's lines and starts nothing", async () => {
    const { code, out } = await run(...at("--list-dexs"));
    expect(code, out).toBe(0);
    expect(out).toMatch(/^Available HIP-3 DEXs:\n {2}hyna - HyENA \(deployer: 0x[0-9a-f]{40}\)$/m);
    expect(out).toMatch(/flx {2}- Felix Exchange/);
    expect(out).toMatch(/index 1, collateral USDE, 1 asset, twice the base fees: BTC/);
  });

  test("status --json has its documented keys, for a key and for an address without one", async () => {
    const own = await status();
    expect(Object.keys(own)).toEqual([
      "network",
      "time",
      "account",
      "equityUsd",
      "availableMarginUsd",
      "marginUsedUsd",
      "unrealizedPnlUsd",
      "dexs",
      "positions",
      "openOrders",
      "leverage",
      "spot",
      "fees",
      "rateBudget",
      "deadMansSwitch",
    ]);
    expect(own.dexs.map((d) => [d.name, d.collateral])).toEqual([
      ["", "USDC"],
      ["hyna", "USDE"],
      ["flx", "USDH"],
    ]);
    const other = await status("--address", own.account.address.toUpperCase().replace("0X", "0x"));
    expect(other.account).toEqual(own.account);
    const stranger = await status("--address", `0x${"77".repeat(20)}`);
    expect(stranger).toMatchObject({ equityUsd: 0, positions: [], openOrders: [] });
    expect(stranger.account.role).toBe("missing");
  });

  test("status shows the sub-account or vault that the configuration trades for", async () => {
    const w = await workspace();
    const vault = `0x${"Ab".repeat(20)}`;
    const config = join(w.dir, "config.toml");
    writeFileSync(config, `[network]\nvault_address = "${vault}"\n`);
    expect((await status("--config", config)).account.address).toBe(vault.toLowerCase());
    const other = `0x${"77".repeat(20)}`;
    expect((await status("--config", config, "--address", other)).account.address).toBe(other);
  });

  test("status --asset and --dex show only what was asked for, under the user's own spelling", async () => {
    const one = await status("--asset", "BTC", "--dex", "hyena");
    expect(one.dexs.map((d) => d.name)).toEqual(["hyna"]);
    expect(one.leverage.map((l) => l.coin)).toEqual(["hyna:BTC"]);
    const { out } = await run("status", ...at("--asset", "BTC"));
    expect(out).toMatch(/^Account 0x[0-9a-f]{40} on localhost/);
    expect(out).toMatch(/Request budget: \d+ of \d+ used/);
    expect(out).not.toContain("hyna");
  });

  test.each([
    [["status", "--dex", "nope"], /DEX "nope" is not deployed.*hyna, flx/],
    [["status", "--asset", "BTX"], /"BTX" is not listed.*did you mean BTC/],
    [["status", "--address", "0x12"], /--address 0x12 is not an address/],
    [["run", "--dex", "nope"], /DEX "nope" is not deployed.*--list-dexs/],
    [["run", "--asset", "hyna:BTX"], /did you mean hyna:BTC/],
    [["run", "--asset", "flx:BTC", "--dex", "hyna"], /names another DEX than --dex hyna/],
  ])("%j ends with one clear line", async (args, words) => {
    const { code, out } = await run(...at(...args), ...(args[0] === "run" ? ["--metrics-port", "0"] : []));
    expect(code, out).toBe(1);
    expect(errorOf(out)).toMatch(words);
    expect(out).not.toMatch(/^\s+at /m);
  });

  test("an account without collateral on the dex is told how to move it there", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const w = await workspace();
    const args = ["run", "--dex", "hyna", "--metrics-port", "0", "--data-dir", join(w.dir, "data")];
    const { code, out } = await new Program(at(...args), {
      HYPERLIQUID_PRIVATE_KEY: "02".repeat(32),
    }).finished;
    expect(code, out).toBe(1);
    expect(errorOf(out)).toMatch(
      /holds no USDE on DEX hyna of localhost: move USDE into the DEX first.*sendAsset/,
    );
  });

  test("trades one dex's market in isolated margin, with files of its own for each log stream", async () => {
    const w = await workspace();
    const logs = join(w.dir, "logs");
    const args = ["run", "--asset", "BTC", "--dex", "flx", "--initial-isolated-margin", "2000"];
    const more = ["--metrics-port", "0", "--data-dir", join(w.dir, "data"), "--summary", w.summaryPath];
    const log = ["--log-format", "json", "--multi-stream-logs", "--log-dir", logs];
    const { code, out } = await run(...at(...args, ...more, ...log, "--duration", "12"));
    expect(code, out).toBe(0);
    const lines = out
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const said = (message: string) => lines.find((l) => l["message"] === message);
    expect(said("Sizes")).toMatchObject({
      asset: "flx:BTC",
      margin: "isolated, $2000.00",
      origin: "sized from price",
      makerFeeBps: 3,
    });
    expect(said("Open-interest caps")).toMatchObject({ capUsd: 25_000_000, dexCapUsd: 50_000_000 });
    // The equity of the dex alone, not of the whole account.
    expect(said("Market maker started")).toMatchObject({ accountValueUsd: 100_000 });
    expect(w.summary()).toMatchObject({ restingOrdersAtExit: 0, auditDifferences: 0 });
    expect(w.summary()["fills"]).toBeGreaterThan(0);
    // Added when the position was open at a look, and accepted by the exchange whenever it was.
    expect(said("Isolated margin not added")).toBeUndefined();
    expect((await status("--dex", "flx")).leverage).toEqual(
      (await status("--dex", "flx")).positions.length === 0
        ? []
        : [expect.objectContaining({ coin: "flx:BTC", marginMode: "isolated", leverage: 20 })],
    );

    const files = readdirSync(logs).sort();
    expect(files.every((f) => /^mm_flx_BTC_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(\.[a-z]+)?\.log$/.test(f))).toBe(
      true,
    );
    expect(files).toHaveLength(5);
    const fills = files.find((f) => f.endsWith(".fills.log"))!;
    expect(readFileSync(join(logs, fills), "utf8")).toContain('"message":"Fill processed"');
  });

  test("--force-isolated isolates a market that allows cross", async () => {
    const w = await workspace();
    const args = ["run", "--asset", "BTC", "--dex", "hyna", "--force-isolated", "--leverage", "5"];
    const more = ["--metrics-port", "0", "--data-dir", join(w.dir, "data"), "--duration", "1"];
    const { code, out } = await run(...at(...args, ...more));
    expect(code, out).toBe(0);
    expect((await status("--asset", "BTC", "--dex", "hyna")).leverage[0]).toMatchObject({
      leverage: 5,
      marginMode: "isolated",
    });
  });
});

describe.concurrent("looking without a simulator", () => {
  test.each([["status"], ["--list-dexs"]])("%s says that none runs, and starts none", async (what) => {
    const port = String(await freePort());
    const { code, out } = await run(what, "--network", "localhost", "--port", port);
    expect(code, out).toBe(1);
    expect(errorOf(out)).toMatch(new RegExp(`no simulated exchange runs on port ${port}: start one with`));
  });

  test("status of a real network needs a key or an address", async () => {
    const { code, out } = await run("status", "--network", "testnet");
    expect(code, out).toBe(1);
    expect(errorOf(out)).toMatch(/no private key for testnet/);
  });
});

describe.concurrent("Ctrl+C before trading began", () => {
  test("ends at once with exit 0 while the venue does not answer", async () => {
    const w = await workspace();
    let asked: () => void = () => {};
    const isWaiting = new Promise<void>((resolve) => {
      asked = resolve;
    });
    // Looks like the simulator, then says nothing more.
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on("end", () => {
        if (body.includes("exchangeStatus")) response.end('{"time":1,"specialStatuses":null}');
        else asked();
      });
    });
    await new Promise<void>((resolve) => server.listen(w.port, "127.0.0.1", resolve));
    const maker = new Program(w.args());
    await isWaiting;
    const from = performance.now();
    maker.child.kill("SIGINT");
    const { code, out } = await maker.finished;
    expect(code, out).toBe(0);
    expect(out).toMatch(/"message":"Stopped before trading began"/);
    // A read gives up after 5 s and is repeated: this did not wait for it.
    expect(performance.now() - from).toBeLessThan(4000);
    server.closeAllConnections();
    server.close();
  });

  test("ends the simulator that it was starting", async () => {
    const w = await workspace();
    const maker = new Program(w.args("--asset", "BTC,ETH,SOL"));
    // No word yet that it runs: the maker is waiting for it.
    await new Promise<void>((resolve) => {
      const poll = setInterval(() => {
        if (
          readdirSync(w.dir).includes("data") &&
          readdirSync(join(w.dir, "data")).includes("simulator.log")
        ) {
          clearInterval(poll);
          resolve();
        }
      }, 5);
    });
    maker.child.kill("SIGINT");
    const { code, out } = await maker.finished;
    expect(code, out).toBe(0);
    await expect(fetch(`http://127.0.0.1:${w.port}/info`, { method: "POST", body: "{}" })).rejects.toThrow();
  });
});
