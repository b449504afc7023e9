/** What happens to the orders when the market maker cannot cancel them any more. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, type ExpectStatic, test } from "vitest";
import { Program, type Workspace, workspace } from "./program.js";

const QUOTING = /"message":"Parameter estimation warmed up"/;
const ACCOUNT = /"account":"(0x[0-9a-f]{40})"/;
const WATCHDOG_PID = /"pid":(\d+)[^\n]*"message":"Watchdog started"/;

async function openOrders(port: number, user: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/info`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ type: "openOrders", user }),
  });
  return ((await response.json()) as unknown[]).length;
}

function withConfig(w: Workspace, safety: string, more: readonly string[]): string[] {
  const path = join(w.dir, "config.toml");
  writeFileSync(path, `[safety]\n${safety}\n`);
  return w.args("--config", path, "--seed", "5", ...more);
}

interface Context {
  readonly expect: ExpectStatic;
  onTestFinished(fn: () => void): void;
}

/** Runs until orders rest. */
async function quoting(
  t: Context,
  w: Workspace,
  safety: string,
  ...more: string[]
): Promise<{ run: Program; orders: () => Promise<number> }> {
  const run = new Program(withConfig(w, safety, more));
  t.onTestFinished(() => void run.child.kill("SIGKILL"));
  await run.seen(QUOTING);
  const account = ACCOUNT.exec(run.out)![1]!;
  const orders = (): Promise<number> => openOrders(w.port, account);
  await t.expect.poll(orders, { timeout: 10_000 }).toBeGreaterThan(0);
  return { run, orders };
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("a maker that is killed", () => {
  test.concurrent("leaves no order to rest: its watchdog cancels them within ten seconds", {
    timeout: 60_000,
  }, async ({ expect, onTestFinished }) => {
    const w = await workspace();
    const { run, orders } = await quoting(
      { expect, onTestFinished },
      w,
      'dead_man_secs = 0\nwatchdog = "always"',
    );
    const pid = Number(WATCHDOG_PID.exec(run.out)![1]);
    run.child.kill("SIGKILL");
    await expect.poll(orders, { timeout: 10_000, interval: 100 }).toBe(0);
    await run.finished; // the watchdog holds its end of the terminal until its work is done
    expect(run.out).toMatch(/watchdog: the market maker is gone: cancelling its orders/);
    expect(run.out).toMatch(/watchdog: \d+ orders cancelled, nothing of the market maker rests/);
    await expect.poll(() => isAlive(pid), { timeout: 5_000 }).toBe(false);
  });

  test.concurrent("is watched by default where the venue does not offer its switch to so small an account", {
    timeout: 60_000,
  }, async ({ expect, onTestFinished }) => {
    const w = await workspace();
    const { run, orders } = await quoting(
      { expect, onTestFinished },
      w,
      "dead_man_secs = 60",
      "--switch-volume",
      "1000000",
    );
    expect(run.out).toMatch(/No dead man's switch at the venue/);
    expect(run.out).toMatch(WATCHDOG_PID);
    run.child.kill("SIGKILL");
    await expect.poll(orders, { timeout: 10_000, interval: 100 }).toBe(0);
  });

  test.concurrent("leaves no order to rest: the venue's dead man's switch fires when its lead has passed", {
    timeout: 60_000,
  }, async ({ expect, onTestFinished }) => {
    const w = await workspace();
    const { run, orders } = await quoting(
      { expect, onTestFinished },
      w,
      'dead_man_secs = 6\nwatchdog = "off"',
    );
    expect(run.out).toContain("Dead man's switch armed");
    // It is kept ahead of a maker that lives: well beyond the first lead, orders still rest.
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    expect(await orders()).toBeGreaterThan(0);
    run.child.kill("SIGKILL");
    await run.finished;
    expect(await orders()).toBeGreaterThan(0);
    await expect.poll(orders, { timeout: 10_000, interval: 100 }).toBe(0);
  });
});

test.concurrent("a maker that hangs has its orders cancelled by the watchdog", {
  timeout: 60_000,
}, async ({ expect, onTestFinished }) => {
  const w = await workspace();
  const { run, orders } = await quoting(
    { expect, onTestFinished },
    w,
    'dead_man_secs = 0\nwatchdog = "always"',
  );
  run.child.kill("SIGSTOP");
  await expect.poll(orders, { timeout: 10_000, interval: 100 }).toBe(0);
  expect(run.out).toMatch(/watchdog: the market maker is silent/);
  run.child.kill("SIGKILL");
  await run.finished;
});

test.concurrent("a clean stop sends the watchdog home and takes the venue's switch back", {
  timeout: 60_000,
}, async ({ expect, onTestFinished }) => {
  const w = await workspace();
  const { run } = await quoting({ expect, onTestFinished }, w, 'dead_man_secs = 8\nwatchdog = "always"');
  const pid = Number(WATCHDOG_PID.exec(run.out)![1]);
  run.child.kill("SIGTERM");
  const { code, out } = await run.finished;
  expect(code, out).toBe(0);
  expect(out).not.toMatch(/watchdog: /);
  expect(out).not.toContain("not disarmed");
  expect(isAlive(pid)).toBe(false);
});
