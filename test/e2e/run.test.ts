import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { freePort, hasSharedData, Program, SHARED_DATA, workspace } from "./program.js";

const QUOTING = /"message":"Parameter estimation warmed up"/;

async function openOrders(port: number, user: string): Promise<unknown[]> {
  const response = await fetch(`http://127.0.0.1:${port}/info`, {
    method: "POST",
    body: JSON.stringify({ type: "openOrders", user }),
  });
  return (await response.json()) as unknown[];
}

const ACCOUNT = /"account":"(0x[0-9a-f]{40})"/;

describe("the built program on the simulated exchange", () => {
  test("quotes, gets filled, and ends by itself with nothing resting", {
    timeout: 60_000,
  }, async () => {
    const w = await workspace();
    const run = new Program(w.args("--duration", "25", "--seed", "7", "--speed", "4"));
    const { code, out } = await run.finished;
    expect(code, out).toBe(0);
    const s = w.summary();
    expect(s["firstQuoteMs"]).toBeGreaterThan(0);
    expect(s["fills"]).toBeGreaterThan(0);
    expect(s["restingOrdersAtExit"]).toBe(0);
    expect(s["ringDrops"]).toBe(0);
    expect(s["auditDifferences"]).toBe(0);
    expect(s["maxAbsPosition"]).toBeLessThanOrEqual(s["positionLimit"] as number);
    expect(Object.keys(s["latencyUs"] as object)).toEqual([
      "decode",
      "kernel",
      "executor",
      "sign",
      "tickToWire",
    ]);
    for (const event of [
      "Market maker started",
      "Warming up parameter estimator",
      "Final position",
      "Adverse selection summary",
    ]) {
      expect(out).toContain(`"message":"${event}"`);
    }
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`${signal} cancels everything, verifies and exits 0`, { timeout: 60_000 }, async () => {
      const w = await workspace();
      const run = new Program(w.args("--seed", "3"));
      await run.seen(QUOTING);
      run.child.kill(signal);
      const { code, out } = await run.finished;
      expect(code, out).toBe(0);
      expect(w.summary()["restingOrdersAtExit"]).toBe(0);
      expect(w.summary()["stopReason"]).toBe(signal);
    });
  }

  test("a run killed while quoting leaves orders that the next run cancels before it quotes", {
    timeout: 90_000,
  }, async () => {
    const w = await workspace();
    const first = new Program(w.args("--seed", "5"));
    await first.seen(QUOTING);
    const account = ACCOUNT.exec(first.out)![1]!;
    await expect
      .poll(async () => (await openOrders(w.port, account)).length, { timeout: 10_000 })
      .toBeGreaterThan(0);
    first.child.kill("SIGKILL");
    await first.finished;
    expect((await openOrders(w.port, account)).length).toBeGreaterThan(0);

    const second = new Program(w.args("--duration", "3"));
    const { code, out } = await second.finished;
    expect(code, out).toBe(0);
    expect(w.summary()["orphansCancelled"]).toBeGreaterThan(0);
    expect(w.summary()["restingOrdersAtExit"]).toBe(0);
    expect(await openOrders(w.port, account)).toEqual([]);
  });

  test("an error that nobody caught takes every order off the book and ends with a failure", {
    timeout: 60_000,
  }, async () => {
    const w = await workspace();
    const boom =
      'import { isMainThread } from "node:worker_threads";' +
      'if (isMainThread && process.argv.includes("run")) process.on("SIGUSR2", () => { throw new Error("boom"); });';
    const run = new Program(w.args("--seed", "4"), {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(boom)}`,
    });
    await run.seen(QUOTING);
    const account = ACCOUNT.exec(run.out)![1]!;
    await expect
      .poll(async () => (await openOrders(w.port, account)).length, { timeout: 10_000 })
      .toBeGreaterThan(0);
    run.child.kill("SIGUSR2");
    const { code, out } = await run.finished;
    expect(code, out).toBe(1);
    expect(out).toMatch(/"error":"boom".*"message":"Unhandled error"/);
    expect(out).toContain("KILL SWITCH TRIGGERED");
    const s = w.summary();
    expect(s["killReason"]).toBe("unhandled error");
    expect(s["ordersPlaced"]).toBeGreaterThan(0);
    expect(s["restingOrdersAtExit"]).toBe(0);
  });

  test("a venue that falls silent has its quotes pulled, then trips the kill switch", {
    timeout: 90_000,
  }, async () => {
    const w = await workspace();
    const venue = new Program(["sim", "--port", String(w.port), "--seed", "6", "--asset", "BTC"]);
    await venue.seen(/simulated exchange on http/);
    try {
      const run = new Program(w.args());
      await run.seen(QUOTING);
      venue.child.kill("SIGSTOP");
      await run.seen(/KILL SWITCH TRIGGERED/);
      venue.child.kill("SIGCONT");
      const { code, out } = await run.finished;
      expect(code, out).toBe(1);
      expect(out).toContain('"message":"Data staleness exceeded"');
      expect(out.indexOf("Data staleness exceeded")).toBeLessThan(out.indexOf("KILL SWITCH TRIGGERED"));
      const s = w.summary();
      expect(s["killReason"]).toMatch(/stale/);
      expect(s["restingOrdersAtExit"]).toBe(0);
      const account = ACCOUNT.exec(out)![1]!;
      expect(await openOrders(w.port, account)).toEqual([]);
    } finally {
      venue.child.kill("SIGCONT");
      venue.child.kill("SIGTERM");
      await venue.finished;
    }
  });

  test("a closed terminal is answered by a graceful stop, a reader that went away by nothing", {
    timeout: 90_000,
  }, async () => {
    const w = await workspace();
    const run = new Program(w.args("--seed", "8"));
    await run.seen(QUOTING);
    run.child.stdout!.destroy();
    run.child.stderr!.destroy();
    const account = ACCOUNT.exec(run.out)![1]!;
    await expect
      .poll(async () => (await openOrders(w.port, account)).length, { timeout: 10_000 })
      .toBeGreaterThan(0);
    // Its log now goes nowhere: it must have gone on for longer than the next lines take.
    await expect.poll(async () => run.child.exitCode, { timeout: 3_000, interval: 500 }).toBeNull();
    run.child.kill("SIGHUP");
    const { code } = await run.finished;
    expect(code).toBe(0);
    expect(w.summary()["restingOrdersAtExit"]).toBe(0);
    expect(w.summary()["stopReason"]).toBe("SIGHUP");
  });

  test("leftovers in a coin that is not traded now are told, and the traded ones are cancelled", {
    timeout: 120_000,
  }, async () => {
    const w = await workspace();
    const venue = new Program(["sim", "--port", String(w.port), "--seed", "6"]);
    await venue.seen(/simulated exchange on http/);
    try {
      const first = new Program(w.args("--asset", "SOL,BTC"));
      await first.seen(/"asset":"SOL","message":"Parameter estimation warmed up"/);
      const account = ACCOUNT.exec(first.out)![1]!;
      await expect
        .poll(async () => (await openOrders(w.port, account)).length, { timeout: 10_000 })
        .toBeGreaterThan(0);
      first.child.kill("SIGKILL");
      await first.finished;
      const second = await new Program(w.args("--asset", "BTC", "--duration", "3")).finished;
      expect(second.code, second.out).toBe(0);
      const left = (await openOrders(w.port, account)) as { coin: string }[];
      expect(left.filter((o) => o.coin === "BTC")).toEqual([]);
      if (left.length > 0)
        expect(second.out).toMatch(/"coins":\["SOL"\].*Orders of ours rest in other assets/);
      // A coarser grid than theirs does not hide them.
      const third = await new Program(w.args("--asset", "SOL", "--decimals", "1", "--duration", "3"))
        .finished;
      expect(third.code, third.out).toBe(0);
      expect(await openOrders(w.port, account)).toEqual([]);
    } finally {
      venue.child.kill("SIGTERM");
      await venue.finished;
    }
  });

  test("metrics carry the manual's names with values", { timeout: 60_000 }, async () => {
    const w = await workspace();
    const metricsPort = await freePort();
    const args = w
      .args("--seed", "9")
      .map((a, i, all) => (all[i - 1] === "--metrics-port" ? String(metricsPort) : a));
    const run = new Program(args);
    await run.seen(QUOTING);
    const scrape = async (): Promise<string> =>
      (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    await expect.poll(scrape, { timeout: 10_000 }).toMatch(/mm_orders_placed_total\{asset="BTC"\} [1-9]/);
    const text = await scrape();
    const names = [
      ...[
        "position",
        "max_position",
        "inventory_utilization",
        "daily_pnl",
        "realized_pnl",
        "unrealized_pnl",
        "peak_pnl",
      ],
      ...[
        "drawdown_pct",
        "mid_price",
        "spread_bps",
        "sigma",
        "kappa",
        "jump_ratio",
        "microprice_deviation_bps",
      ],
      ...[
        "book_imbalance",
        "flow_imbalance",
        "beta_book",
        "beta_flow",
        "kill_switch_triggered",
        "adverse_selection_bps",
      ],
      ...[
        "data_staleness_secs",
        "quote_cycle_latency_ms",
        "volatility_regime",
        "orders_placed_total",
        "orders_filled_total",
      ],
    ];
    expect(names.filter((n) => !new RegExp(`^mm_${n}\\{asset="BTC"\\} -?[0-9]`, "m").test(text))).toEqual([]);
    for (const name of [
      "address_used",
      "address_cap",
      "address_cancel_cap",
      "address_remaining",
      "ip_weight_used",
    ]) {
      expect(text).toMatch(new RegExp(`^mm_rate_limit_${name} [1-9]`, "m"));
    }
    expect(text).toMatch(/^mm_rate_limit_hours_left (\d|\+Inf)/m);
    expect(text).toMatch(/^mm_rate_limit_throttled 0$/m);
    expect(text).toMatch(/^mm_rate_limit_ws_messages [1-9]/m);
    expect(text).toMatch(/^mm_rate_limit_errors_total 0$/m);
    expect(text).toMatch(/^mm_rate_limit_purchased_total 0$/m);
    expect(text).toMatch(/^mm_dead_man_armed 1$/m);
    for (const stage of ["decode", "kernel", "executor", "sign", "tick_to_wire"]) {
      expect(text).toMatch(new RegExp(`mm_stage_latency_seconds_count\\{stage="${stage}"\\} [1-9]`));
    }
    run.child.kill("SIGINT");
    expect((await run.finished).code).toBe(0);
  });

  test("a dry run shows a ladder and places nothing", { timeout: 60_000 }, async () => {
    const w = await workspace();
    const run = new Program(w.args("--dry-run", "--seed", "2"));
    const { code, out } = await run.finished;
    expect(code, out).toBe(0);
    expect(out).toMatch(/bid 1: /);
    expect(out).not.toContain("Market maker started");
  });
});

describe("the built program on a recorded market", () => {
  test.skipIf(!hasSharedData)(
    `plays a tape to its end within limits and without drops${hasSharedData ? "" : " (skipped: no shared data)"}`,
    { timeout: 90_000 },
    async () => {
      const w = await workspace();
      const tape = join(SHARED_DATA, "binance-l2", "usdm_btcusdt_20230404.gz");
      const { code, out } = await new Program(w.args("--tape", tape, "--speed", "10")).finished;
      expect(code, out).toBe(0);
      const s = w.summary();
      expect(s["stopReason"]).toBe("end of tape");
      expect(s["quotes"]).toBeGreaterThan(0);
      expect(s["ringDrops"]).toBe(0);
      expect(s["restingOrdersAtExit"]).toBe(0);
      expect(s["maxAbsPosition"]).toBeLessThanOrEqual(s["positionLimit"] as number);
    },
  );
});
