import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Badge, type ReportInput, renderReport, writeReport } from "../../src/backtest/report/index.js";
import { quantileMs } from "../../src/backtest/report/latency-figures.js";
import { unpack } from "../../src/backtest/report/pack.js";
import { FILL_RULES } from "../../src/backtest/report/rules.js";
import { runOf } from "./made-run.js";

const HOSTILE = `<script>alert("x")</script><!--'&`;
const badge: Badge = {
  id: "b",
  label: "truncated future",
  status: "fail",
  detail: "Cutting the future off changes the past.",
  figures: [{ name: "cut at 35 %", value: "differs after 1.000 s" }],
};

/** Elements and text of a page, by a scanner that knows no forgiveness: tags must close in order. */
function parse(page: string): { tags: string[]; text: string; ids: string[] } {
  const open: string[] = [];
  const tags: string[] = [];
  const ids: string[] = [];
  let text = "";
  const VOID = new Set(["meta", "line", "rect", "circle", "path"]);
  let at = page.indexOf("<html");
  while (at < page.length) {
    const last = open.at(-1);
    if (last === "script" || last === "style") {
      const end = page.indexOf(`</${last}`, at);
      expect(end, `unclosed <${last}>`).toBeGreaterThan(0);
      at = end;
    }
    if (page[at] !== "<") {
      const next = page.indexOf("<", at);
      text += page.slice(at, next < 0 ? page.length : next);
      at = next < 0 ? page.length : next;
      continue;
    }
    const tag = /^<(\/?)([a-z][a-z0-9]*)((?:\s+[a-zA-Z][\w-]*(?:="[^"]*")?)*)\s*(\/?)>/.exec(
      page.slice(at, at + 5000),
    );
    expect(tag, `no tag at: ${page.slice(at, at + 120)}`).not.toBeNull();
    const [whole, closing, name, attributes, isEmpty] = tag!;
    at += whole.length;
    if (closing === "/") expect(open.pop(), `closing of ${name}`).toBe(name);
    else {
      tags.push(name!);
      const id = /\sid="([^"]*)"/.exec(attributes!);
      if (id !== null) ids.push(id[1]!);
      if (isEmpty !== "/" && !VOID.has(name!)) open.push(name!);
    }
  }
  expect(open).toEqual([]);
  return { tags, text, ids };
}

const dataOf = (page: string) =>
  JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)![1]!);

describe("the page", () => {
  test("is whole, has every section, and links only to its own parts", () => {
    const page = renderReport([{ ...runOf(), badges: [badge], config: { a: 1 } }]);
    const { tags, text, ids } = parse(page);
    for (const heading of [
      "Over time",
      "After the fills",
      "Fill rate by depth",
      "Latency",
      "By the hour",
      "Fills",
      "Assumptions and fill rules",
      "Configuration",
    ])
      expect(text, heading).toContain(heading);
    for (const figure of [
      "Net profit",
      "Spread captured",
      "Adverse selection",
      "Inventory",
      "Fees",
      "Funding",
      "Largest drawdown",
      "Sharpe ratio",
      "Sortino ratio",
      "Calmar ratio",
      "Turnover",
      "Fill rate",
      "Speed",
      "Journal",
    ])
      expect(text, figure).toContain(figure);
    expect(tags.filter((t) => t === "canvas")).toHaveLength(10);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
  });

  test("asks the network for nothing", () => {
    const page = renderReport([runOf()]);
    expect(page).toContain("default-src &#39;none&#39;");
    expect(page.match(/https?:\/\/|\bsrc=|<link|@import|url\(/g)).toBeNull();
  });

  test("is the same bytes each time, and small", () => {
    const page = renderReport([runOf()]);
    expect(renderReport([runOf()])).toBe(page);
    expect(page.length).toBeLessThan(300_000);
  });

  test("stays below 2 MB for a day with ten thousand fills, and for six such runs", () => {
    const day = runOf({ seconds: 20_000, fills: 10_000 });
    expect(renderReport([day]).length).toBeLessThan(2e6);
    expect(renderReport([day, day, day, day, day, day]).length).toBeLessThan(4e6);
  });

  test("hostile names stay text, wherever they come from", () => {
    const run: ReportInput = {
      ...runOf({ name: HOSTILE, coin: HOSTILE, killReason: HOSTILE }),
      badges: [{ ...badge, label: HOSTILE, detail: HOSTILE, figures: [{ name: HOSTILE, value: HOSTILE }] }],
      config: { [HOSTILE]: HOSTILE },
    };
    for (const page of [renderReport([run]), renderReport([run, run])]) {
      const { tags } = parse(page);
      expect(tags.filter((t) => t === "script")).toHaveLength(2);
      expect(page).not.toContain("<script>alert");
      expect(page).not.toContain("<!--");
      expect(JSON.stringify(dataOf(page))).toContain("alert");
    }
  });

  test("secrets of the configuration are not shown", () => {
    const page = renderReport([
      { ...runOf(), config: { network: { private_key: "0xfeed", base_url: "mainnet" } } },
    ]);
    expect(page).not.toContain("0xfeed");
    expect(parse(page).text).toContain("mainnet");
  });

  test("figures are those of the summary, with units and signs", () => {
    const run = runOf();
    const { text } = parse(renderReport([{ ...run, summary: { ...run.summary, netPnlUsd: -1234.5 } }]));
    expect(text).toContain("−$1,234.50");
    expect(text).toContain("2,000,000 records/s");
    expect(text).toContain("40 fills over");
  });

  test("each chart has a name that reads its figures, and a table of them", () => {
    const page = renderReport([runOf()]);
    const names = [...page.matchAll(/<canvas [^>]*aria-label="([^"]+)"/g)].map((m) => m[1]!);
    expect(names).toHaveLength(10);
    for (const name of names) expect(name).toMatch(/from .+ to .+, lowest .+, highest/);
    expect(parse(page).text.match(/ in figures/g)).toHaveLength(10);
    for (const svg of page.matchAll(/<svg [^>]*>/g)) expect(svg[0]).toMatch(/role="img" aria-label="[^"]+/);
  });

  test("the curves in the page are those of the run", () => {
    const run = runOf();
    const [made] = dataOf(renderReport([run])).groups[0].runs;
    const mid = unpack(made.columns.mid);
    expect(mid).toHaveLength(run.series.midPx.length);
    mid.forEach((v, i) => {
      expect(Math.abs(v - run.series.midPx[i]!)).toBeLessThan(0.01);
    });
    expect(unpack(made.columns.bid)[0]).toBeNaN();
    expect(made.fills.side).toHaveLength(40);
    expect(unpack(made.fills.columns.tMs)).toEqual(run.series.fills.map((f) => Math.round(f.tMs)));
  });
});

describe("states that a report must not hide", () => {
  test("no fills", () => {
    const { text } = parse(renderReport([runOf({ fills: 0 })]));
    expect(text).toContain("No order of ours was filled in 5 minutes");
    expect(text).toContain("No fills, so nothing to measure");
    expect(text).not.toMatch(/NaN|Infinity|undefined|null/);
  });

  test("a run that the kill switch ended says so first", () => {
    const { text } = parse(renderReport([runOf({ killReason: "daily loss" })]));
    expect(text.indexOf("The kill switch ended this run: daily loss")).toBeGreaterThan(0);
    expect(text.indexOf("The kill switch ended")).toBeLessThan(text.indexOf("Net profit"));
  });

  test.each([1, 20, 60])("a run of %d s has no nonsense in it", (seconds) => {
    const { text } = parse(renderReport([runOf({ seconds, fills: 1 })]));
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
    expect(text).toMatch(/Sharpe ratio(–|.*no evidence)/);
  });

  test("leak tests that failed, and that were not run", () => {
    expect(parse(renderReport([{ ...runOf(), badges: [badge] }])).text).toContain(
      "✗ failed · truncated future",
    );
    expect(parse(renderReport([runOf()])).text).toContain("Leak tests were not run");
  });

  test("without a run there is no report", () => {
    expect(() => renderReport([])).toThrow(/no run was given/);
  });
});

describe("several runs", () => {
  test("stand side by side, with one more group of charts over them", () => {
    const runs = [runOf({ name: "one" }), runOf({ name: "two", makerBps: 0 })];
    const page = renderReport(runs);
    const { text, tags } = parse(page);
    expect(text).toContain("2 runs compared");
    expect(tags.filter((t) => t === "canvas")).toHaveLength(23);
    const data = dataOf(page);
    expect(data.groups).toHaveLength(3);
    expect(data.isElapsed).toBe(false);
    expect(data.groups[2].panes[0].lines.map((l: { label: string }) => l.label)).toEqual(["one", "two"]);
  });

  test("of different times are laid over each other by the time since their start", () => {
    const other = runOf({ name: "two" });
    const late = { ...other, summary: { ...other.summary, from: "2025-01-01T00:00:00.000Z" } };
    const data = dataOf(renderReport([runOf(), late]));
    expect(data.isElapsed).toBe(true);
    expect(data.groups[2].runs.map((r: { startMs: number }) => r.startMs)).toEqual([0, 0]);
  });
});

describe("what the report says of the simulation", () => {
  test("the fill rules are those of the code, one for one", () => {
    const source = readFileSync(new URL("../../src/sim/tape-book.ts", import.meta.url), "utf8");
    const header = source.slice(0, source.indexOf("*/")).replace(/\n \*\s*/g, " ");
    const rules = header.split(/ \d\. /).slice(1);
    expect(rules).toHaveLength(FILL_RULES.length);
    rules.forEach((rule, i) => {
      const words = FILL_RULES[i]!.rule.split(/[ :,.;]+/)
        .slice(0, 3)
        .join(" ");
      expect(rule.replace(/[:,.;]/g, ""), `rule ${i + 1}`).toContain(words);
      expect(rule, `rule ${i + 1}`).toContain("nrealistic");
    });
  });

  test("quantiles of the latencies", () => {
    const d = { kind: "lognormal", medianMs: 40, sigma: 0.4 } as const;
    expect(quantileMs(d, 0.5)).toBeCloseTo(40, 6);
    // Normal quantiles 1.2815515655 and −2.3263478740.
    expect(quantileMs(d, 0.9)).toBeCloseTo(40 * Math.exp(0.4 * 1.2815515655), 5);
    expect(quantileMs(d, 0.01)).toBeCloseTo(40 * Math.exp(0.4 * -2.326347874), 5);
    expect(quantileMs({ kind: "constant", ms: 7 }, 0.9)).toBe(7);
    expect(quantileMs({ kind: "recorded", samplesMs: [3, 1, 2] }, 0.5)).toBe(2);
    expect(quantileMs({ kind: "tape", floorMs: 5 }, 0.5)).toBeUndefined();
  });
});

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) =>
  existsSync(p),
);

describe.skipIf(CHROMIUM === undefined)("in a browser (skipped: no Chromium)", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "mm-report-"));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const domOf = (path: string): string =>
    spawnSync(
      CHROMIUM!,
      [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1200,900",
        "--virtual-time-budget=10000",
        `--user-data-dir=${join(dir, "profile")}`,
        "--dump-dom",
        `file://${path}`,
      ],
      { timeout: 60_000, encoding: "utf8", maxBuffer: 64 * 2 ** 20 },
    ).stdout;

  test("the script runs to its end, and every chart's legend has values", () => {
    const path = join(dir, "r.html");
    writeReport(path, [runOf()]);
    expect(statSync(path).size).toBeGreaterThan(10_000);
    const dom = domOf(path);
    expect(dom).toContain('data-ready="yes"');
    const legends = [...dom.matchAll(/<div class="legend">(<span>.*?)<\/div>/gs)].map((m) => m[1]!);
    expect(legends.length).toBeGreaterThanOrEqual(10);
    expect(legends[3]).toMatch(/mid <b>[\d,.]+/);
    expect(dom).toMatch(/data-range[^>]*>23:54:15 – 23:59:15 UTC/);
  }, 70_000);

  test.each([
    [
      "a drag zooms every pane, and offers the way back",
      `const r = canvas.getBoundingClientRect(); canvas.setPointerCapture = () => {};
       const at = (type, share) => canvas.dispatchEvent(new PointerEvent(type, { button: 0, pointerType: "mouse", bubbles: true,
         clientX: r.left + 62 + share * (r.width - 72), clientY: r.top + 20 }));
       at("pointerdown", 0.5); at("pointermove", 0.75); at("pointerup", 0.75); at("pointerleave", 0.75);`,
    ],
    [
      "keys zoom too",
      `for (const key of ["+", "+"]) canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));`,
    ],
  ])(
    "%s",
    (_name, script) => {
      const path = join(dir, "z.html");
      // Frames do not follow virtual time: they are timers here.
      const page = renderReport([runOf()]).replace(
        "<head>",
        "<head><script>window.requestAnimationFrame = (f) => setTimeout(() => f(0), 0);</script>",
      );
      writeFileSync(
        path,
        page.replace(
          "</body>",
          `<script>const canvas = document.querySelector("canvas");
            const wait = setInterval(() => {
              if (document.querySelector('[data-ready="yes"]') === null) return;
              clearInterval(wait);
              setTimeout(() => { ${script} }, 200);
            }, 50);</script></body>`,
        ),
      );
      const dom = domOf(path);
      const range = /data-range[^>]*>(\d\d:\d\d:\d\d) – (\d\d:\d\d:\d\d) UTC/.exec(dom);
      expect(range, dom.slice(dom.indexOf("data-range"), dom.indexOf("data-range") + 80)).not.toBeNull();
      expect(range?.[1]).not.toBe("23:54:15");
      expect(range?.[2]).not.toBe("23:59:15");
      expect(dom).toMatch(/<button type="button" data-reset="">/);
    },
    70_000,
  );
});
