import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Finished, freePort, Program } from "./program.js";

/** Accounts of this test only; one a key source, so that no two makers meet. */
const ACCOUNTS = ["master", "option", "environment", "dotenv", "config", "keystore"] as const;
const keyOf = (i: number): string => `${"1f".repeat(15)}${"c3d4".repeat(8)}0${i + 1}`;
const KEYS = Object.fromEntries(ACCOUNTS.map((name, i) => [name, keyOf(i)])) as Record<
  (typeof ACCOUNTS)[number],
  string
>;
const addressOf = (key: string): string => new Wallet(`0x${key}`).address.toLowerCase();
const PASSWORD = "sesame-öffne-dich-7261";

let port: number;
let simulator: Program;
beforeAll(async () => {
  port = await freePort();
  const fund = ACCOUNTS.flatMap((name) => ["--fund", `${addressOf(KEYS[name])}=50000`]);
  simulator = new Program(["sim", "--port", String(port), "--seed", "5", "--asset", "BTC", ...fund]);
  await simulator.seen(/listening|127\.0\.0\.1/i);
});
afterAll(async () => {
  simulator.child.kill("SIGTERM");
  await simulator.finished;
});

const folder = (): string => mkdtempSync(join(tmpdir(), "mm-keys-"));
const secretFile = (dir: string, name: string, text: string): string => {
  const path = join(dir, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};
const run = (
  cwd: string,
  args: readonly string[],
  input?: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Finished> => new Program(args, env, { cwd, ...(input === undefined ? {} : { input }) }).finished;

/** Everything below a folder. */
function filesOf(dir: string): string[] {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? filesOf(path) : [path];
  });
}

/** The forms in which a secret could have slipped out; text is compared in lower case. */
function leaks(bytes: Buffer, key: string): string[] {
  const raw = Buffer.from(key, "hex");
  const text = bytes.toString("latin1").toLowerCase();
  const found: string[] = [];
  // A part is enough: a cut line or a wrapped dump.
  if (text.includes(key.slice(0, 24)) || text.includes(key.slice(-24))) found.push("hex digits");
  if (bytes.includes(raw) || bytes.includes(Buffer.from(raw).reverse())) found.push("bytes");
  if (bytes.includes(raw.toString("base64").slice(0, 30))) found.push("base64");
  if (bytes.includes([...raw].join(",")) || bytes.includes([...raw].join(", ")))
    found.push("a list of numbers");
  if (bytes.includes(PASSWORD) || bytes.includes(Buffer.from(PASSWORD, "latin1"))) found.push("the password");
  return found;
}

describe("the judge of leaks", () => {
  const key = KEYS.option;
  test.each<[string, Buffer]>([
    ["hex digits", Buffer.from(`{"k":"0x${key.toUpperCase()}"}`)],
    ["bytes", Buffer.concat([Buffer.from("x"), Buffer.from(key, "hex")])],
    ["base64", Buffer.from(Buffer.from(key, "hex").toString("base64"))],
    ["a list of numbers", Buffer.from(JSON.stringify([...Buffer.from(key, "hex")]))],
    ["the password", Buffer.from(`pw=${PASSWORD}`)],
  ])("finds %s", (what, bytes) => {
    expect(leaks(bytes, key)).toEqual([what]);
  });
});

/** Puts the key where the source is, and says how to start with it; `secrets` are the files that hold it by intent. */
type Placed = {
  readonly args: string[];
  readonly env: NodeJS.ProcessEnv;
  readonly secrets: readonly string[];
};
const SOURCES: readonly [
  account: Exclude<(typeof ACCOUNTS)[number], "master">,
  place: (dir: string) => Promise<Placed> | Placed,
][] = [
  ["option", () => ({ args: ["--private-key", `0x${KEYS.option}`], env: {}, secrets: [] })],
  ["environment", () => ({ args: [], env: { HYPERLIQUID_PRIVATE_KEY: KEYS.environment }, secrets: [] })],
  [
    "dotenv",
    (dir) => ({
      args: [],
      env: {},
      secrets: [secretFile(dir, ".env", `HYPERLIQUID_PRIVATE_KEY=0x${KEYS.dotenv.toUpperCase()}\n`)],
    }),
  ],
  [
    "config",
    (dir) => ({
      args: [],
      env: {},
      secrets: [secretFile(dir, "market_maker.toml", `[network]\nprivate_key = "${KEYS.config}"\n`)],
    }),
  ],
  [
    "keystore",
    async (dir) => {
      const password = secretFile(dir, "password", `${PASSWORD}\n`);
      const imported = await run(dir, ["key", "import", "--password-file", password], `0x${KEYS.keystore}\n`);
      expect(imported.code, imported.out).toBe(0);
      expect(leaks(Buffer.from(imported.out), KEYS.keystore)).toEqual([]);
      return {
        args: ["--keystore", "keystore.json"],
        env: { HYPERLIQUID_KEYSTORE_PASSWORD_FILE: password },
        secrets: [password],
      };
    },
  ],
];

describe("a trading run at log level trace, with a journal", () => {
  test.each(SOURCES)("leaks nothing of a key from the %s", { timeout: 60_000 }, async (account, place) => {
    const dir = folder();
    const { args, env, secrets } = await place(dir);
    const metricsPort = await freePort();
    const program = new Program(
      [
        ...["run", "--network", "localhost", "--port", String(port), "--asset", "BTC", "--duration", "1"],
        ...["--metrics-port", String(metricsPort), "--log-level", "trace", "--log-format", "json"],
        ...["--log-file", "mm.log", "--data-dir", "data", "--summary", "summary.json", ...args],
      ],
      env,
      { cwd: dir },
    );
    await program.seen(/Market maker started/);
    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    const { code, out } = await program.finished;
    expect(code, out).toBe(0);
    expect(out).toContain(addressOf(KEYS[account])); // It was this key that signed.

    expect(leaks(Buffer.from(out), KEYS[account]), "terminal").toEqual([]);
    expect(leaks(Buffer.from(metrics), KEYS[account]), "metrics").toEqual([]);
    const written = filesOf(dir).filter((path) => !secrets.includes(path));
    const kinds = ["mm.log", "summary.json", "data/journal"].map((part) =>
      written.some((p) => p.includes(part)),
    );
    expect(kinds, written.join(" ")).toEqual([true, true, true]);
    for (const path of written) expect(leaks(readFileSync(path), KEYS[account]), path).toEqual([]);
  });
});

describe("market-maker key", { timeout: 60_000 }, () => {
  test("import writes an encrypted file of mode 600, once, and never takes the key as an argument", async () => {
    const dir = folder();
    const password = secretFile(dir, "password", PASSWORD);
    const args = ["key", "import", "--keystore", "k.json", "--password-file", password];
    const first = await run(dir, args, `${KEYS.master}\n`);
    expect([first.code, first.out.split("\n")[0]]).toEqual([0, addressOf(KEYS.master)]);
    expect(statSync(join(dir, "k.json")).mode & 0o777).toBe(0o600);
    const before = readFileSync(join(dir, "k.json"), "utf8");
    expect((await Wallet.fromEncryptedJson(before, PASSWORD)).privateKey).toBe(`0x${KEYS.master}`);

    const again = await run(dir, args, `${KEYS.option}\n`);
    expect(again.code).toBe(1);
    expect(again.out).toMatch(/^error: k\.json exists: .*--force$/m);
    expect(readFileSync(join(dir, "k.json"), "utf8")).toBe(before);
    const forced = await run(dir, [...args, "--force"], `${KEYS.option}\n`);
    expect([forced.code, forced.out.split("\n")[0]]).toEqual([0, addressOf(KEYS.option)]);
    expect(filesOf(dir).length).toBe(2); // No draft is left.

    const argument = await run(dir, ["key", "import", KEYS.option]);
    expect(argument.code).not.toBe(0);
    const garbage = await run(
      dir,
      ["key", "import", "--keystore", "x.json", "--password-file", password],
      "not a key\n",
    );
    expect([garbage.code, existsSync(join(dir, "x.json"))]).toEqual([1, false]);
    expect(garbage.out).toMatch(/^error: standard input is not a private key/m);
    const mute = await run(dir, ["key", "import", "--keystore", "x.json"], `${KEYS.option}\n`);
    expect(mute.out).toMatch(/no terminal to ask at: use --password-file/);
    for (const { out } of [first, again, forced, garbage, mute])
      expect(leaks(Buffer.from(out), KEYS.option)).toEqual([]);
  });

  test("agent-approve makes an agent that the exchange knows and that trades; address says whose it is", {
    timeout: 90_000,
  }, async () => {
    const dir = folder();
    const password = secretFile(dir, "password", `${PASSWORD}\n`);
    const env = { HYPERLIQUID_PRIVATE_KEY: KEYS.master };
    const network = ["--network", "localhost", "--port", String(port)];
    const approve = ["key", "agent-approve", "--name", "mm1", ...network, "--out-password-file", password];
    const approved = await run(dir, [...approve, "--valid-days", "30"], undefined, env);
    expect(approved.code, approved.out).toBe(0);
    const agent = /^approved mm1 (0x[0-9a-f]{40}) for (0x[0-9a-f]{40}) on localhost$/m.exec(approved.out);
    expect(agent?.[2]).toBe(addressOf(KEYS.master));
    const file = join(dir, "agent-mm1.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(filesOf(dir).length).toBe(2);

    const use = ["--keystore", "agent-mm1.json", "--password-file", password];
    const shown = await run(dir, ["key", "address", ...network, ...use]);
    expect(shown.out).toContain(`address    ${agent?.[1]}`);
    expect(shown.out).toContain("source     --keystore");
    expect(shown.out).toContain(`agent of ${addressOf(KEYS.master)}`);
    const own = await run(dir, ["key", "address", ...network], undefined, env);
    expect(own.out).toMatch(/^source {5}environment\nlocalhost {2}account$/m);

    // The file of an agent that trades is not overwritten, and an agent cannot approve another.
    expect((await run(dir, approve, undefined, env)).out).toMatch(/agent-mm1\.json exists/);
    const byAgent = await run(dir, [
      ...["key", "agent-approve", "--name", "mm2", ...network, ...use, "--out-password-file", password],
    ]);
    expect(byAgent.out).toMatch(/is an agent of 0x[0-9a-f]{40}: only the account's own key/);
    expect(existsSync(join(dir, "agent-mm2.json.new"))).toBe(false);

    const traded = await run(dir, [
      ...[
        "run",
        ...network,
        "--asset",
        "BTC",
        "--duration",
        "2",
        "--metrics-port",
        "0",
        "--log-format",
        "json",
      ],
      ...["--data-dir", "data", ...use],
    ]);
    expect(traded.code, traded.out).toBe(0);
    expect(traded.out).toContain(`"account":"${addressOf(KEYS.master)}"`);
    for (const { out } of [approved, shown, own, byAgent, traded]) {
      expect(leaks(Buffer.from(out), KEYS.master)).toEqual([]);
    }
  });

  const hasScript = spawnSync("script", ["--version"]).status === 0;
  test.skipIf(!hasScript)(
    `at a terminal what is typed is not shown${hasScript ? "" : " (skipped: no script command)"}`,
    async () => {
      const dir = folder();
      const main = join(import.meta.dirname, "../../dist/src/cli/main.js");
      const command = `"${process.execPath}" "${main}" key import --keystore typed.json`;
      const child = spawn("script", ["-qec", command, "/dev/null"], { cwd: dir });
      let shown = "";
      const typed = [KEYS.option, `${PASSWORD}x\u007f`, PASSWORD];
      const questions = ["Private key", "New password", "The same again"];
      child.stdout.on("data", (chunk: Buffer) => {
        shown += chunk.toString();
        if (questions[0] !== undefined && shown.includes(questions[0])) {
          questions.shift();
          child.stdin.write(`${typed.shift()}\r`);
        }
      });
      const code = await new Promise((resolve) => {
        child.once("close", resolve);
      });
      expect([code, questions], shown).toEqual([0, []]);
      expect(leaks(Buffer.from(shown), KEYS.option)).toEqual([]);
      const text = readFileSync(join(dir, "typed.json"), "utf8");
      expect((await Wallet.fromEncryptedJson(text, PASSWORD)).privateKey).toBe(`0x${KEYS.option}`);
    },
  );

  test("a network that cannot be reached is said, and the address shown all the same", async () => {
    const dir = folder();
    mkdirSync(join(dir, "empty"));
    const closed = await freePort();
    const env = { HYPERLIQUID_PRIVATE_KEY: KEYS.master };
    const shown = await run(
      dir,
      ["key", "address", "--network", "localhost", "--port", String(closed)],
      undefined,
      env,
    );
    expect(shown.code).toBe(0);
    expect(shown.out).toContain(addressOf(KEYS.master));
    expect(shown.out).toMatch(/localhost {2}not asked: cannot reach the exchange/);
  });
});
