/**
 * Virtual orders in an order-level recording: where they truly stand and when they truly fill, against what a queue model makes
 * of the same recording seen as totals and prints.
 */
import { Side } from "../../src/domain/index.js";
import { type QueueModelSpec, queueModel, TapeBook } from "../../src/sim/index.js";
import { BookOrder, bookView } from "../../src/sim/matching.js";
import type { OrderEventRow } from "./order-level.js";

/**
 * Where orders are placed, from the touch: levels are displayed ones; `inside` improves the touch by a tick; `largest` is the
 * level with the most size of the first ten, where queues are longest.
 */
export const PLACES = ["inside", "touch", "one behind", "two behind", "largest"] as const;
export type Place = (typeof PLACES)[number];

export interface StudyPlan {
  readonly name: string;
  readonly events: readonly OrderEventRow[];
  readonly startMs: number;
  /** An order not filled by then is taken away. */
  readonly horizonMs: number;
  /** Orders of one place are begun so often; several horizons may overlap. */
  readonly everyMs: number;
  readonly sampleMs: number;
  readonly szLots: number;
  readonly lotName: string;
}

/** One virtual order in one world. */
export interface Trial {
  readonly place: Place;
  readonly side: Side;
  readonly atMs: number;
  /** Recorded size before it on arrival. */
  readonly initialLots: number;
  /** Size ahead at each sample time; NaN once filled. */
  readonly aheadLots: Float64Array;
  /** Milliseconds after placement; NaN: never within the horizon. */
  filledMs: number;
}

const NO_ORDER = -1;

/** Prices of every trial, from the recorded market alone: what a trial takes of it must not move the next one. */
export type Prices = ReadonlyMap<number, Readonly<Record<Place, readonly [bid: number, ask: number]>>>;

const startsOf = (plan: StudyPlan): number[] => {
  const starts: number[] = [];
  const endMs = plan.events.at(-1)!.tMs;
  for (let t = plan.startMs; t + plan.horizonMs <= endMs; t += plan.everyMs) starts.push(t);
  return starts;
};

export function pricesOf(plan: StudyPlan): Prices {
  const book = new TapeBook(queueModel({ kind: "l3" }));
  const view = bookView(20);
  const prices = new Map<number, Record<Place, readonly [number, number]>>();
  const starts = startsOf(plan);
  let next = 0;
  for (const e of plan.events) {
    for (; next < starts.length && starts[next]! <= e.tMs; next++) {
      book.view(view, 20);
      const at = (place: Place): readonly [number, number] => [
        priceOf(view, Side.Buy, place),
        priceOf(view, Side.Sell, place),
      ];
      prices.set(starts[next]!, {
        inside: at("inside"),
        touch: at("touch"),
        "one behind": at("one behind"),
        "two behind": at("two behind"),
        largest: at("largest"),
      });
    }
    book.applyOrder(e.type, e.oid, e.side, e.pxTicks, e.szLots, e.tMs, () => {});
  }
  return prices;
}

/** All trials of one place and side under one model, in order of their beginning; trials without a place are left out. */
export function runTrials(plan: StudyPlan, prices: Prices, spec: QueueModelSpec, place: Place): Trial[] {
  const all = startsOf(plan);
  const phases = Math.max(1, Math.ceil(plan.horizonMs / plan.everyMs));
  const trials: Trial[] = [];
  // Orders of one phase follow each other, so that no two of one side are ever in one book: they would fill each other's prints.
  for (let phase = 0; phase < phases; phase++) {
    const starts = all.filter((_, i) => i % phases === phase);
    if (starts.length > 0) trials.push(...runPhase(plan, prices, spec, place, starts));
  }
  return trials;
}

function runPhase(
  plan: StudyPlan,
  prices: Prices,
  spec: QueueModelSpec,
  place: Place,
  starts: readonly number[],
): Trial[] {
  const book = new TapeBook(queueModel(spec));
  const trials: Trial[] = [];
  const samples = Math.floor(plan.horizonMs / plan.sampleMs);
  let live: { readonly order: BookOrder; readonly trial: Trial }[] = [];
  let nextStart = 0;
  let sampled = 0;
  let nowMs = 0;
  let oid = 0;
  const onFill = (order: BookOrder): void => {
    if (order.szLots > 0) return;
    const hit = live.find((l) => l.order === order);
    if (hit !== undefined) hit.trial.filledMs = nowMs - hit.trial.atMs;
  };
  const begin = (atMs: number): void => {
    for (const l of live) if (l.order.szLots > 0) book.remove(l.order);
    live = [];
    sampled = 0;
    for (const [i, side] of [Side.Buy, Side.Sell].entries()) {
      const pxTicks = prices.get(atMs)![place][i]!;
      if (pxTicks === NO_ORDER) continue;
      const order = new BookOrder(++oid, 1, side, pxTicks, plan.szLots);
      book.rest(order);
      const trial: Trial = {
        place,
        side,
        atMs,
        initialLots: order.queueAheadLots,
        aheadLots: new Float64Array(samples).fill(Number.NaN),
        filledMs: Number.NaN,
      };
      live.push({ order, trial });
      trials.push(trial);
    }
  };
  /** Time moves on to `untilMs`, before what happens then. */
  const pass = (untilMs: number): void => {
    for (;;) {
      const startAt = starts[nextStart] ?? Number.POSITIVE_INFINITY;
      const current = starts[nextStart - 1];
      const sampleAt =
        current !== undefined && sampled < samples
          ? current + (sampled + 1) * plan.sampleMs
          : Number.POSITIVE_INFINITY;
      if (Math.min(startAt, sampleAt) > untilMs) return;
      if (sampleAt <= startAt) {
        for (const l of live) {
          if (l.order.szLots > 0) l.trial.aheadLots[sampled] = l.order.queueAheadLots;
        }
        sampled++;
      } else {
        begin(startAt);
        nextStart++;
      }
    }
  };
  for (const e of plan.events) {
    pass(e.tMs);
    const lastEnd = starts.at(-1)! + plan.horizonMs;
    if (e.tMs > lastEnd) break;
    nowMs = e.tMs;
    book.applyOrder(e.type, e.oid, e.side, e.pxTicks, e.szLots, e.tMs, onFill);
  }
  return trials;
}

function priceOf(view: ReturnType<typeof bookView>, side: Side, place: Place): number {
  const [count, px, sz] =
    side === Side.Buy
      ? [view.bidCount, view.bidPxTicks, view.bidSzLots]
      : [view.askCount, view.askPxTicks, view.askSzLots];
  const opposite = side === Side.Buy ? view.askPxTicks[0]! : view.bidPxTicks[0]!;
  if (view.bidCount < 3 || view.askCount < 3 || view.bidPxTicks[0]! >= view.askPxTicks[0]!) return NO_ORDER;
  if (place === "inside") {
    const px1 = px[0]! + side;
    return side * px1 < side * opposite ? px1 : NO_ORDER;
  }
  if (place === "largest") {
    let best = 0;
    for (let i = 1; i < Math.min(10, count); i++) if (sz[i]! > sz[best]!) best = i;
    return px[best]!;
  }
  const level = place === "touch" ? 0 : place === "one behind" ? 1 : 2;
  return level < count ? px[level]! : NO_ORDER;
}

export interface Quantiles {
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
}

/** How one model did against the truth over the same trials. */
export interface Comparison {
  readonly orders: number;
  readonly samples: number;
  /**
   * Modelled less true size ahead, positive is pessimistic: over samples whose true queue has moved, and in which something
   * is still ahead in one world at least.
   */
  readonly biasLots: number;
  readonly lots: Quantiles;
  /** The same as share of the queue on arrival. */
  readonly bias: number;
  readonly relative: Quantiles;
  readonly trueFills: number;
  readonly modelFills: number;
  /** Share of the model's fills that did not happen, and of the true fills that the model missed. */
  readonly falseFills: number;
  readonly missedFills: number;
  /** Modelled less true time of fill, seconds, of orders that fill in both; the quantiles are of those whose times differ. */
  readonly fillBiasS: number;
  readonly fillErrorS: Quantiles;
  readonly fillsAtOtherTimes: number;
}

export function compare(truth: readonly Trial[], model: readonly Trial[]): Comparison {
  if (truth.length !== model.length) throw new Error("trials of two worlds do not pair up");
  const lots: number[] = [];
  const relative: number[] = [];
  let orders = 0;
  const fillErrors: number[] = [];
  let trueFills = 0;
  let modelFills = 0;
  let both = 0;
  for (const [i, t] of truth.entries()) {
    const m = model[i]!;
    if (m.atMs !== t.atMs || m.side !== t.side)
      throw new Error(`trial ${i} is not the same order in both worlds`);
    // The order before took from the display in one world and not in the other.
    if (m.initialLots !== t.initialLots) continue;
    orders++;
    const isTrue = !Number.isNaN(t.filledMs);
    const isModelled = !Number.isNaN(m.filledMs);
    trueFills += Number(isTrue);
    modelFills += Number(isModelled);
    if (isTrue && isModelled) {
      both++;
      fillErrors.push((m.filledMs - t.filledMs) / 1000);
    }
    for (const [k, ahead] of t.aheadLots.entries()) {
      // Filled in one world only: nothing is ahead of it there.
      const modelled = m.aheadLots[k]!;
      if (Number.isNaN(ahead) && Number.isNaN(modelled)) break;
      const isOpen = modelled > 0 || ahead > 0;
      if (t.initialLots <= 0 || ahead === t.initialLots || !isOpen) continue;
      const error = (Number.isNaN(modelled) ? 0 : modelled) - (Number.isNaN(ahead) ? 0 : ahead);
      lots.push(error);
      relative.push(error / t.initialLots);
    }
  }
  return {
    orders,
    samples: lots.length,
    biasLots: mean(lots),
    lots: quantiles(lots),
    bias: mean(relative),
    relative: quantiles(relative),
    trueFills,
    modelFills,
    falseFills: modelFills === 0 ? Number.NaN : (modelFills - both) / modelFills,
    missedFills: trueFills === 0 ? Number.NaN : (trueFills - both) / trueFills,
    fillBiasS: mean(fillErrors),
    fillErrorS: quantiles(fillErrors.filter((e) => e !== 0)),
    fillsAtOtherTimes: fillErrors.filter((e) => e !== 0).length,
  };
}

/** Mean share of the arriving queue still ahead, by time since placement; filled orders have none. Only orders behind a queue. */
export function meanAhead(trials: readonly Trial[]): number[] {
  const queued = trials.filter((t) => t.initialLots > 0);
  const n = queued[0]?.aheadLots.length ?? 0;
  return Array.from({ length: n }, (_, k) =>
    mean(
      queued.map((t) => (Number.isNaN(t.aheadLots[k]!) ? 0 : Math.min(1, t.aheadLots[k]! / t.initialLots))),
    ),
  );
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((a, b) => a + b, 0) / values.length;
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
  return { p10: at(0.1), p50: at(0.5), p90: at(0.9) };
}
