import {
  type Cloid,
  isTerminal,
  type NewOrder,
  type OrderState,
  type PxTicks,
  type Side,
  type SzLots,
  type Tif,
} from "../domain/index.js";
import type { AckStatus, FillEvent, OrderUpdate } from "../venues/port.js";
import { Role, type WorkingOrder } from "./reconcile.js";

/** Why an order is not to be counted on any more: a cancel, or a modify that replaces it, has been decided. */
export type Leaving = "no" | "cancel" | "replace";

/** One order of ours, from the moment it is handed to the gateway until both channels agree on its end. */
export class OwnOrder implements WorkingOrder {
  state: OrderState = "sent";
  /** 0 until the venue has named it. */
  oid = 0;
  /** Lots of the fills that the ledger has taken into the position. Only this shrinks the exposure. */
  filledLots = 0;
  /** Lots that the venue says are filled (ack, update); may run ahead of `filledLots`. */
  venueFilledLots = 0;
  /** Lots filled over the order's whole life once the venue has said so; -1 before. */
  finalFilledLots = -1;
  leaving: Leaving = "no";
  /** Somebody wants it gone: retried until the venue says that it is. */
  wantCancel = false;
  /** A cancel is under way and unanswered. */
  isCancelInFlight = false;
  lastCancelMonoNs = Number.NEGATIVE_INFINITY;
  /** The private stream (or a query) has told its end; the other channel is the answer to our own request. */
  isClosedByUpdate = false;
  /** Declared dead because the venue did not know it after the grace time. The stream may prove that wrong. */
  isNeverArrived = false;
  isQuerying = false;
  nextQueryMonoNs = 0;
  queryCount = 0;
  closedMonoNs = 0;

  readonly cloid: Cloid;
  readonly asset: number;
  readonly side: Side;
  readonly pxTicks: PxTicks;
  readonly szLots: SzLots;
  readonly tif: Tif;
  readonly reduceOnly: boolean;

  constructor(
    order: NewOrder,
    readonly sentMonoNs: number,
    /** The order that this one replaces, when it is the new leg of a modify. */
    readonly replaces: OwnOrder | undefined,
  ) {
    this.cloid = order.cloid;
    this.asset = order.asset;
    this.side = order.side;
    this.pxTicks = order.pxTicks;
    this.szLots = order.szLots;
    this.tif = order.tif;
    this.reduceOnly = order.reduceOnly;
  }

  get isTerminal(): boolean {
    return isTerminal(this.state);
  }

  /** What is believed to rest. */
  get remainingLots(): number {
    return Math.max(0, this.szLots - Math.max(this.filledLots, this.venueFilledLots));
  }

  /**
   * What the order could still add to the position as we know it: the worst case. An order that has ended counts until
   * every fill it had is in the position: a cancel that lost a race is not "nothing".
   */
  get exposureLots(): number {
    const end = this.isTerminal && this.finalFilledLots >= 0 ? this.finalFilledLots : this.szLots;
    return Math.max(0, end - this.filledLots);
  }

  get role(): Role {
    if (this.leaving !== "no" || this.wantCancel) return Role.Leaving;
    return this.state === "resting" ? Role.Free : Role.Pending;
  }
}

export interface OrderBookOptions {
  /** A closed order whose channels do not agree after this long is asked for. */
  readonly settleNs: number;
  /** An order that the venue does not know this long after sending never arrived. */
  readonly unknownGraceNs: number;
}

/** Number of forgotten client ids that are remembered, so that a late duplicate is not taken for an orphan. */
const REMEMBERED = 4096;
/** How long an order that never arrived stays in the book, ready to be proved alive. */
const NEVER_ARRIVED_KEEP_NS = 60e9;

/**
 * Our own orders, keyed by client id, with an index by venue id. Acks, order updates, fills and query answers may come
 * in any order, twice, or not at all; the rules:
 *
 * - `sent → resting` by ack, `open` update or partial fill; an end is final, whatever arrives late, except that an order
 *   which was refused or never arrived *by our reckoning* comes back when the venue shows it open or filled.
 * - An ack that cancels says nothing about fills in the race: exposure stays until the update (or a query) tells the rest.
 * - Only fills taken by the ledger reduce exposure, so position plus exposure counts each lot exactly once.
 * - Forgotten when it has ended, its fills are all in, and the update has come or `settleNs` has passed.
 *
 * Thread: main.
 */
export class OrderBook {
  private readonly byCloid = new Map<string, OwnOrder>();
  private readonly byOid = new Map<number, OwnOrder>();
  private readonly perAsset: OwnOrder[][];
  /** Fills that named only a venue id which no order had yet. */
  private readonly creditsByOid = new Map<number, number>();
  /** When. */
  private readonly forgotten = new Map<string, number>();

  constructor(
    assetCount: number,
    private readonly options: OrderBookOptions,
  ) {
    this.perAsset = Array.from({ length: assetCount }, () => []);
  }

  /** All orders of an asset that are not forgotten, oldest first. Do not keep the array. */
  ofAsset(asset: number): readonly OwnOrder[] {
    return this.perAsset[asset]!;
  }

  get(cloid: string): OwnOrder | undefined {
    return this.byCloid.get(cloid);
  }

  /** When an order was forgotten; undefined when it never was (or too long ago to be remembered). */
  forgottenMonoNs(cloid: string): number | undefined {
    return this.forgotten.get(cloid);
  }

  /** Orders that rest or may rest. */
  get liveCount(): number {
    let n = 0;
    for (const orders of this.perAsset) for (const o of orders) if (!o.isTerminal) n++;
    return n;
  }

  get size(): number {
    return this.byCloid.size;
  }

  /** Records an order at the moment it is handed to the gateway. @throws {Error} When the client id is in use. */
  open(order: NewOrder, monoNs: number, replaces?: OwnOrder): OwnOrder {
    if (this.byCloid.has(order.cloid)) throw new Error(`client order id ${order.cloid} is already in use`);
    const own = new OwnOrder(order, monoNs, replaces);
    this.byCloid.set(own.cloid, own);
    this.perAsset[own.asset]!.push(own);
    return own;
  }

  onPlaceAck(o: OwnOrder, ack: AckStatus, monoNs: number): void {
    switch (ack.kind) {
      case "resting":
        this.bindOid(o, ack.oid, monoNs);
        this.rest(o);
        break;
      case "filled":
        this.bindOid(o, ack.oid, monoNs);
        o.venueFilledLots = Math.max(o.venueFilledLots, ack.totalSzLots);
        if (ack.totalSzLots >= o.szLots) this.close(o, "filled", o.szLots, monoNs);
        // A Gtc remainder rests under the same id; an Ioc one is gone.
        else if (o.tif === "Ioc") this.close(o, "filled", ack.totalSzLots, monoNs);
        else this.rest(o);
        break;
      case "error":
        // The stream may have shown it alive first: then the refusal is somebody's mistake and the venue's book wins.
        if (o.state === "sent" || o.state === "unknown") {
          if (o.oid === 0 && o.filledLots === 0) this.close(o, "rejected", 0, monoNs);
          else this.doubt(o);
        }
        break;
      case "cancelled":
      case "unknown":
        this.doubt(o);
    }
  }

  onCancelAck(o: OwnOrder, ack: AckStatus, monoNs: number): void {
    o.isCancelInFlight = false;
    switch (ack.kind) {
      case "cancelled":
        this.close(o, "cancelled", -1, monoNs);
        break;
      case "error":
        if (o.isTerminal) break;
        // Gone already (filled, cancelled) or not there yet: only the venue knows which.
        if (ack.code === "MissingOrder") this.doubt(o);
        else {
          o.leaving = "no";
          o.wantCancel = true;
        }
        break;
      case "resting":
      case "filled":
      case "unknown":
        this.doubt(o);
    }
  }

  /** The venue cancels the old leg and then places the new one; it may do the first and refuse the second. */
  onModifyAck(old: OwnOrder, fresh: OwnOrder, ack: AckStatus, monoNs: number): void {
    switch (ack.kind) {
      case "resting":
      case "filled":
        this.close(old, "cancelled", -1, monoNs);
        this.onPlaceAck(fresh, ack, monoNs);
        break;
      case "error":
        this.onPlaceAck(fresh, ack, monoNs);
        if (old.isTerminal) break;
        if (ack.oldGone === true) this.close(old, "cancelled", -1, monoNs);
        else if (ack.code === "MissingOrder") this.doubt(old);
        else this.stay(old);
        break;
      case "cancelled":
      case "unknown":
        this.doubt(old);
        this.doubt(fresh);
    }
  }

  /** The request's answer is overdue or lost: the order counts at its worst and is to be asked for. */
  doubt(o: OwnOrder): void {
    if (o.isTerminal) return;
    o.state = "unknown";
    o.nextQueryMonoNs = 0;
  }

  /**
   * A record from the private stream.
   * @returns the order, or undefined when this book does not know it (an orphan, or somebody else's).
   */
  onUpdate(u: OrderUpdate, monoNs: number): OwnOrder | undefined {
    const o = (u.cloid && this.byCloid.get(u.cloid)) || this.byOid.get(u.oid);
    if (o === undefined) return undefined;
    this.bindOid(o, u.oid, monoNs);
    if (u.status === "open" || u.status === "triggered") {
      if (o.isTerminal && o.state !== "rejected") return o; // late or repeated
      if (o.isClosedByUpdate) return o;
      o.venueFilledLots = Math.max(o.venueFilledLots, o.szLots - u.szLots);
      if (o.state === "rejected") this.revive(o);
      else this.rest(o);
      return o;
    }
    const end = endOf(u.status);
    // Remaining at the end tells what was filled; a refused order had no fill.
    const filled = end === "rejected" ? 0 : Math.max(0, o.szLots - u.szLots);
    this.close(o, end, filled, monoNs);
    o.isClosedByUpdate = true;
    return o;
  }

  /** The answer to `orderStatus`. Unlike an update it speaks about now, so `open` settles a doubt. */
  onStatus(o: OwnOrder, u: OrderUpdate | undefined, monoNs: number): void {
    o.isQuerying = false;
    o.queryCount++;
    o.nextQueryMonoNs = monoNs + Math.min(2e9, 250e6 * 2 ** Math.min(o.queryCount, 4));
    if (u === undefined) {
      if (o.isTerminal || monoNs - o.sentMonoNs < this.options.unknownGraceNs) return;
      if (o.oid === 0) {
        o.isNeverArrived = true;
        this.close(o, "rejected", 0, monoNs);
      } else {
        this.close(o, "cancelled", -1, monoNs);
      }
      return;
    }
    if (u.status === "open" || u.status === "triggered") {
      this.bindOid(o, u.oid, monoNs);
      o.venueFilledLots = Math.max(o.venueFilledLots, o.szLots - u.szLots);
      if (o.isTerminal && (o.isClosedByUpdate || o.filledLots >= o.szLots)) return;
      if (o.isTerminal) this.revive(o);
      else if (o.state !== "resting") this.stay(o);
      return;
    }
    this.onUpdate(u, monoNs);
  }

  /** A fill that the ledger has taken (or that an adopted position contains). @returns its order, when known. */
  onFill(f: FillEvent, monoNs: number): OwnOrder | undefined {
    const o = (f.cloid && this.byCloid.get(f.cloid)) || this.byOid.get(f.oid);
    if (o === undefined) {
      if (f.cloid === undefined) {
        this.creditsByOid.set(f.oid, (this.creditsByOid.get(f.oid) ?? 0) + f.szLots);
        if (this.creditsByOid.size > REMEMBERED)
          this.creditsByOid.delete(this.creditsByOid.keys().next().value!);
      }
      return undefined;
    }
    this.bindOid(o, f.oid, monoNs);
    this.credit(o, f.szLots, monoNs);
    return o;
  }

  /** Takes the venue's silence for an end: used when a query and a fill repair have left a difference. */
  forceSettle(o: OwnOrder): void {
    if (!o.isTerminal || (o.exposureLots === 0 && o.finalFilledLots >= 0)) return;
    o.finalFilledLots = o.filledLots;
    o.isClosedByUpdate = true;
  }

  /** Forgets what is settled; reports every order that has to be asked for now. */
  sweep(monoNs: number, onQuery: (o: OwnOrder) => void): void {
    for (const orders of this.perAsset) {
      let kept = 0;
      for (const o of orders) {
        if (this.isSettled(o, monoNs)) {
          this.forget(o, monoNs);
          continue;
        }
        orders[kept++] = o;
        const isOverdue =
          o.isTerminal && monoNs - o.closedMonoNs > this.options.settleNs && !o.isNeverArrived;
        if ((o.state === "unknown" || isOverdue) && !o.isQuerying && monoNs >= o.nextQueryMonoNs) onQuery(o);
      }
      if (kept !== orders.length) orders.length = kept;
    }
  }

  private isSettled(o: OwnOrder, monoNs: number): boolean {
    if (!o.isTerminal || o.finalFilledLots < 0 || o.exposureLots > 0) return false;
    const age = monoNs - o.closedMonoNs;
    if (o.isNeverArrived) return age > NEVER_ARRIVED_KEEP_NS;
    return o.isClosedByUpdate || age > this.options.settleNs;
  }

  private forget(o: OwnOrder, monoNs: number): void {
    this.byCloid.delete(o.cloid);
    if (o.oid !== 0) this.byOid.delete(o.oid);
    if (o.isNeverArrived) return; // should it rest after all, it is an orphan to be cancelled
    this.forgotten.set(o.cloid, monoNs);
    if (this.forgotten.size > REMEMBERED) this.forgotten.delete(this.forgotten.keys().next().value!);
  }

  private bindOid(o: OwnOrder, oid: number, monoNs: number): void {
    if (o.oid !== 0 || oid === 0) return;
    o.oid = oid;
    this.byOid.set(oid, o);
    const credit = this.creditsByOid.get(oid);
    if (credit !== undefined) {
      this.creditsByOid.delete(oid);
      this.credit(o, credit, monoNs);
    }
  }

  private credit(o: OwnOrder, lots: number, monoNs: number): void {
    o.filledLots += lots;
    if (o.filledLots >= o.szLots) this.close(o, "filled", o.filledLots, monoNs);
    else if (o.state === "rejected") this.revive(o);
    else if (o.state === "sent") this.rest(o);
  }

  /** An event that shows it open may be older than the cancel or change whose fate is unknown: only a query ends that doubt. */
  private rest(o: OwnOrder): void {
    if (o.isTerminal || (o.state === "unknown" && o.leaving !== "no")) return;
    o.state = "resting";
  }

  /** Back to resting after a change that did not happen. */
  private stay(o: OwnOrder): void {
    if (o.isTerminal) return;
    o.state = "resting";
    if (o.leaving === "cancel") o.wantCancel = true;
    o.leaving = "no";
  }

  /** We had written it off; the venue shows it. It is not part of any plan, so it goes. */
  private revive(o: OwnOrder): void {
    o.state = "resting";
    o.finalFilledLots = -1;
    o.isNeverArrived = false;
    o.isClosedByUpdate = false;
    o.leaving = "no";
    o.wantCancel = true;
  }

  private close(o: OwnOrder, state: OrderState, finalFilledLots: number, monoNs: number): void {
    if (finalFilledLots >= 0) o.finalFilledLots = Math.max(o.finalFilledLots, finalFilledLots, o.filledLots);
    if (o.isTerminal) {
      // The ack said cancelled, the stream says filled: the stream knows.
      if (state === "filled" && o.state === "cancelled") o.state = "filled";
      return;
    }
    o.state = state;
    o.closedMonoNs = monoNs;
    o.leaving = "no";
    o.wantCancel = false;
    o.nextQueryMonoNs = 0;
    o.queryCount = 0;
  }
}

/** Everything except `open` and `triggered` is terminal (API reference §4.12); an unknown text is taken for a cancel. */
function endOf(status: string): "filled" | "cancelled" | "rejected" {
  if (status === "filled") return "filled";
  return status === "rejected" || status.endsWith("Rejected") ? "rejected" : "cancelled";
}
