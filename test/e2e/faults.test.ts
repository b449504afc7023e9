import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Program, workspace } from "./program.js";

/** Everything at once, at rates a bad day has; each kind is likely to strike several times within the run. */
const MIXTURE = [
  "delay:rate=0.05,ms=20..300",
  "loss:rate=0.03,stream=private",
  "loss:rate=0.02,stream=public",
  "loss:rate=0.05,stream=post",
  "loss:rate=0.05,stream=http,action=exchange",
  "duplicate:rate=0.08",
  "reorder:rate=0.05,ms=20..150",
  "disconnect:rate=0.005,ms=0..300,count=3",
  "http429:rate=0.05,action=exchange",
  "http5xx:rate=0.05,action=exchange",
  "reject:rate=0.05",
  "staleBook:rate=0.01,ms=300..1500",
  "crossedBook:rate=0.01",
  "partialFills:rate=0.3",
  "clockSkew:rate=0.1,ms=-200..200",
];
const faultArgs = (rules: readonly string[]): string[] => rules.flatMap((rule) => ["--fault", rule]);

interface Position {
  readonly position: { readonly coin: string; readonly szi: string };
}
const ask = async <T>(port: number, path: string, body: unknown): Promise<T> => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return (await response.json()) as T;
};

describe.concurrent("the built program on an exchange where everything goes wrong", () => {
  test("ends with nothing resting and the exchange's own position", { timeout: 60_000 }, async () => {
    const w = await workspace();
    const venue = new Program([
      "sim",
      "--port",
      String(w.port),
      "--seed",
      "11",
      "--asset",
      "BTC",
      ...faultArgs(MIXTURE),
    ]);
    try {
      await venue.seen(/simulated exchange on http/);
      const run = new Program(w.args("--duration", "12"));
      const { code, out } = await run.finished;
      const { counts } = await ask<{ counts: Record<string, number> }>(w.port, "/control", {
        type: "clearFaults",
      });
      const s = w.summary();
      // A kill is a legal end of such a day, and says so; anything else must be the graceful one.
      expect(code, out).toBe(s["killReason"] === null ? 0 : 1);
      const user = s["account"];
      expect(await ask(w.port, "/info", { type: "openOrders", user }), out).toEqual([]);
      const state = await ask<{ assetPositions: Position[] }>(w.port, "/info", {
        type: "clearinghouseState",
        user,
      });
      const held = state.assetPositions.find((p) => p.position.coin === "BTC")?.position.szi ?? "0";
      expect(s["position"], out).toBeCloseTo(Number(held), 8);
      expect(s["maxAbsPosition"]).toBeLessThanOrEqual(s["positionLimit"] as number);
      for (const kind of ["delay", "loss", "duplicate", "reorder", "clockSkew"]) {
        expect(counts[kind], kind).toBeGreaterThan(0);
      }
    } finally {
      venue.child.kill("SIGTERM");
      await venue.finished;
    }
  });

  test("run hands --fault and the other options to the exchange that it starts", {
    timeout: 60_000,
  }, async () => {
    const w = await workspace();
    const behaviour = [
      "--block-ms",
      "70",
      "--latency-ms",
      "10..40",
      "--address-limit",
      "venue",
      "--dexs",
      "spot",
    ];
    const run = new Program(
      w.args("--duration", "4", "--seed", "12", "--fault", "duplicate:rate=1,stream=private", ...behaviour),
    );
    const { code, out } = await run.finished;
    expect(code, out).toBe(0);
    expect(w.summary()["restingOrdersAtExit"]).toBe(0);
    const log = readFileSync(join(w.dir, "data", "simulator.log"), "utf8");
    expect(log).toContain('fault: {"kind":"duplicate","rate":1,"where":{"stream":"private"}}');
    expect(log).toMatch(/BTC, PURR\/USDC, @107, seed 12/);
  });

  test.each([
    [["sim", "--fault", "lost:rate=1"], /unknown kind "lost"; want one of delay, loss/],
    [["sim", "--faults", "/no/such/file.toml"], /cannot read \/no\/such\/file.toml/],
    [["sim", "--latency-ms", "80..20"], /want 50, 20\.\.80 or "venue"/],
    [["sim", "--dexs", "nowhere", "--port", "0"], /no dex "nowhere"; choose among hyna, flx, spot, all/],
    [["run", "--network", "testnet", "--fault", "loss:rate=1"], /--fault concern the simulated exchange/],
  ])("%j is refused in one line", async (args, message) => {
    const { code, out } = await new Program(args).finished;
    expect(code).not.toBe(0);
    expect(out).toMatch(message);
  });
});
