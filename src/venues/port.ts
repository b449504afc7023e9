/**
 * The seams between an engine and a venue. Live, paper and backtest differ in what stands behind these, and in nothing else.
 */
import type { Approved, CancelOrder, Cloid, ModifyOrder, NewOrder, Side } from "../domain/index.js";

/** What became of one element of a batch, as the venue's answer says. */
export type AckStatus =
  | { readonly kind: "resting"; readonly oid: number }
  | { readonly kind: "filled"; readonly oid: number; readonly totalSzLots: number; readonly avgPx: number }
  /** A cancel that took effect. */
  | { readonly kind: "cancelled" }
  /** Refused. For a modify, `oldGone` says whether the replaced order is off the book too. */
  | {
      readonly kind: "error";
      readonly code: OrderErrorCode;
      readonly text: string;
      readonly oldGone?: boolean;
    }
  /** Time-out or lost connection with the request in flight: it may or may not have happened. */
  | { readonly kind: "unknown"; readonly text: string };

/** Why a venue refused an order or a request; meaning and remedy of each are in `venues/order-errors.ts`. */
export type OrderErrorCode =
  | "Tick"
  | "MinTradeNtl"
  | "InsufficientMargin"
  | "OrderWouldBeLiquidated"
  | "ReduceOnly"
  | "BadAloPx"
  | "IocCancel"
  | "BadTriggerPx"
  | "Oracle"
  | "PerpMaxPosition"
  | "OpenInterestCap"
  | "OpenInterestIncrease"
  | "TooManyOpenOrders"
  | "OrderValueTooLarge"
  | "PostOnlyPeriod"
  | "MissingOrder"
  | "RateLimited"
  | "BatchTooLarge"
  | "InvalidPrice"
  | "InvalidSize"
  | "AssetNotFound"
  | "DexNotFound"
  | "NotAuthorised"
  | "Nonce"
  | "Expired"
  | "Other";

/** An order's public record at the venue, from orderUpdates or an open-orders query. */
export interface OrderUpdate {
  readonly coin: string;
  readonly oid: number;
  readonly cloid: Cloid | undefined;
  readonly side: Side;
  readonly pxTicks: number;
  /** Remaining; stays at the unfilled remainder for cancels. */
  readonly szLots: number;
  readonly origSzLots: number;
  /** Venue status text: open, filled, canceled, ...Rejected, ...Canceled. */
  readonly status: string;
  readonly exchMs: number;
}

export interface FillEvent {
  readonly coin: string;
  readonly oid: number;
  readonly cloid: Cloid | undefined;
  readonly tid: number;
  readonly side: Side;
  readonly px: number;
  readonly pxTicks: number;
  readonly szLots: number;
  /** Signed position before this fill, lots. */
  readonly startPosLots: number;
  readonly closedPnlUsd: number;
  readonly feeUsd: number;
  readonly isMaker: boolean;
  readonly isLiquidation: boolean;
  readonly exchMs: number;
  /** Part of the snapshot that follows a (re)connect: may repeat what is known. */
  readonly isSnapshot: boolean;
}

/**
 * Identity of a fill: what the venue repeats on every reconnect must be counted once. The position before it tells matches of
 * one order apart; its time stamp is no part of it, for the stream's and the repair request's may differ.
 * Source: reference §2.8.
 */
export function fillKey(f: FillEvent): string {
  const key = `${f.coin}|${f.tid}|${f.oid}|${f.startPosLots}|${f.side * f.szLots}`;
  // Without a trade id the same step could be made twice: then the time must do.
  return f.tid === 0 ? `${key}|${f.exchMs}|${f.pxTicks}` : key;
}

/** What the venue says about the account, one request's worth. */
export interface AccountSnapshot {
  readonly accountValueUsd: number;
  readonly withdrawableUsd: number;
  readonly marginUsedUsd: number;
  readonly positions: readonly {
    readonly coin: string;
    readonly posLots: number;
    readonly entryPx: number;
    readonly unrealizedPnlUsd: number;
    readonly leverage: number;
  }[];
  readonly exchMs: number;
}

/** One payment of one position: positive was received. */
export interface FundingEvent {
  readonly coin: string;
  readonly usd: number;
  readonly exchMs: number;
}

/** The account's allowance of requests, as the venue counts it. */
export interface RequestQuota {
  /** Requests counted so far; negative while bought ones are unused. */
  readonly used: number;
  /** Placements and changes pass while `used` is below. */
  readonly cap: number;
  /** Cancels pass while `used` is below. */
  readonly cancelCap: number;
  readonly cumVolumeUsd: number;
}

/** Called on the executor's thread, in the order the venue's messages arrived. */
export interface GatewayEvents {
  /** One status per element of the batch, in order; exactly once per send. */
  onAck(batchId: number, statuses: readonly AckStatus[]): void;
  onOrderUpdates(updates: readonly OrderUpdate[]): void;
  onFills(fills: readonly FillEvent[]): void;
  /** The private stream is up (again): everything known must be compared with the venue. */
  onConnected(): void;
  onDisconnected(reason: string): void;
  /** The venue's own notice, such as the end of a simulated tape. */
  onNotice(text: string): void;
}

/**
 * Orders out, acknowledgements and private events in.
 * The three senders return a batch id at once; the bytes are handed to the socket before they return, and the last
 * send's timings are in `lastSend`.
 */
export interface OrderGateway {
  place(orders: readonly Approved<NewOrder>[]): number;
  modify(modifies: readonly Approved<ModifyOrder>[]): number;
  /** Always passes: no kill switch and no check stands in the way of a cancel. */
  cancel(cancels: readonly CancelOrder[]): number;

  openOrders(): Promise<readonly OrderUpdate[]>;
  /** undefined: the venue does not know the order (yet). */
  orderStatus(cloid: Cloid): Promise<OrderUpdate | undefined>;
  account(): Promise<AccountSnapshot>;
  /** Fills since a time, oldest first, for repair after a gap. */
  fillsSince(exchMs: number): Promise<readonly FillEvent[]>;

  /** Where positions pay and receive funding: payments since a time, inclusive, of this run's markets. */
  fundingsSince?(exchMs: number): Promise<readonly FundingEvent[]>;

  /** Where the venue limits an account's requests. */
  requestQuota?(): Promise<RequestQuota>;
  /**
   * Where the venue has a dead man's switch: it cancels every order of the account at `atMs` (Unix) unless told otherwise
   * before; undefined disarms.
   */
  scheduleCancel?(atMs: number | undefined): Promise<void>;
  /** Where requests can be bought: adds `requests` to the allowance. */
  buyRequests?(requests: number): Promise<void>;

  readonly lastSend: SendTimings;
  readonly isConnected: boolean;
  connect(events: GatewayEvents): Promise<void>;
  close(): Promise<void>;
}

/** Monotonic stamps of the last send, for the latency histograms. Mutated in place: no allocation per send. */
export interface SendTimings {
  encodeStartMonoNs: number;
  signStartMonoNs: number;
  signEndMonoNs: number;
  /** Bytes handed to the socket. */
  wireMonoNs: number;
}

/** Everything that crosses the process boundary is told to a journal; implementations must not block. The bytes are only lent. */
export interface WireTap {
  inbound(stream: "private" | "http" | "public", bytes: Uint8Array, monoNs: number): void;
  outbound(stream: "private" | "http" | "public", bytes: Uint8Array, monoNs: number): void;
}
