import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { openDataDir } from "../../src/store/index.js";

const root = mkdtempSync(join(tmpdir(), "mm-data-"));
let dir = root;
beforeEach(() => {
  dir = mkdtempSync(join(root, "t-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const KEY = { network: "localhost", account: "0xABCdef", asset: "BTC" };
const NOW = 1_757_015_216_000;

/** A pid that lived and is gone. */
const deadPid = (): number => spawnSync(process.execPath, ["-e", ""]).pid;

describe("data folder", () => {
  it("is created with its parts and can be opened again", () => {
    const path = join(dir, "a", "b");
    expect(openDataDir(path).journalDir).toBe(join(path, "journal"));
    openDataDir(path);
    expect(readdirSync(path).sort()).toEqual(["checkpoints", "journal", "locks"]);
  });

  it("refuses a path that is a file", () => {
    const path = join(dir, "file");
    writeFileSync(path, "");
    expect(() => openDataDir(path)).toThrow(
      expect.objectContaining({
        name: "DataDirError",
        code: "cannot_create",
        message: expect.stringMatching(/--data-dir/),
      }),
    );
  });

  it.skipIf(process.getuid?.() === 0)("refuses a folder that cannot be written to", () => {
    openDataDir(dir);
    chmodSync(join(dir, "locks"), 0o500);
    expect(() => openDataDir(dir)).toThrow(expect.objectContaining({ code: "not_writable" }));
    chmodSync(join(dir, "locks"), 0o700);
  });
});

describe("lock", () => {
  it("excludes a second maker of the same network, account and asset, and no other", () => {
    const data = openDataDir(dir);
    const lock = data.lock(KEY, NOW);
    expect(lock.note).toBeUndefined();
    expect(() => data.lock({ ...KEY, account: "0xabcDEF" }, NOW)).toThrow(
      expect.objectContaining({
        code: "locked",
        message: expect.stringMatching(
          new RegExp(`BTC of .*already traded by process ${process.pid} since 2025-09-04`),
        ),
      }),
    );
    data.lock({ ...KEY, asset: "SOL" }, NOW).release();
    data.lock({ ...KEY, asset: "xyz:GOLD/../x" }, NOW).release();
    data.lock({ ...KEY, network: "testnet" }, NOW).release();
    lock.release();
    lock.release();
    data.lock(KEY, NOW).release();
    expect(readdirSync(join(dir, "locks"))).toEqual([]);
  });

  const leave = (holder: object | string): string => {
    const data = openDataDir(dir);
    const lock = data.lock(KEY, NOW);
    lock.release();
    writeFileSync(lock.file, typeof holder === "string" ? holder : JSON.stringify(holder));
    return lock.file;
  };
  const boot = existsSync("/proc/sys/kernel/random/boot_id")
    ? readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()
    : "";

  it("takes over the lock of a dead process and says so", () => {
    const pid = deadPid();
    leave({ pid, host: hostname(), start: "1", boot, sinceMs: NOW });
    const lock = openDataDir(dir).lock(KEY, NOW);
    expect(lock.note).toMatch(new RegExp(`took over the lock of dead process ${pid} .*not stopped in order`));
    expect(() => openDataDir(dir).lock(KEY, NOW)).toThrow(expect.objectContaining({ code: "locked" }));
    lock.release();
  });

  it.runIf(boot !== "")("takes over the lock of a dead process whose number lives on in another one", () => {
    leave({ pid: process.pid, host: hostname(), start: "1", boot, sinceMs: NOW });
    const lock = openDataDir(dir).lock(KEY, NOW);
    expect(lock.note).toMatch(/took over/);
    lock.release();
    leave({ pid: process.ppid, host: hostname(), start: "", boot: "before the restart", sinceMs: NOW });
    expect(openDataDir(dir).lock(KEY, NOW).note).toMatch(/took over/);
  });

  it("takes over a lock that nobody living can have written", () => {
    leave('{"pid":');
    expect(openDataDir(dir).lock(KEY, NOW).note).toMatch(/unreadable/);
  });

  it("believes the lock of another host and says which file to delete", () => {
    const file = leave({ pid: 1, host: `${hostname()}-other`, start: "", boot: "", sinceMs: NOW });
    expect(() => openDataDir(dir).lock(KEY, NOW)).toThrow(
      expect.objectContaining({ code: "locked", message: expect.stringContaining(`delete ${file}`) }),
    );
  });

  it("leaves a lock alone that another maker took after ours was removed by hand", () => {
    const data = openDataDir(dir);
    const lost = data.lock(KEY, NOW);
    rmSync(lost.file);
    const held = data.lock(KEY, NOW + 1);
    lost.release();
    expect(existsSync(held.file)).toBe(true);
    held.release();
  });

  it("recovers from a take-over that was killed half-way", () => {
    const pid = deadPid();
    const holder = { pid, host: hostname(), start: "1", boot, sinceMs: NOW };
    const file = leave(holder);
    writeFileSync(`${file}.takeover`, JSON.stringify(holder));
    expect(() => openDataDir(dir).lock(KEY, NOW)).toThrow(
      expect.objectContaining({ code: "locked", message: expect.stringMatching(/start again/) }),
    );
    expect(openDataDir(dir).lock(KEY, NOW).note).toMatch(/took over/);
  });
});

describe("checkpoint", () => {
  it("is replaced as a whole, and absent until written", () => {
    const data = openDataDir(dir);
    expect(data.readCheckpoint("BTC.json")).toBeUndefined();
    data.writeCheckpoint("BTC.json", "one");
    data.writeCheckpoint("BTC.json", "two ü");
    expect(data.readCheckpoint("BTC.json")).toBe("two ü");
    expect(readdirSync(join(dir, "checkpoints"))).toEqual(["BTC.json"]);
  });

  it("ignores and clears the draft of a killed process", () => {
    openDataDir(dir).writeCheckpoint("kill", "whole");
    writeFileSync(join(dir, "checkpoints", `kill.${deadPid()}.new`), "ha");
    const data = openDataDir(dir);
    expect(data.readCheckpoint("kill")).toBe("whole");
    expect(readdirSync(join(dir, "checkpoints"))).toEqual(["kill"]);
  });

  it.each(["../x", "a/b", "", ".hidden", "x y"])("refuses the name %j", (name) => {
    expect(() => openDataDir(dir).writeCheckpoint(name, "")).toThrow(
      expect.objectContaining({ code: "bad_name" }),
    );
  });
});
