import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkKill, clearKill, KilledError, readKill, writeKill } from "../../src/engine/kill-record.js";
import { openDataDir } from "../../src/store/index.js";

const ACCOUNT = "0x14791697260e4c9a71f18484c9f997b308e59325";
const record = { account: ACCOUNT, reason: "loss limit", atIso: "2026-01-01T00:00:00.000Z", runId: "run-1" };
const folder = () => openDataDir(mkdtempSync(join(tmpdir(), "mm-kill-")));

function thrown(fn: () => void): Error {
  try {
    fn();
  } catch (e) {
    return e as Error;
  }
  throw new Error("did not throw");
}

test("a kill on a real network bars the next start, by whatever process, until it is cleared with a reason", () => {
  const dir = folder();
  writeKill(dir, { ...record, network: "mainnet" });
  const again = openDataDir(dir.path);
  const error = thrown(() => checkKill(again, "mainnet", ACCOUNT, () => {}));
  expect(error).toBeInstanceOf(KilledError);
  expect(error.message).toMatch(/loss limit.*market-maker clear-kill --network mainnet/);
  clearKill(again, "mainnet", ACCOUNT, { who: "ann", why: "wrong limit", atIso: "2026-01-02T00:00:00.000Z" });
  expect(() => checkKill(again, "mainnet", ACCOUNT, () => {})).not.toThrow();
  expect(readKill(again, "mainnet", ACCOUNT)).toMatchObject({
    reason: "loss limit",
    cleared: { who: "ann", why: "wrong limit" },
  });
});

test("it concerns its own account and network only", () => {
  const dir = folder();
  writeKill(dir, { ...record, network: "mainnet" });
  expect(() => checkKill(dir, "testnet", ACCOUNT, () => {})).not.toThrow();
  expect(() => checkKill(dir, "mainnet", ACCOUNT.replace("0x1", "0x2"), () => {})).not.toThrow();
});

test.each(["localhost", "paper-mainnet"])("on %s it warns", (network) => {
  const dir = folder();
  writeKill(dir, { ...record, network });
  const warnings: string[] = [];
  checkKill(dir, network, ACCOUNT, (text) => warnings.push(text));
  expect(warnings).toHaveLength(1);
});

test("a damaged record bars the start too", () => {
  const dir = folder();
  dir.writeCheckpoint(`kill.mainnet.${ACCOUNT}`, "{not json");
  expect(thrown(() => checkKill(dir, "mainnet", ACCOUNT, () => {}))).toBeInstanceOf(KilledError);
});

test("there is nothing to clear where nothing stands", () => {
  const by = { who: "ann", why: "x", atIso: "" };
  expect(thrown(() => clearKill(folder(), "mainnet", ACCOUNT, by))).toBeInstanceOf(KilledError);
});
