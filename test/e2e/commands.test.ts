import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { Program } from "./program.js";

const run = async (...args: string[]): Promise<{ code: number | null; out: string }> =>
  await new Program(args).finished;

describe("the commands", () => {
  test("each that the help lists has a file of its own, which says the same of it", {
    timeout: 60_000,
  }, async () => {
    const { code, out } = await run("--help");
    expect(code).toBe(0);
    const listed = [...out.slice(out.indexOf("Commands:")).matchAll(/^ {2}([a-z][a-z-]+)/gm)].map(
      (m) => m[1]!,
    );
    expect(listed).toHaveLength(17);
    for (const name of listed.filter((n) => n !== "help")) {
      const help = await run(name, "--help");
      expect(help.code, name).toBe(0);
      expect(help.out).toMatch(new RegExp(`^Usage: market-maker ${name}\\b`));
      const about = help.out.split("\n")[2]!;
      expect(out.replace(/\s+/g, " ")).toContain(about);
    }
    expect((await run("help", "key")).out).toContain("agent-approve");
  });

  test("options without a command are the default one's, a word that is none is refused", {
    timeout: 30_000,
  }, async () => {
    const wrong = await run("--leverage", "zero");
    expect(wrong.out).toContain("'--leverage <n>' argument 'zero' is invalid");
    expect(wrong.code).toBe(1);
    const unknown = await run("recod");
    expect(unknown.code).toBe(1);
    expect(unknown.out).toBe(
      "error: unknown command 'recod'\n(market-maker --help lists the commands, market-maker run --help the options)\n",
    );
    expect((await run("--version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

const DIST = join(import.meta.dirname, "..", "..", "dist", "src");

/** Packages that a compiled file and everything it imports at once load; what is imported on demand is not among them. */
function packagesOf(entry: string): string[] {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, spec] of readFileSync(file, "utf8").matchAll(
      /^(?:import (?:[^"';]+ from )?|export (?:\*|\{[^}]*\}) from )"([^"]+)";/gm,
    )) {
      if (spec!.startsWith(".")) visit(normalize(join(dirname(file), spec!)));
      else if (!spec!.startsWith("node:"))
        packages.add(
          spec!
            .split("/")
            .slice(0, spec!.startsWith("@") ? 2 : 1)
            .join("/"),
        );
    }
  };
  visit(join(DIST, entry));
  return [...packages].sort();
}

describe("what a start loads", () => {
  test("every thread of a run has what it needs and nothing that only a tape's conversion, a sweep or a report needs", () => {
    expect(packagesOf("cli/main.js")).toEqual(["commander"]);
    expect(packagesOf("threads/kernel.js")).toEqual([]);
    expect(packagesOf("threads/ingest.js")).toEqual(["uWebSockets.js", "ws"]);
    expect(packagesOf("threads/gateway.js")).toEqual(["prom-client"]);
    expect(packagesOf("threads/recorder.js")).toEqual([]);
    const heavy = [
      "piscina",
      "bullmq",
      "ioredis",
      "hyparquet-writer",
      "lz4-wasm-nodejs",
      "secp256k1",
      "ethers",
    ];
    for (const entry of ["engine/run.js", "engine/record.js"])
      expect(
        packagesOf(entry).filter((p) => heavy.includes(p)),
        entry,
      ).toEqual([]);
  });

  test("listing the commands loads no validation, no protocol and no logger", () => {
    const light = readdirSync(join(DIST, "cli"))
      .filter((f) =>
        /^(run|status|sim|backtest|record|report|sweep|worker|clear-kill|replay|reconcile|config)\.js$/.test(
          f,
        ),
      )
      .flatMap((f) => packagesOf(`cli/${f}`).map((p) => `${f} ${p}`))
      .filter((line) => !/ (commander|smol-toml)$/.test(line));
    expect(light).toEqual([]);
  });
});
