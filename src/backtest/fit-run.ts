import { readFileSync } from "node:fs";
import * as abi from "../abi/layout.js";
import { pow10, Side } from "../domain/index.js";
import type { RunFacts, RunOrderUpdate } from "../engine/journal-facts.js";
import type { QueueModelSpec } from "../sim/index.js";
import { RecordCursor, TapeError, TapeFileReader, type TapeMeta } from "../store/index.js";
import {
  type FittedDist,
  type FittedQueue,
  fitDelay,
  fitQueue,
  type QueueStep,
  type QueueTrace,
} from "./fit.js";
import { DEFAULT_LATENCY, type LatencySpec, type OrderDist } from "./latency.js";
import { distText as latencyText } from "./report/latency-figures.js";

/** Models of a run, as the file for `--fitted` holds them. A part that could not be fitted is null: the default stands. */
export interface FittedModels {
  readonly format: "market-maker-fitted-1";
  readonly fittedAt: string;
  readonly runId: string;
  readonly network: string;
  readonly coins: readonly string[];
  readonly from: string;
  readonly to: string;
  /** What the numbers mean, for people. */
  readonly assumptions: readonly string[];
  readonly latency: {
    /** Market data beyond its fastest message. */
    readonly feed: FittedDist | null;
    readonly order: FittedDist | null;
    readonly ack: FittedDist | null;
  };
  readonly queue: FittedQueue | null;
  /** Of a paper run: what its exchange was told, which needs no fitting. */
  readonly assumed?: { readonly order: OrderDist; readonly ack: OrderDist; readonly queue: QueueModelSpec };
}

const ONE_WAY =
  "one-way times are measured on a clock on which the fastest market-data message takes no time: orders take that much less in truth, answers that much more";
const WHOLE_MS = "the venue stamps whole milliseconds: half of one is added";
const AT_ARRIVAL =
  "the queue at arrival is what the newest book before showed at the price; own orders are taken out of the books of a live venue";
const ON_PAPER =
  "a paper run: latencies of orders and answers are what its exchange assumed, and its queue follows from the model it assumed";
/** As the paper exchange caps it. */
const PAPER_LAG_MAX_MS = 2_000;

/** One price level of one side at a time of the venue's. */
interface BookEvent {
  readonly exchMs: number;
  readonly kind: "book" | "bbo" | "trade";
  /** Prices in ticks and sizes in lots, best first; of a trade the one print. */
  readonly bids: readonly (readonly [number, number])[];
  readonly asks: readonly (readonly [number, number])[];
  readonly side: Side;
  /** Of a trade; 0: not known. */
  readonly tid: number;
}

/** The market of one coin as the venue had it, by its own time, and receive delays. */
export interface TapeMarket {
  readonly events: readonly BookEvent[];
  /** Receive minus exchange time beyond the fastest, ms. */
  readonly delaysMs: readonly number[];
  /** Added to the venue's time to get ours, ms. */
  readonly clockOffsetMs: number;
  /** See `TapeMeta.ownOrders`. */
  readonly ownOrders: TapeMeta["ownOrders"];
}

/** Reads one coin of a tape whole: for minutes to hours. @throws {TapeError} */
export function readTapeMarket(path: string, coin: string): TapeMarket {
  const reader = new TapeFileReader(path);
  try {
    const listing = reader.meta.instruments.find((i) => i.coin === coin);
    if (listing === undefined) throw new TapeError("coin_not_in_tape", `${path} does not hold ${coin}`);
    const pxScale = pow10(listing.pxDecimals);
    const szScale = pow10(listing.szDecimals);
    const baseMs = Number(BigInt(reader.meta.baseWallNs) / 1_000_000n);
    const offsetMs = (reader.meta.clockOffsetNs ?? 0) / 1e6;
    const events: BookEvent[] = [];
    const delaysMs: number[] = [];
    const cursor = new RecordCursor();
    for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
      cursor.load(block);
      while (cursor.next()) {
        if (cursor.asset !== listing.asset || cursor.kind > abi.RecordKind.Bbo) continue;
        const { f64, u8, i32, i64 } = block;
        const { at } = cursor;
        const word = at >> 2;
        const exchMs = (i32[word + 1]! * 4294967296 + (i32[word]! >>> 0)) / 1e6;
        const recvMs = baseMs + f64[(at + 8) >> 3]! / 1e6;
        const level = (px: number, sz: number): readonly [number, number] => [
          Math.round(px * pxScale),
          Math.round(sz * szScale),
        ];
        if (cursor.kind === abi.RecordKind.Trade) {
          if ((u8[at + abi.TRADE_FLAGS]! & abi.TradeFlag.Backlog) !== 0) continue;
          const print = [level(f64[(at + abi.TRADE_PX) >> 3]!, f64[(at + abi.TRADE_SZ) >> 3]!)];
          const side = u8[at + abi.TRADE_SIDE] === 1 ? Side.Buy : Side.Sell;
          const tid = Number(i64[(at + abi.TRADE_TID) >> 3]!);
          events.push({ exchMs, kind: "trade", bids: print, asks: print, side, tid });
          delaysMs.push(recvMs - exchMs - offsetMs);
        } else if (cursor.kind === abi.RecordKind.Bbo) {
          const one = (px: number, sz: number): (readonly [number, number])[] =>
            f64[(at + sz) >> 3]! > 0 ? [level(f64[(at + px) >> 3]!, f64[(at + sz) >> 3]!)] : [];
          events.push({
            exchMs,
            kind: "bbo",
            bids: one(abi.BBO_BID_PX, abi.BBO_BID_SZ),
            asks: one(abi.BBO_ASK_PX, abi.BBO_ASK_SZ),
            side: Side.Buy,
            tid: 0,
          });
          delaysMs.push(recvMs - exchMs - offsetMs);
        } else {
          const many = (from: number, count: number): (readonly [number, number])[] =>
            Array.from({ length: count }, (_, i) => {
              const l = (at + from + i * abi.LEVEL_SIZE) >> 3;
              return level(f64[l + (abi.LEVEL_PX >> 3)]!, f64[l + (abi.LEVEL_SZ >> 3)]!);
            });
          events.push({
            exchMs,
            kind: "book",
            bids: many(abi.BOOK_BIDS, u8[at + abi.BOOK_BID_COUNT]!),
            asks: many(abi.BOOK_ASKS, u8[at + abi.BOOK_ASK_COUNT]!),
            side: Side.Buy,
            tid: 0,
          });
          delaysMs.push(recvMs - exchMs - offsetMs);
        }
      }
    }
    // Within one moment the prints come first: the book that is stamped with it shows what they left.
    const rank = { trade: 0, bbo: 1, book: 1 } as const;
    events.sort((a, b) => a.exchMs - b.exchMs || rank[a.kind] - rank[b.kind]);
    return { events, delaysMs, clockOffsetMs: offsetMs, ownOrders: reader.meta.ownOrders };
  } finally {
    reader.close();
  }
}

/** Delays of orders on their way there and of answers on their way back, ms. */
export function orderDelays(
  facts: RunFacts,
  clockOffsetMs: number,
): { readonly order: number[]; readonly ack: number[] } {
  const opened = new Map<string, RunOrderUpdate>();
  for (const u of facts.updates) if (u.cloid !== undefined && !opened.has(u.cloid)) opened.set(u.cloid, u);
  const order: number[] = [];
  const ack: number[] = [];
  for (const request of facts.requests) {
    // The orders of a batch are matched together: one sample each would count one packet many times.
    const update = request.cloids.map((c) => opened.get(c)).find((u) => u !== undefined);
    if (update === undefined) continue;
    const thereMs = update.exchMs + 0.5 + clockOffsetMs;
    order.push(thereMs - request.sentMs);
    if (!Number.isNaN(request.answeredMs)) ack.push(request.answeredMs - thereMs);
  }
  return { order, ack };
}

/** What the exchange of a paper run lags behind its feed, on the average: it is kept that far in the past. */
function paperLagMs({ delaysMs }: TapeMarket): number {
  return delaysMs.reduce((sum, ms) => sum + Math.min(PAPER_LAG_MAX_MS, ms), 0) / Math.max(1, delaysMs.length);
}

/** @param isOwnShown our own orders are in the recorded books: a live venue's, recorded as they were. */
export function queueTraces(
  facts: RunFacts,
  coin: string,
  market: TapeMarket,
  isOwnShown: boolean,
): QueueTrace[] {
  const inst = facts.setup.instruments.find((i) => i.coin === coin)!;
  const pxScale = pow10(inst.pxDecimals);
  const szScale = pow10(inst.szDecimals);
  const fills = facts.fills.filter((f) => f.coin === coin && f.isMaker);
  const traces: QueueTrace[] = [];
  // The exchange of a paper run stamps on our clock.
  const shiftMs = facts.setup.paper === undefined ? 0 : market.clockOffsetMs + paperLagMs(market);
  const spans = lifeSpans(facts.updates.filter((u) => u.coin === coin)).map((s) => ({
    ...s,
    fromMs: s.fromMs - shiftMs,
    toMs: s.toMs - shiftMs,
  }));
  for (const { oid, side, px, sz, fromMs, toMs } of spans) {
    const ticks = Math.round(px * pxScale);
    let ours = Math.round(sz * szScale);
    const ownAt = (ms: number): number =>
      isOwnShown
        ? spans
            .filter(
              (s) => s.side === side && Math.round(s.px * pxScale) === ticks && s.fromMs <= ms && s.toMs > ms,
            )
            .reduce((sum, s) => sum + Math.round(s.sz * szScale), 0)
        : 0;
    let ahead = Number.NaN;
    const steps: QueueStep[] = [];
    for (let at = lastBefore(market.events, fromMs); at < market.events.length; at++) {
      const event = market.events[at]!;
      if (event.exchMs > toMs) break;
      const isBefore = event.exchMs < fromMs;
      if (event.kind === "trade") {
        // A buy is hit by sellers.
        if (isBefore || event.side === side || event.bids[0]![0] !== ticks) continue;
        let lots = event.bids[0]![1];
        const tids = [event.tid];
        for (let next = market.events[at + 1]; next !== undefined; next = market.events[at + 1]) {
          if (next.kind !== "trade" || next.exchMs !== event.exchMs || next.bids[0]![0] !== ticks) break;
          lots += next.bids[0]![1];
          tids.push(next.tid);
          at++;
        }
        const filled = fills
          .filter((f) => f.oid === oid && (tids.includes(f.tid) || Math.abs(f.exchMs - event.exchMs) < 1))
          .reduce((sum, f) => sum + Math.round(f.sz * szScale), 0);
        if (!Number.isNaN(ahead) && ours > 0)
          steps.push({ kind: "trade", lots, filledLots: Math.min(filled, ours), ourLots: ours });
        ours -= Math.min(filled, ours);
        continue;
      }
      const shown = displayed(side === Side.Buy ? event.bids : event.asks, ticks, side, event.kind);
      if (shown === undefined) continue;
      const others = Math.max(0, shown - (isBefore ? 0 : ownAt(event.exchMs)));
      if (isBefore) ahead = others;
      else if (!Number.isNaN(ahead)) steps.push({ kind: "level", lots: others });
    }
    if (!Number.isNaN(ahead) && steps.some((s) => s.kind === "trade"))
      traces.push({ aheadLots: ahead, steps });
  }
  return traces;
}

/** Size at a price; undefined when the record does not show it. */
function displayed(
  levels: readonly (readonly [number, number])[],
  ticks: number,
  side: Side,
  kind: "book" | "bbo" | "trade",
): number | undefined {
  for (const [px, lots] of levels) if (px === ticks) return lots;
  const first = levels[0];
  const last = levels.at(-1);
  if (first === undefined || last === undefined) return undefined;
  if (side * ticks > side * first[0]) return 0;
  // Behind the touch of a bbo, or behind the last level of a book, nothing is known.
  return kind === "book" && side * ticks > side * last[0] ? 0 : undefined;
}

interface LifeSpan {
  readonly oid: number;
  readonly side: Side;
  readonly px: number;
  readonly sz: number;
  readonly fromMs: number;
  toMs: number;
}

/** When each order rested, by the venue's time. */
function lifeSpans(updates: readonly RunOrderUpdate[]): LifeSpan[] {
  const spans = new Map<number, LifeSpan>();
  for (const u of updates) {
    const span = spans.get(u.oid);
    if (u.status === "open" && span === undefined) {
      const { oid, side, px, sz } = u;
      spans.set(oid, { oid, side, px, sz, fromMs: u.exchMs, toMs: Number.POSITIVE_INFINITY });
    } else if (u.status !== "open" && span !== undefined) span.toMs = Math.min(span.toMs, u.exchMs);
  }
  return [...spans.values()];
}

/** Index of an event some seconds before a time: the newest book before it is among what follows. */
function lastBefore(events: readonly BookEvent[], ms: number): number {
  let lo = 0;
  let hi = events.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (events[mid]!.exchMs < ms - 3_000) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/**
 * Fits everything that a run's journal and the tape made of it can tell.
 * @param nowMs wall clock, for the date in the file.
 */
export function fitRun(facts: RunFacts, runId: string, tapePath: string, nowMs: number): FittedModels {
  const { setup } = facts;
  const markets = setup.instruments.map(({ coin }) => ({ coin, market: readTapeMarket(tapePath, coin) }));
  const offsetMs = markets[0]!.market.clockOffsetMs;
  const { paper } = setup;
  // On paper both ways are what its exchange draws: nothing is measured there.
  const { order, ack } = paper === undefined ? orderDelays(facts, offsetMs) : { order: [], ack: [] };
  const traces = markets.flatMap(({ coin, market }) =>
    queueTraces(facts, coin, market, paper === undefined && market.ownOrders === undefined),
  );
  return {
    format: "market-maker-fitted-1",
    fittedAt: new Date(nowMs).toISOString(),
    runId,
    network: setup.endpoints.name,
    coins: setup.instruments.map((i) => i.coin),
    from: new Date(facts.startMs).toISOString(),
    to: new Date(facts.stopMs).toISOString(),
    assumptions: paper === undefined ? [ONE_WAY, WHOLE_MS, AT_ARRIVAL] : [ON_PAPER, AT_ARRIVAL],
    ...(paper === undefined
      ? {}
      : { assumed: { order: paper.latency.order, ack: paper.latency.ack, queue: paper.queue } }),
    latency: {
      feed: fitDelay(markets.flatMap(({ market }) => market.delaysMs)) ?? null,
      order: fitDelay(order) ?? null,
      ack: fitDelay(ack) ?? null,
    },
    queue: fitQueue(traces) ?? null,
  };
}

/** What a backtest takes of a fitted file. */
export interface LoadedModels {
  readonly latency: LatencySpec;
  readonly queue: QueueModelSpec;
  /** For the report's assumptions, a line each. */
  readonly assumptions: readonly string[];
}

/** @throws {RangeError} naming the file, when it is not one of `market-maker fit`. */
export function loadFitted(path: string): LoadedModels {
  let file: FittedModels;
  try {
    file = JSON.parse(readFileSync(path, "utf8")) as FittedModels;
  } catch (cause) {
    throw new RangeError(
      `${path} cannot be read (${(cause as Error).message}): make one with market-maker fit`,
    );
  }
  if (file?.format !== "market-maker-fitted-1" || typeof file.latency !== "object")
    throw new RangeError(`${path} is not a file of fitted models: make one with market-maker fit`);
  return modelsOf(file);
}

export function modelsOf(file: FittedModels): LoadedModels {
  const { latency, queue, assumed } = file;
  return {
    latency: {
      // The tape that is played has its own delays; a fitted one is for tapes without.
      feed: latency.feed?.chosen ?? DEFAULT_LATENCY.feed,
      order: latency.order?.chosen ?? assumed?.order ?? DEFAULT_LATENCY.order,
      ack: latency.ack?.chosen ?? assumed?.ack ?? DEFAULT_LATENCY.ack,
    },
    queue: queue?.chosen ?? assumed?.queue ?? { kind: "risk-averse" },
    assumptions: [
      `fitted ${file.fittedAt} from ${file.runId} (${file.network}, ${file.from} to ${file.to})`,
      distText("feed", latency.feed),
      ...(["order", "ack"] as const).map((name) =>
        assumed === undefined
          ? distText(name, latency[name])
          : `${name} latency: ${latencyText(assumed[name])}, assumed by the paper run`,
      ),
      queue === null && assumed !== undefined
        ? `queue: too few fills to fit, ${JSON.stringify(assumed.queue)} as the paper run assumed`
        : queueText(queue),
      ...file.assumptions,
    ],
  };
}

function queueText(q: FittedQueue | null): string {
  if (q === null) return "queue: too few fills to fit, risk-averse";
  const evidence = `${q.fills} fills in ${q.observations} prints, log-likelihood ${q.logLikelihood.toFixed(1)} (risk-averse ${q.riskAverseLogLikelihood.toFixed(1)})`;
  return q.nStdError === null
    ? `queue: nothing tells the powers apart, risk-averse; ${evidence}`
    : `queue: power ${q.n.toFixed(2)} ± ${q.nStdError.toFixed(2)} from ${evidence}`;
}

function distText(name: string, d: FittedDist | null): string {
  if (d === null) return `${name} latency: too few samples, the default`;
  const { medianMs, sigma, ks, logLikelihood } = d.lognormal;
  return `${name} latency: ${d.chosen.kind === "lognormal" ? "log-normal" : "as measured (no log-normal)"}, median ${medianMs.toFixed(2)} ms, sigma ${sigma.toFixed(2)}, ${d.samples} samples, KS ${ks.toFixed(3)}, log-likelihood ${logLikelihood.toFixed(1)}`;
}
