/**
 * Requests in flight: what each of the three possible ends of a request means for its orders.
 */
import type { Instrument } from "../../domain/index.js";
import type { AckStatus, GatewayEvents } from "../port.js";
import { orderErrorCode, VenueError } from "./errors.js";
import { type ActionKind, errorStatus, readActionReply, repeated } from "./replies.js";

/** A request whose answer is awaited. Exactly one of the three is called, once. */
export interface Pending {
  /** Elements that the venue counts. */
  readonly elements: number;
  /** Uses the reserves of the limits: a cancel, or the dead man's switch. */
  readonly isUrgent: boolean;
  onReply(payload: unknown): void;
  /** Certainly not executed. */
  onRefused(text: string): void;
  /** May or may not have been executed. */
  onUnknown(text: string): void;
  cancelTimer: (() => void) | undefined;
}

/** A batch acknowledged when all its actions are: one action, but for batches over the venue's limit of elements. */
export class Batch {
  readonly statuses: AckStatus[];
  missing: number;

  constructor(
    readonly id: number,
    count: number,
  ) {
    this.statuses = new Array<AckStatus>(count);
    this.missing = count;
  }
}

export class PendingBatch implements Pending {
  cancelTimer: (() => void) | undefined;

  get elements(): number {
    return this.markets.length;
  }
  get isUrgent(): boolean {
    return this.kind === "cancel";
  }

  constructor(
    private readonly batch: Batch,
    private readonly kind: ActionKind,
    private readonly from: number,
    private readonly markets: readonly (Instrument | undefined)[],
    private readonly events: () => GatewayEvents | undefined,
  ) {}

  onReply(payload: unknown): void {
    this.settle(readActionReply(payload, this.kind, this.markets.length, (i) => this.markets[i]));
  }
  onRefused(text: string): void {
    this.settle(repeated(errorStatus(text, this.kind), this.markets.length));
  }
  onUnknown(text: string): void {
    this.settle(repeated({ kind: "unknown", text }, this.markets.length));
  }

  private settle(statuses: readonly AckStatus[]): void {
    const { batch } = this;
    for (let i = 0; i < statuses.length; i++) batch.statuses[this.from + i] = statuses[i]!;
    batch.missing -= statuses.length;
    if (batch.missing === 0) this.events()?.onAck(batch.id, batch.statuses);
  }
}

export class PendingControl implements Pending {
  readonly elements = 1;
  readonly isUrgent = true;
  cancelTimer: (() => void) | undefined;

  constructor(
    private readonly what: string,
    private readonly resolve: () => void,
    private readonly reject: (error: VenueError) => void,
  ) {}

  onReply(payload: unknown): void {
    const { status, response } = (payload ?? {}) as { status?: unknown; response?: unknown };
    if (status === "ok") this.resolve();
    else this.onRefused(typeof response === "string" ? response : "answer of unknown shape");
  }
  onRefused(text: string): void {
    const code = orderErrorCode(text);
    // Not an answer to what was asked: the same request may succeed the next time.
    const isRetryable = code === "RateLimited" || code === "Nonce" || text.startsWith("not sent");
    this.reject(
      new VenueError(isRetryable ? "RateLimited" : "Refused", `${this.what}: ${text}`, {
        retryable: isRetryable,
      }),
    );
  }
  onUnknown(text: string): void {
    this.reject(new VenueError("Timeout", `${this.what}: ${text}`, { retryable: true }));
  }
}
