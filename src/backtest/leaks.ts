/**
 * Leak tests: four claims that hold for any honest backtest and fail for one that knows its future, and one that it is repeatable.
 * Each becomes a badge of the report, with the figures that decided.
 *
 * What can be proved is demanded exactly (same bytes twice, truncated future, fees). What cannot (later data, more latency: on a short
 * tape the slower run can be the luckier one) is judged against the standard error of the paired difference in profit: the two
 * runs' equity changes in the same intervals of time, subtracted. Up to one standard error passes, up to three is a warning.
 */
import { Rng } from "../domain/index.js";
import { DEFAULT_LATENCY, type Dist, type FeedDist, type LatencySpec, type OrderDist } from "./latency.js";
import type { Badge, BadgeStatus } from "./report/index.js";
import { type BacktestOptions, type BacktestResult, REALISTIC_FEES, runBacktest } from "./run.js";
import { JournalTrace } from "./trace.js";
import { TapeWindow } from "./window.js";

export interface LeakTestOptions {
  /** The run to be tested, as it was made. */
  readonly backtest: BacktestOptions;
  /** Its result, when it is there already: it is then compared with a second run, instead of making two. */
  readonly base?: BacktestResult;
  /** Shares of the run at which its future is cut off. */
  readonly cuts?: readonly number[];
  /** By how much data comes later, and earlier, ms. */
  readonly shiftMs?: number;
  /** Added to each way, ms. */
  readonly moreLatencyMs?: readonly number[];
  /** Added to both fees. */
  readonly moreFeeBps?: number;
  readonly onProgress?: (done: number, of: number, what: string) => void;
  /** Makes the runs; tests hand in one that leaks. */
  readonly run?: (o: BacktestOptions) => Promise<BacktestResult>;
}

const PASS_ERRORS = 1;
const FAIL_ERRORS = 3;
/** Of a fee: the exchange's books are in millionths of a dollar. */
const ROUNDING_USD = 1e-6;

/**
 * Puts a backtest to the tests that a run which knows its future fails. Makes about a dozen runs, one after the other.
 * @throws What the runs throw.
 */
export async function leakTests(o: LeakTestOptions): Promise<Badge[]> {
  return await new LeakTests(o).all();
}

class LeakTests {
  private readonly run: (o: BacktestOptions) => Promise<BacktestResult>;
  private readonly cuts: readonly number[];
  private readonly shiftMs: number;
  private readonly moreLatencyMs: readonly number[];
  private readonly moreFeeBps: number;
  private readonly runs: number;
  private done = 0;

  constructor(private readonly o: LeakTestOptions) {
    this.run = o.run ?? runBacktest;
    this.cuts = o.cuts ?? [0.35, 0.7];
    this.shiftMs = o.shiftMs ?? 1000;
    this.moreLatencyMs = o.moreLatencyMs ?? [50, 200, 1000];
    this.moreFeeBps = o.moreFeeBps ?? 1;
    const isTapeFeed = (o.backtest.latency ?? DEFAULT_LATENCY).feed.kind === "tape";
    const bases = (o.base === undefined ? 2 : 1) + (isTapeFeed ? 0 : 1);
    this.runs = bases + this.cuts.length + 2 + this.moreLatencyMs.length + 2;
  }

  async all(): Promise<Badge[]> {
    const trace = new JournalTrace();
    const base = this.o.base ?? (await this.make("the run itself", {}));
    const again = await this.make("the run again", { tap: trace });
    return [
      determinism(base, again),
      await this.truncatedFuture(again, trace),
      await this.shift(again),
      await this.latency(again),
      await this.fees(again),
    ];
  }

  private async make(what: string, change: Partial<BacktestOptions>): Promise<BacktestResult> {
    this.o.onProgress?.(this.done, this.runs, what);
    const { journal: _journal, onProgress: _onProgress, log: _log, ...base } = this.o.backtest;
    const result = await this.run({ ...base, ...change });
    this.done++;
    return result;
  }

  /** The run on a tape that ends early must be the beginning of the whole run, to the byte. */
  private async truncatedFuture(base: BacktestResult, whole: JournalTrace): Promise<Badge> {
    const label = "truncated future";
    const id = "truncated-future";
    const { fromMs, toMs } = spanMs(base);
    const figures: { name: string; value: string }[] = [];
    let compared = 0;
    let leak = "";
    for (const share of this.cuts) {
      const cutMs = Math.floor(fromMs + share * (toMs - fromMs));
      const trace = new JournalTrace();
      await this.make(`the tape cut at ${Math.round(share * 100)} %`, { toMs: cutMs, tap: trace });
      const untilNs = lastExchangeNs(this.o.backtest, cutMs);
      const records = whole.countBefore(untilNs);
      const differsNs = trace.firstDifference(whole, untilNs);
      compared += records;
      figures.push({
        name: `cut at ${Math.round(share * 100)} %`,
        value:
          differsNs === undefined ? `${records} records the same` : `differs after ${seconds(differsNs)}`,
      });
      if (differsNs !== undefined)
        leak ||= `${seconds(differsNs)} into the tape, before its end at ${seconds(untilNs)}`;
    }
    if (leak !== "")
      return badge(
        id,
        label,
        "fail",
        `Cutting the future off changes the past: first difference ${leak}.`,
        figures,
      );
    if (compared === 0)
      return badge(
        id,
        label,
        "none",
        "The run sent and received nothing before the cut: nothing to compare.",
        figures,
      );
    return badge(
      id,
      label,
      "pass",
      `With the tape cut off, everything sent and received before the cut is the same to the byte (${compared} records).`,
      figures,
    );
  }

  /** Data that comes later must not help; data from the future should, or this test could not have seen a leak. */
  private async shift(given: BacktestResult): Promise<Badge> {
    const label = "time shift";
    const id = "time-shift";
    const { shiftMs } = this;
    const latency = this.o.backtest.latency ?? DEFAULT_LATENCY;
    // A feed drawn from a distribution counts from the exchange's stamps and would move with them.
    const feed: FeedDist = latency.feed.kind === "tape" ? latency.feed : { kind: "tape", floorMs: 5 };
    const fixed = { latency: { ...latency, feed } };
    const base = latency.feed.kind === "tape" ? given : await this.make("the feed as recorded", fixed);
    const shift = this.o.backtest.shiftMs ?? 0;
    const later = await this.make(`data ${shiftMs} ms later`, { ...fixed, shiftMs: shift + shiftMs });
    const early = await this.make(`data ${shiftMs} ms early`, { ...fixed, shiftMs: shift - shiftMs });
    const figures = [
      outcome("as recorded", base),
      outcome(`${shiftMs} ms later`, later),
      outcome(`${shiftMs} ms into the future`, early),
    ];
    if (areEmpty([base, later, early])) return noFills(id, label, figures);
    if ([base, later, early].some(isKilled)) return wasKilled(id, label, figures);
    const worse = pairedGain(base, later);
    const better = pairedGain(base, early);
    const said = `Data ${shiftMs} ms later: ${gainText(worse)}; a look ${shiftMs} ms ahead: ${gainText(better)}.`;
    const status = judge([worse]);
    if (status !== "pass") return badge(id, label, status, `${said} Later data must not help.`, figures);
    if (better.gainUsd < 0)
      return badge(
        id,
        label,
        "warn",
        `${said} The look ahead did not help, so this tape is too short or too quiet for the test to see a leak.`,
        figures,
      );
    return badge(id, label, "pass", said, figures);
  }

  private async latency(base: BacktestResult): Promise<Badge> {
    const label = "more latency";
    const id = "more-latency";
    const latency = this.o.backtest.latency ?? DEFAULT_LATENCY;
    const slower: BacktestResult[] = [];
    for (const ms of this.moreLatencyMs)
      slower.push(await this.make(`${ms} ms more latency`, { latency: slowed(latency, ms) }));
    const figures = [
      outcome("as assumed", base),
      ...slower.map((r, i) => outcome(`+${this.moreLatencyMs[i]} ms each way`, r)),
    ];
    if (areEmpty([base, ...slower])) return noFills(id, label, figures);
    // A run that the kill switch ended lost no more: that is not a gain of being slow.
    const whole = slower.map((r, i) => ({ r, ms: this.moreLatencyMs[i] })).filter(({ r }) => !isKilled(r));
    if (isKilled(base) || whole.length === 0) return wasKilled(id, label, figures);
    const gains = whole.map(({ r }) => pairedGain(base, r));
    const left = slower.length - whole.length;
    const said =
      gains.map((g, i) => `+${whole[i]!.ms} ms: ${gainText(g)}`).join("; ") +
      (left === 0 ? "" : `; ${left} ended by the kill switch and not compared`);
    const status = judge(gains);
    const verdict =
      status === "pass"
        ? "None helps beyond one standard error."
        : status === "warn"
          ? "One helps by more than a standard error, which a short tape can do by chance; below three it proves nothing."
          : "One helps by more than three standard errors: the run gains by being slow.";
    return badge(id, label, status, `${said}. ${verdict}`, figures);
  }

  /**
   * With its quotes pinned (the engine believes the old fee, the exchange charges the new one) the same fills must happen,
   * and the profit must fall by volume × difference. Unpinned, the engine quotes wider for a higher fee: shown, not judged.
   */
  private async fees(base: BacktestResult): Promise<Badge> {
    const label = "higher fees";
    const id = "higher-fees";
    const { moreFeeBps } = this;
    const fees = this.o.backtest.fees ?? REALISTIC_FEES;
    const higher = { makerBps: fees.makerBps + moreFeeBps, takerBps: fees.takerBps + moreFeeBps };
    const quotedMakerBps = this.o.backtest.quotedMakerBps ?? fees.makerBps;
    const pinned = await this.make(`fees ${moreFeeBps} bps higher, quotes pinned`, {
      fees: higher,
      quotedMakerBps,
    });
    const aware = await this.make(`fees ${moreFeeBps} bps higher`, { fees: higher });
    const figures = [
      outcome("as assumed", base),
      outcome(`+${moreFeeBps} bps, quotes pinned`, pinned),
      outcome(`+${moreFeeBps} bps, quotes free`, aware),
    ];
    if (areEmpty([base, pinned])) return noFills(id, label, figures);
    const wasCut = isKilled(base) || isKilled(pinned);
    const a = base.series.fills;
    const b = pinned.series.fills;
    const compared = wasCut ? Math.min(a.length, b.length) : Math.max(a.length, b.length);
    for (let i = 0; i < compared; i++) {
      const [x, y] = [a[i], b[i]];
      if (x?.tMs === y?.tMs && x?.px === y?.px && x?.sz === y?.sz && x?.side === y?.side) continue;
      return badge(
        id,
        label,
        "fail",
        `With quotes pinned, fill ${i + 1} is another one: the fee changed what was traded.`,
        figures,
      );
    }
    const expectedUsd = (b.reduce((sum, f) => sum + f.px * f.sz, 0) * moreFeeBps) / 1e4;
    const foundUsd = base.summary.netPnlUsd - pinned.summary.netPnlUsd;
    if (wasCut)
      return badge(
        id,
        label,
        "warn",
        `The same ${compared} fills until the kill switch ended a run; profits cannot be compared beyond.`,
        figures,
      );
    const isExact = Math.abs(foundUsd - expectedUsd) <= ROUNDING_USD * (compared + 1);
    return badge(
      id,
      label,
      isExact ? "pass" : "fail",
      `With quotes pinned, ${compared} fills are the same and net profit falls by ${usd(foundUsd)}; volume × ${moreFeeBps} bps is ${usd(expectedUsd)}.`,
      figures,
    );
  }
}

function determinism(base: BacktestResult, again: BacktestResult): Badge {
  const [a, b] = [base.summary.journalSha256, again.summary.journalSha256];
  const figures = [
    { name: "first run", value: a.slice(0, 16) },
    { name: "second run", value: b.slice(0, 16) },
  ];
  return a === b
    ? badge(
        "determinism",
        "same bytes twice",
        "pass",
        `Run twice: the same journal of ${base.summary.journalRecords} records.`,
        figures,
      )
    : badge("determinism", "same bytes twice", "fail", "Run twice: two different journals.", figures);
}

function badge(
  id: string,
  label: string,
  status: BadgeStatus,
  detail: string,
  figures: Badge["figures"],
): Badge {
  return { id, label, status, detail, figures };
}

const noFills = (id: string, label: string, figures: Badge["figures"]): Badge =>
  badge(id, label, "none", "No fills in any of the runs: nothing to compare.", figures);

const wasKilled = (id: string, label: string, figures: Badge["figures"]): Badge =>
  badge(id, label, "none", "The kill switch ended a run early: profits cannot be compared.", figures);

const isKilled = (r: BacktestResult): boolean => r.summary.killReason !== null;

const areEmpty = (results: readonly BacktestResult[]): boolean =>
  results.every((r) => r.series.fills.length === 0);

function outcome(name: string, r: BacktestResult): { name: string; value: string } {
  const { netPnlUsd, fills, killReason } = r.summary;
  return {
    name,
    value: `net ${usd(netPnlUsd)}, ${fills} fills${killReason === null ? "" : `, killed: ${killReason}`}`,
  };
}

const usd = (x: number): string => `${x < 0 ? "−" : ""}$${Math.abs(x).toFixed(2)}`;
const seconds = (ns: number): string => `${(ns / 1e9).toFixed(3)} s`;
const gainText = (g: Gain): string =>
  `${g.gainUsd > 0 ? "+" : ""}${usd(g.gainUsd)} (standard error ${usd(g.errorUsd)})`;

function spanMs(r: BacktestResult): { fromMs: number; toMs: number } {
  return { fromMs: Date.parse(r.summary.from), toMs: Date.parse(r.summary.to) };
}

export interface Gain {
  readonly gainUsd: number;
  /** Of the gain, from the paired differences. */
  readonly errorUsd: number;
}

/** What `other` earned more than `base`, and how much of that may be chance. */
export function pairedGain(base: BacktestResult, other: BacktestResult): Gain {
  const { fromMs, toMs } = spanMs(base);
  const steps = Math.max(2, Math.min(60, Math.floor((toMs - fromMs) / 1000)));
  const at = (r: BacktestResult): ((ms: number) => number) => {
    const { tMs, equityUsd } = r.series;
    const offsetMs = Date.parse(r.summary.from);
    let i = 0;
    return (ms) => {
      while (i + 1 < tMs.length && offsetMs + tMs[i + 1]! <= ms) i++;
      return equityUsd[i] ?? r.summary.equityStartUsd;
    };
  };
  const [a, b] = [at(base), at(other)];
  const differences: number[] = [];
  let last = b(fromMs) - a(fromMs);
  for (let k = 1; k <= steps; k++) {
    const ms = fromMs + ((toMs - fromMs) * k) / steps;
    const now = b(ms) - a(ms);
    differences.push(now - last);
    last = now;
  }
  const mean = differences.reduce((x, y) => x + y, 0) / steps;
  const variance = differences.reduce((x, d) => x + (d - mean) ** 2, 0) / (steps - 1);
  return {
    gainUsd: other.summary.netPnlUsd - base.summary.netPnlUsd,
    errorUsd: Math.sqrt(variance * steps),
  };
}

function judge(gains: readonly Gain[]): BadgeStatus {
  const worst = Math.max(...gains.map((g) => (g.gainUsd <= 0 ? 0 : g.gainUsd / g.errorUsd)));
  return worst <= PASS_ERRORS ? "pass" : worst <= FAIL_ERRORS ? "warn" : "fail";
}

/** Every way slower by so much; a distribution keeps its shape around its later median. */
function slowed(latency: LatencySpec, ms: number): LatencySpec {
  const slow = (d: Dist): Dist =>
    d.kind === "constant"
      ? { ...d, ms: d.ms + ms }
      : d.kind === "lognormal"
        ? { ...d, medianMs: d.medianMs + ms }
        : d.kind === "recorded"
          ? { ...d, samplesMs: d.samplesMs.map((x) => x + ms) }
          : { ...d, ms: d.ms.map((x) => x + ms) };
  const { feed } = latency;
  // What a tape's own orders took is counted against the feed's floor: a later feed alone is an earlier order and a later answer.
  const floorMs = feed.kind === "tape" ? ms : 0;
  const slowOrder = (d: OrderDist, floor: number): OrderDist =>
    d.kind === "tape" ? { ...d, plusMs: d.plusMs + ms + floor } : slow(d);
  return {
    feed: feed.kind === "tape" ? { ...feed, floorMs: feed.floorMs + ms } : slow(feed),
    order: slowOrder(latency.order, floorMs),
    ack: slowOrder(latency.ack, -floorMs),
  };
}

/** When the last record of the cut tape happened: up to then the cut cannot be felt by anyone who sees no future. */
function lastExchangeNs(o: BacktestOptions, cutMs: number): number {
  const latency = o.latency ?? DEFAULT_LATENCY;
  const open = (range: { fromNs?: number; toNs?: number }): TapeWindow =>
    new TapeWindow({
      paths: o.tapes,
      feed: latency.feed,
      rng: new Rng(o.seed),
      shiftNs: (o.shiftMs ?? 0) * 1e6,
      ...range,
    });
  const first = open({ toNs: -1 });
  const baseMs = first.baseWallMs;
  first.close();
  const window = open({
    toNs: (cutMs - baseMs) * 1e6,
    ...(o.fromMs === undefined ? {} : { fromNs: (o.fromMs - baseMs) * 1e6 }),
  });
  let last = 0;
  // Both cursors walk, so that no more blocks are kept than the run itself keeps.
  while (window.exchNs !== Number.POSITIVE_INFINITY) {
    last = window.exchNs;
    window.nextExch();
    while (window.localNs < window.exchNs && window.localNs !== Number.POSITIVE_INFINITY) window.nextLocal();
  }
  window.close();
  return last;
}
