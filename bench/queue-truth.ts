/**
 * `npm run results:queue [-- --data DIR] [-- --out docs]`: queue models against the true queue of order-level recordings.
 *
 * Deterministic: no clock and no chance. Prints the table; with `--out` writes it between the markers of queue-models.md and
 * the plot beside it.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { QueueModelSpec } from "../src/sim/index.js";
import { hasRecordings, readBitstamp, readCme, readLobster } from "./truth/order-level.js";
import { plotSvg } from "./truth/plot.js";
import {
  type Comparison,
  compare,
  meanAhead,
  PLACES,
  pricesOf,
  runTrials,
  type StudyPlan,
  type Trial,
} from "./truth/study.js";

const MODELS: readonly { readonly name: string; readonly spec: QueueModelSpec }[] = [
  { name: "risk-averse", spec: { kind: "risk-averse" } },
  { name: "power 1", spec: { kind: "power", n: 1 } },
  { name: "power 2", spec: { kind: "power", n: 2 } },
  { name: "power 3", spec: { kind: "power", n: 3 } },
  { name: "log", spec: { kind: "log" } },
];

const BEGIN = "<!-- table: npm run results:queue -->";
const END = "<!-- end of table -->";

const { values } = parseArgs({
  options: { data: { type: "string", default: "../shared/data/order-level" }, out: { type: "string" } },
});
if (!hasRecordings(values.data)) {
  process.stdout.write(`skipped: no order-level recordings in ${values.data}\n`);
  process.exit(0);
}

const PLANS: readonly StudyPlan[] = [
  {
    name: "Bitstamp BTC/USD",
    events: readBitstamp(values.data),
    // Orders from before the log are unknown; two hours in, the book is whole.
    startMs: 2 * 3_600_000,
    horizonMs: 600_000,
    everyMs: 75_000,
    sampleMs: 5000,
    szLots: 1e7,
    lotName: "1e-8 BTC",
  },
  {
    name: "LOBSTER AAPL",
    events: readLobster(values.data),
    startMs: 3000,
    horizonMs: 15_000,
    everyMs: 500,
    sampleMs: 250,
    szLots: 10,
    lotName: "shares",
  },
  {
    name: "CME ESM4",
    events: readCme(values.data),
    startMs: 50,
    horizonMs: 1000,
    everyMs: 100,
    sampleMs: 20,
    szLots: 1,
    lotName: "contracts",
  },
];

/** The models part most where queues are deep. */
const CURVES_OF = PLANS[2]!;

const percent = (x: number): string => (Number.isNaN(x) ? "–" : `${(x * 100).toFixed(1)} %`);
const signed = (x: number, digits: number): string =>
  Number.isNaN(x) ? "–" : `${x > 0 ? "+" : ""}${x.toFixed(digits).replace(/^-(0(?:\.0+)?)$/, "$1")}`;
const three = (q: Comparison["lots"], show: (x: number) => string): string =>
  [q.p10, q.p50, q.p90].map(show).join(" / ");

const lines: string[] = [];
const boxes: { readonly recording: string; readonly model: string; readonly c: Comparison }[] = [];
let curves: { readonly name: string; readonly share: readonly number[] }[] = [];
for (const plan of PLANS) {
  const prices = pricesOf(plan);
  const trialsOf = (spec: QueueModelSpec): Trial[] =>
    PLACES.flatMap((place) => runTrials(plan, prices, spec, place));
  const truth = trialsOf({ kind: "l3" });
  const scale = plan.lotName === "1e-8 BTC" ? 1e8 : 1;
  const unit = scale === 1 ? plan.lotName : "BTC";
  const digits = scale === 1 ? 1 : 2;
  const byModel = MODELS.map(({ name, spec }) => ({ name, trials: trialsOf(spec) }));
  const first = compare(truth, byModel[0]!.trials);
  lines.push(
    `### ${plan.name}: ${first.orders} orders, ${first.trueFills} truly filled, ${first.samples} samples of queues that had moved and were not done`,
    "",
    `| model | bias, ${unit} | error p10 / p50 / p90, ${unit} | bias, share | error p10 / p50 / p90, share | fills | false fills | missed fills | fill time bias, s | fills at another time | by p10 / p50 / p90, s |`,
    "|---|---|---|---|---|---|---|---|---|---|---|",
  );
  for (const { name, trials } of byModel) {
    const c = compare(truth, trials);
    boxes.push({ recording: plan.name, model: name, c });
    lines.push(
      `| ${name} | ${signed(c.biasLots / scale, digits)} | ${three(c.lots, (x) => signed(x / scale, digits))} | ${signed(c.bias, 2)} | ${three(c.relative, (x) => signed(x, 2))} | ${c.modelFills} | ${percent(c.falseFills)} | ${percent(c.missedFills)} | ${signed(c.fillBiasS, 1)} | ${c.fillsAtOtherTimes} | ${three(c.fillErrorS, (x) => signed(x, 1))} |`,
    );
  }
  lines.push("");
  if (plan === CURVES_OF)
    curves = [
      { name: "true", share: meanAhead(truth) },
      ...byModel.map((m) => ({ name: m.name, share: meanAhead(m.trials) })),
    ];
}
const table = lines.join("\n");
process.stdout.write(`${table}\n`);

if (values.out !== undefined) {
  const page = join(values.out, "queue-models.md");
  const old = existsSync(page) ? readFileSync(page, "utf8") : `${BEGIN}\n${END}\n`;
  const from = old.indexOf(BEGIN);
  const to = old.indexOf(END);
  if (from < 0 || to < from) throw new Error(`${page}: the lines "${BEGIN}" and "${END}" are missing`);
  writeFileSync(page, `${old.slice(0, from + BEGIN.length)}\n\n${table}${old.slice(to)}`);
  writeFileSync(
    join(values.out, "queue-models.svg"),
    plotSvg(boxes, curves, CURVES_OF.sampleMs / 1000, CURVES_OF.name),
  );
  process.stdout.write(`wrote ${page} and queue-models.svg\n`);
}
