/**
 * sim: the simulated exchange. A Hyperliquid-protocol server on loopback over a deterministic core, with markets that come
 * from a seed, from a recording, or from clients alone.
 *
 * Entry points: `startSimServer` (sockets), `SimVenue` with `SimGateway` and `SimFeed` (the same in one process, on any clock),
 * `Exchange` (the core alone), `L3Book` and `TapeBook` (matching).
 * Invariants: (1) fills never exceed an order's size, and are made in price–time order; (2) in order-by-order markets
 * positions sum to zero and no micro-dollar appears or vanishes, fees included; (3) the same seed and the same actions at the same
 * times give the same events; (4) nothing a client sends throws out of a handler; (5) every order rests or has ended exactly
 * once, and a trigger fires at most once. Actions take effect in blocks (`BlockScheduler`), carried out by `ActionExecutor`;
 * whoever drives it calls its `advance` after each block and market step, for triggers, TWAPs and dead man's switches.
 * May import: store (tape types), domain. Everything above reaches it through the network, or through `venues/port`.
 */

export { type DelayRange, type LatencyModel, NO_LATENCY, VENUE_LATENCY } from "./blocks.js";
export { DEMO_COINS, demoParams } from "./demo.js";
export { BASE_FEES, Exchange, type ExchangeOptions, type FeeRates } from "./exchange.js";
export {
  FaultRuleError,
  parseFaultFile,
  parseFaultRule,
  parseFaultRules,
  parseFaultText,
} from "./fault-rules.js";
export {
  type Decision,
  FAULT_KINDS,
  type FaultKind,
  type FaultPoint,
  type FaultRule,
  Faults,
} from "./faults.js";
export { type FrameReader, SimFeed, type SimFeedOptions } from "./feed.js";
export { flatFees } from "./fees.js";
export { SimGateway, type SimGatewayOptions, type VenueReader } from "./gateway.js";
export {
  DEFAULT_LATENCY,
  type Dist,
  delayOf,
  type FeedDist,
  type LatencySpec,
  type OrderDist,
  orderLatency,
  ZERO_LATENCY,
} from "./latency-spec.js";
export { IP_WEIGHT_PER_MINUTE, VENUE_SOCKET_LIMITS } from "./limits.js";
export { isPerp } from "./listed-market.js";
export { perpInstrument, type SimMarket, type Speed } from "./market.js";
export { OpenMarket, type OpenMarketOptions } from "./markets/open.js";
export { RecordMarket } from "./markets/records.js";
export { BTC_LIKE, SyntheticMarket, type SyntheticParams } from "./markets/synthetic.js";
export { TapeMarket, type TapeMarketOptions } from "./markets/tape.js";
export { L3Book } from "./matching.js";
export { type PaperListing, type PaperOptions, PaperVenue } from "./paper.js";
export { type QueueModel, type QueueModelSpec, queueModel } from "./queue-model.js";
export { RECORDED_SIDE_BYTES, RecordedSide, type SideMemory } from "./recorded-side.js";
export {
  DEV_ADDRESS,
  DEV_KEY,
  SimListenError,
  type SimOptions,
  type SimServer,
  type SimStats,
  startSimServer,
} from "./server.js";
export { parseDist, parseFeed, parseQueue } from "./spec-text.js";
export { TapeBook } from "./tape-book.js";
export { SimVenue, type SimVenueOptions } from "./venue.js";
