import { type Instrument, isOurs } from "../../domain/index.js";
import type {
  AccountSnapshot,
  AckStatus,
  FillEvent,
  FundingEvent,
  OrderUpdate,
  RequestQuota,
} from "../port.js";
import {
  sortFills,
  toAccountSnapshot,
  toFillEvent,
  toFundingEvent,
  toOpenOrder,
  toOrderUpdate,
  toRequestQuota,
} from "./account-events.js";
import type {
  ClearinghouseState,
  OrderStatusAnswer,
  UserFunding,
  UserRateLimit,
  VenueFill,
  VenueOrder,
  VenueOrderUpdate,
} from "./info.js";
import { type ActionKind, errorStatus, readActionReply, repeated } from "./replies.js";

/**
 * The venue's messages as the engine's, for a gateway whose counterpart is in this process: the reading of the live gateway
 * without its validation, which guards an edge that is not there.
 */
export class HyperliquidReader {
  private readonly byCoin: ReadonlyMap<string, Instrument>;

  constructor(instruments: readonly Instrument[]) {
    this.byCoin = new Map(instruments.map((inst) => [inst.coin, inst]));
  }

  acks(
    response: unknown,
    kind: ActionKind,
    count: number,
    instrumentAt: (i: number) => Instrument | undefined,
  ): AckStatus[] {
    return readActionReply(response, kind, count, instrumentAt);
  }

  refused(text: string, kind: ActionKind, count: number): AckStatus[] {
    return repeated(errorStatus(text, kind), count);
  }

  orderUpdates(updates: readonly unknown[]): OrderUpdate[] {
    const ours: OrderUpdate[] = [];
    for (const { order, status, statusTimestamp } of updates as readonly VenueOrderUpdate[]) {
      const inst = this.byCoin.get(order.coin);
      if (inst !== undefined) ours.push(toOrderUpdate(order, status, statusTimestamp, inst));
    }
    return ours;
  }

  openOrders(answer: unknown): OrderUpdate[] {
    return (answer as readonly VenueOrder[])
      .filter((o) => o.isTrigger !== true && (this.byCoin.has(o.coin) || isOurs(o.cloid)))
      .map((o) => toOpenOrder(o, this.byCoin.get(o.coin)));
  }

  orderStatus(answer: unknown): OrderUpdate | undefined {
    const found = answer as OrderStatusAnswer;
    return found.status === "unknownOid" ? undefined : this.orderUpdates([found.order])[0];
  }

  account(answer: unknown): AccountSnapshot {
    const state = answer as ClearinghouseState;
    return toAccountSnapshot(state, this.byCoin, state.time ?? 0);
  }

  fundings(answer: unknown): FundingEvent[] {
    return (answer as readonly UserFunding[]).flatMap((row) =>
      this.byCoin.has(row.delta.coin) ? [toFundingEvent(row)] : [],
    );
  }

  quota(answer: unknown): RequestQuota {
    return toRequestQuota(answer as UserRateLimit);
  }

  fills(fills: readonly unknown[], isSnapshot: boolean): FillEvent[] {
    const ours: FillEvent[] = [];
    for (const fill of fills as readonly VenueFill[]) {
      const inst = this.byCoin.get(fill.coin);
      if (inst !== undefined) ours.push(toFillEvent(fill, inst, isSnapshot));
    }
    return sortFills(ours);
  }
}
