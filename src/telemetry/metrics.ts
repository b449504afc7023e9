import { Counter, Gauge, Registry } from "prom-client";
import type { HistogramSnapshot } from "../rings/index.js";
import type { AssetSlot, Board, EngineSlot } from "./board.js";
import { counter, type FeedSources, gauge, registerFeed } from "./feed-metrics.js";
import type { Scrapable } from "./metrics-server.js";
import { registerTape, type TapeSources } from "./tape-metrics.js";

/** Estimates as the gateway thread last saw them; NaN or undefined values are not exported. */
export interface EstimateValues {
  readonly midPx: number;
  readonly microPx: number;
  readonly marketSpreadBps: number;
  readonly bookImbalance: number;
  readonly flowImbalance: number;
  readonly betaBook: number;
  readonly betaFlow: number;
  readonly sigmaEffBps: number;
  readonly jumpRatio: number;
  readonly kappaPerBps: number;
  readonly arrivalPerS: number;
  readonly hawkesBuyPerS: number;
  readonly hawkesSellPerS: number;
  readonly fundingRate: number;
  readonly openInterest: number;
  readonly markPx: number;
  readonly oraclePx: number;
  /** VolRegime. */
  readonly regime: number;
  readonly isWarm: boolean;
  readonly tradeCount: number;
  readonly bucketCount: number;
}

export interface MetricSources extends FeedSources {
  readonly assets: readonly {
    readonly coin: string;
    readonly board: Board<AssetSlot>;
    readonly estimates: () => EstimateValues | undefined;
  }[];
  readonly engine: Board<EngineSlot>;
  readonly stages: readonly { readonly stage: string; readonly snapshot: () => HistogramSnapshot }[];
  /** The run's own tape; undefined: none is written. */
  readonly tape: TapeSources | undefined;
}

/** How one number is exported: name and help are promises of SOP §7.1 where the manual lists them. */
interface AssetMetric {
  readonly name: string;
  readonly help: string;
  readonly isCounter?: true;
  readonly value: (board: Board<AssetSlot>, e: EstimateValues | undefined) => number | undefined;
}

const slot = (name: AssetSlot) => (board: Board<AssetSlot>) => board.get(name);

const ASSET_METRICS: readonly AssetMetric[] = [
  { name: "mm_position", help: "Current position, base units, signed", value: slot("posSz") },
  { name: "mm_max_position", help: "Position limit, base units", value: slot("maxPosSz") },
  {
    name: "mm_inventory_utilization",
    help: "Absolute position over its limit, 0 to 1",
    value: (b) => (b.get("maxPosSz") > 0 ? Math.abs(b.get("posSz")) / b.get("maxPosSz") : 0),
  },
  {
    name: "mm_daily_pnl",
    help: "Session P&L: realised + unrealised - fees + funding, USD",
    value: slot("sessionPnlUsd"),
  },
  { name: "mm_realized_pnl", help: "Closed-trade P&L gross of fees, USD", value: slot("realizedPnlUsd") },
  { name: "mm_unrealized_pnl", help: "Open position marked to mid, USD", value: slot("unrealizedPnlUsd") },
  { name: "mm_fees_usd", help: "Fees paid this session, USD (rebates negative)", value: slot("feesUsd") },
  {
    name: "mm_funding_usd",
    help: "Funding of this session, USD (received positive)",
    value: slot("fundingUsd"),
  },
  { name: "mm_peak_pnl", help: "Session high of the P&L, USD", value: slot("peakPnlUsd") },
  {
    name: "mm_drawdown_pct",
    help: "Fall of P&L from its peak as a fraction of account value (0.02 is 2 %)",
    value: slot("drawdownFraction"),
  },
  { name: "mm_volume_usd_total", help: "Traded notional, USD", isCounter: true, value: slot("volumeUsd") },
  { name: "mm_mid_price", help: "Mid price", value: (_b, e) => e?.midPx },
  { name: "mm_mark_price", help: "Venue mark price", value: (_b, e) => e?.markPx },
  { name: "mm_oracle_price", help: "Venue oracle price", value: (_b, e) => e?.oraclePx },
  { name: "mm_spread_bps", help: "Market bid-ask spread, bps", value: (_b, e) => e?.marketSpreadBps },
  { name: "mm_quoted_spread_bps", help: "Our best bid to our best ask, bps", value: slot("quotedSpreadBps") },
  {
    name: "mm_half_spread_bps",
    help: "Composed half-spread of the quote, bps",
    value: slot("halfSpreadBps"),
  },
  { name: "mm_skew_bps", help: "Inventory skew, bps; positive lowers both quotes", value: slot("skewBps") },
  { name: "mm_gamma_per_bps", help: "Effective risk aversion, per bps", value: slot("gammaPerBps") },
  {
    name: "mm_sigma",
    help: "Volatility, fraction of price per square root of a second",
    value: (_b, e) => (e === undefined ? undefined : e.sigmaEffBps * 1e-4),
  },
  { name: "mm_kappa", help: "Decay of fill intensity with depth, per bps", value: (_b, e) => e?.kappaPerBps },
  {
    name: "mm_arrival_per_s",
    help: "Aggressive orders per second and side",
    value: (_b, e) => e?.arrivalPerS,
  },
  {
    name: "mm_jump_ratio",
    help: "Realised over bipower variation, fast window",
    value: (_b, e) => e?.jumpRatio,
  },
  { name: "mm_hawkes_buy_per_s", help: "Buy trade intensity, 1/s", value: (_b, e) => e?.hawkesBuyPerS },
  { name: "mm_hawkes_sell_per_s", help: "Sell trade intensity, 1/s", value: (_b, e) => e?.hawkesSellPerS },
  {
    name: "mm_microprice_deviation_bps",
    help: "Microprice above mid, bps",
    value: (_b, e) => (e === undefined || e.midPx === 0 ? undefined : (e.microPx / e.midPx - 1) * 1e4),
  },
  { name: "mm_book_imbalance", help: "Book imbalance, -1 to 1", value: (_b, e) => e?.bookImbalance },
  { name: "mm_flow_imbalance", help: "Trade-flow imbalance, -1 to 1", value: (_b, e) => e?.flowImbalance },
  { name: "mm_beta_book", help: "Microprice coefficient of book imbalance", value: (_b, e) => e?.betaBook },
  { name: "mm_beta_flow", help: "Microprice coefficient of flow imbalance", value: (_b, e) => e?.betaFlow },
  { name: "mm_funding_rate", help: "Predicted hourly funding, fraction", value: (_b, e) => e?.fundingRate },
  { name: "mm_open_interest", help: "Open interest, base units", value: (_b, e) => e?.openInterest },
  {
    name: "mm_adverse_selection_bps",
    help: "Running adverse selection of our fills, bps, positive is bad",
    value: slot("adverseSelectionBps"),
  },
  { name: "mm_data_staleness_secs", help: "Age of the newest market data, s", value: slot("stalenessS") },
  { name: "mm_quote_cycle_latency_ms", help: "Last frame to wire time, ms", value: slot("quoteCycleMs") },
  {
    name: "mm_volatility_regime",
    help: "0 normal (or calmer), 1 high, 2 extreme",
    value: (_b, e) => (e === undefined ? undefined : Math.max(0, e.regime - 1)),
  },
  { name: "mm_warm", help: "1 once the estimators are warm", value: (_b, e) => (e?.isWarm ? 1 : 0) },
  { name: "mm_reduce_only", help: "1 while only reducing orders are placed", value: slot("reduceOnly") },
  { name: "mm_orders_open", help: "Own orders believed on the book", value: slot("ordersOpen") },
  { name: "mm_orders_placed_total", help: "Orders placed", isCounter: true, value: slot("ordersPlaced") },
  {
    name: "mm_orders_modified_total",
    help: "Orders modified",
    isCounter: true,
    value: slot("ordersModified"),
  },
  {
    name: "mm_orders_cancelled_total",
    help: "Orders cancelled",
    isCounter: true,
    value: slot("ordersCancelled"),
  },
  {
    name: "mm_orders_rejected_total",
    help: "Orders refused by the venue",
    isCounter: true,
    value: slot("ordersRejected"),
  },
  { name: "mm_orders_filled_total", help: "Fills of own orders", isCounter: true, value: slot("fills") },
  { name: "mm_quotes_total", help: "Ladders acted upon", isCounter: true, value: slot("quotes") },
];

/**
 * Prometheus text of everything above. Reads shared memory only when scraped; nothing on the hot path knows about it.
 *
 * Thread: gateway.
 */
export function createMetrics(sources: MetricSources): Scrapable {
  const registry = new Registry();
  for (const metric of ASSET_METRICS) {
    const definition = { name: metric.name, help: metric.help, labelNames: ["asset"], registers: [registry] };
    if (metric.isCounter === true) {
      new Counter({
        ...definition,
        collect() {
          this.reset();
          eachAsset(sources, metric, (labels, value) => this.inc(labels, value));
        },
      });
    } else {
      new Gauge({
        ...definition,
        collect() {
          this.reset();
          eachAsset(sources, metric, (labels, value) => this.set(labels, value));
        },
      });
    }
  }
  new Gauge({
    name: "mm_kill_switch_triggered",
    help: "0 running, 1 triggered",
    labelNames: ["asset"],
    registers: [registry],
    collect() {
      const value = sources.engine.get("killReason") === 0 ? 0 : 1;
      for (const { coin } of sources.assets) this.set({ asset: coin }, value);
    },
  });
  const engineGauge = (name: string, help: string, read: () => number): void =>
    gauge(registry, name, help, read);
  const engineCounter = (name: string, help: string, read: () => number): void =>
    counter(registry, name, help, read);
  engineGauge("mm_account_value_usd", "Account value at the venue, USD", () =>
    sources.engine.get("accountValueUsd"),
  );
  engineGauge("mm_orders_unknown", "Orders whose fate is being asked for", () =>
    sources.engine.get("unknownOrders"),
  );
  engineGauge("mm_journal_bytes", "Bytes written to the main journal", () =>
    sources.engine.get("journalBytes"),
  );
  engineCounter("mm_audits_total", "Comparisons with the venue", () => sources.engine.get("audits"));
  engineCounter("mm_audit_differences_total", "Differences found and repaired", () =>
    sources.engine.get("auditDifferences"),
  );
  engineCounter("mm_rate_limit_errors_total", "Rate-limit refusals", () =>
    sources.engine.get("rateLimitErrors"),
  );
  const fromBoard = (name: string, help: string, slot: EngineSlot): void =>
    engineGauge(name, help, () => sources.engine.get(slot));
  fromBoard("mm_rate_limit_address_used", "Requests the venue counts for this account", "requestsUsed");
  fromBoard(
    "mm_rate_limit_address_cap",
    "Requests that pass: granted plus one per USD traded",
    "requestsCap",
  );
  fromBoard("mm_rate_limit_address_cancel_cap", "Requests below which cancels pass", "requestsCancelCap");
  fromBoard(
    "mm_rate_limit_address_remaining",
    "Requests left for placements and changes",
    "requestsRemaining",
  );
  fromBoard(
    "mm_rate_limit_hours_left",
    "Hours until the requests are spent at the recent net rate; +Inf while trading refills them",
    "requestsHoursLeft",
  );
  fromBoard("mm_rate_limit_throttled", "1 while the requests are spent: one order every 11 s", "isThrottled");
  fromBoard("mm_rate_limit_ip_weight_used", "REST weight of the last minute, of 1200", "ipWeightUsed");
  fromBoard(
    "mm_rate_limit_ws_messages",
    "Frames sent in the last minute by the order connection, of 2000",
    "wsMessages",
  );
  fromBoard("mm_dead_man_armed", "1 while the venue would cancel everything by itself", "deadManArmed");
  engineCounter("mm_rate_limit_purchased_total", "Requests bought", () =>
    sources.engine.get("requestsBought"),
  );
  engineCounter("mm_rate_limit_http_refusals_total", "429 answers", () => sources.engine.get("httpRefusals"));
  engineCounter(
    "mm_rate_limit_held_total",
    "Placements and changes not worth a request, or held by a limit",
    () => sources.engine.get("requestsHeld"),
  );
  engineCounter("mm_kernel_rejected_total", "Market records that a kernel refused", () =>
    sources.engine.get("kernelRejected"),
  );
  engineCounter("mm_journal_lost_total", "Records of the main journal the disk was too slow for", () =>
    sources.engine.get("journalLost"),
  );
  fromBoard("mm_paper", "1 when nothing but play money is traded", "isPaper");
  if (sources.tape !== undefined) registerTape(registry, sources.tape);
  registerFeed(registry, sources);
  return {
    contentType: registry.contentType,
    render: async () => `${await registry.metrics()}\n${renderStages(sources.stages)}`,
  };
}

function eachAsset(
  sources: MetricSources,
  metric: AssetMetric,
  emit: (labels: { asset: string }, value: number) => void,
): void {
  for (const asset of sources.assets) {
    const value = metric.value(asset.board, asset.estimates());
    if (value !== undefined && Number.isFinite(value)) emit({ asset: asset.coin }, value);
  }
}

/** Bucket bounds of the exported stage histograms, µs: powers of two from 0.5 µs to 4 s. */
const STAGE_BOUNDS_US = Array.from({ length: 24 }, (_, i) => 0.5 * 2 ** i);

/** The client library has no histogram that can be set from outside, so the text is written here. */
function renderStages(stages: MetricSources["stages"]): string {
  const name = "mm_stage_latency_seconds";
  const lines = [`# HELP ${name} Latency of each stage of the quote path`, `# TYPE ${name} histogram`];
  for (const { stage, snapshot } of stages) {
    const histogram = snapshot();
    for (const us of STAGE_BOUNDS_US) {
      lines.push(`${name}_bucket{stage="${stage}",le="${us / 1e6}"} ${histogram.countAtMost(us * 1000)}`);
    }
    lines.push(`${name}_bucket{stage="${stage}",le="+Inf"} ${histogram.count}`);
    lines.push(`${name}_sum{stage="${stage}"} ${histogram.sumNs / 1e9}`);
    lines.push(`${name}_count{stage="${stage}"} ${histogram.count}`);
  }
  return `${lines.join("\n")}\n`;
}
