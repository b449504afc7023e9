import { type Cloid, type Instrument, isOnGrid, pow10, Side } from "../domain/index.js";

/** What may be done with a working order. */
export const Role = {
  /** Rests, nothing in flight: may be kept, changed or cancelled. */
  Free: 0,
  /** A placement or the new leg of a modify in flight, or of unknown fate: stands for a level, is left alone. */
  Pending: 1,
  /** Being cancelled or replaced: stands for no level, still counts in every limit. */
  Leaving: 2,
} as const;
export type Role = (typeof Role)[keyof typeof Role];

/** An own order as the reconciler sees it. */
export interface WorkingOrder {
  readonly cloid: Cloid;
  readonly side: Side;
  readonly pxTicks: number;
  /** What is believed to rest. */
  readonly remainingLots: number;
  readonly role: Role;
}

/** One side of a wanted ladder, best first, in reused arrays. */
export class TargetSide {
  count = 0;
  readonly pxTicks: Float64Array;
  readonly szLots: Float64Array;

  constructor(readonly capacity = 32) {
    this.pxTicks = new Float64Array(capacity);
    this.szLots = new Float64Array(capacity);
  }

  clear(): void {
    this.count = 0;
  }

  push(pxTicks: number, szLots: number): void {
    if (this.count >= this.capacity) return;
    this.pxTicks[this.count] = pxTicks;
    this.szLots[this.count++] = szLots;
  }
}

export interface ReconcileInput {
  readonly instrument: Instrument;
  readonly bids: TargetSide;
  readonly asks: TargetSide;
  readonly working: readonly WorkingOrder[];
  /** Hysteresis: an order this close to its target, in bps of the target's price, keeps its place in the queue. */
  readonly maxBpsDiff: number;
  /** Largest relative size difference that is not worth losing the place for; 0.1 unless configured. */
  readonly sizeTolerance: number;
  /** Fair price in ticks, not rounded: nothing of ours may stand on or beyond it. */
  readonly fairTicks: number;
  /** Market touch; 0 when a side is empty. */
  readonly bestBidTicks: number;
  readonly bestAskTicks: number;
  /** See `risk/roomLots`: what may be added per side; negative when over the limit. */
  readonly buyRoomLots: number;
  readonly sellRoomLots: number;
  /** What already counts as open per side: `room + open` is the most that the side may show. */
  readonly buyOpenLots: number;
  readonly sellOpenLots: number;
  readonly minNotionalUsd: number;
  /** Orders of this asset that may rest or be about to, leaving ones included. */
  readonly maxOrders: number;
  /** Most modifies plus placements of one plan; cancels are free. */
  readonly maxOps: number;
}

export interface PlannedModify {
  readonly order: WorkingOrder;
  readonly pxTicks: number;
  readonly szLots: number;
}

export interface PlannedPlace {
  readonly side: Side;
  readonly pxTicks: number;
  readonly szLots: number;
}

/** The answer and the reconciler's scratch space; one per asset, reused. */
export class Plan {
  readonly cancels: WorkingOrder[] = [];
  readonly modifies: PlannedModify[] = [];
  readonly places: PlannedPlace[] = [];
  /** Scratch. */
  readonly side: WorkingOrder[] = [];
  readonly sideTargets = new TargetSide();
  cost = new Float64Array(33 * 65);

  get isEmpty(): boolean {
    return this.cancels.length === 0 && this.modifies.length === 0 && this.places.length === 0;
  }

  clear(): void {
    // Setting a length costs, and most plans are empty.
    if (this.isEmpty) return;
    this.cancels.length = 0;
    this.modifies.length = 0;
    this.places.length = 0;
  }
}

/** A difference this small decides between otherwise equal plans, so that the nearest order takes the level. */
const NEAR = 1e-6;

/**
 * The smallest list of changes that takes the working orders to the wanted ladder.
 *
 * Per side: targets that would cross, or for which the position limit leaves nothing, are dropped or clipped; the rest is
 * aligned with the working orders, best first and without crossing over, so that the number of requests is least (keep 0,
 * modify, cancel or place 1 each) and, among those, the distances are. An order is kept when its price is within
 * `maxBpsDiff` of its target (and not beyond a neighbouring target), its size within `sizeTolerance`, and it is neither
 * on or through the fair price nor through the market. What the limits leave no room for is cancelled now and placed when
 * the cancel is confirmed, because a modify counts with both legs until then.
 *
 * Order of the result: cancels, modifies, placements; inside-out in each; the bid first where both sides are as near.
 *
 * Laws (test/laws/reconcile.test.ts): 1 applied, the plan gives the target within hysteresis; 2 a second run has nothing
 * to do; 3 at most one request per order; 4 never more than `maxOrders`; 5 worst-case size stays within the room;
 * 6 same input in any order of `working`, same plan.
 *
 * Thread: main. Allocates: one object per request.
 */
export function reconcile(input: ReconcileInput, plan: Plan): Plan {
  plan.clear();
  reconcileSide(input, Side.Buy, plan);
  reconcileSide(input, Side.Sell, plan);

  const near = (px: number, side: Side): number =>
    // Half a quantum apart, so that the bid precedes an ask of the same distance.
    Math.abs(px - input.fairTicks) + (side === Side.Sell ? NEAR : 0);
  if (plan.isEmpty) return plan;
  plan.modifies.sort((a, b) => near(a.pxTicks, a.order.side) - near(b.pxTicks, b.order.side));
  plan.places.sort((a, b) => near(a.pxTicks, a.side) - near(b.pxTicks, b.side));

  const maxPlaces = Math.max(0, input.maxOrders - input.working.length);
  if (plan.places.length > maxPlaces) plan.places.length = maxPlaces;
  if (plan.modifies.length > input.maxOps) {
    // A change beyond the budget waits, unless the order must not stay where it is.
    for (const late of plan.modifies.splice(input.maxOps)) {
      if (isUnsafe(input, late.order.side, late.order.pxTicks)) plan.cancels.push(late.order);
    }
  }
  plan.cancels.sort((a, b) => near(a.pxTicks, a.side) - near(b.pxTicks, b.side) || byCloid(a, b));
  const placesLeft = input.maxOps - plan.modifies.length;
  if (plan.places.length > placesLeft) plan.places.length = placesLeft;
  return plan;
}

const byCloid = (a: WorkingOrder, b: WorkingOrder): number =>
  a.cloid < b.cloid ? -1 : a.cloid > b.cloid ? 1 : 0;

/** Puts an order of a side in its place among the first `count`: best first, then by name. */
function insert(orders: WorkingOrder[], count: number, order: WorkingOrder): void {
  const { side, pxTicks } = order;
  let at = count;
  for (; at > 0; at--) {
    const before = orders[at - 1]!;
    const worse = side * (before.pxTicks - pxTicks);
    if (worse > 0 || (worse === 0 && byCloid(before, order) <= 0)) break;
    orders[at] = before;
  }
  orders[at] = order;
}

/** True when an order of this side at this price could trade at once or stands on the wrong side of fair. */
function isUnsafe(input: ReconcileInput, side: Side, px: number): boolean {
  return side === Side.Buy
    ? px >= input.fairTicks || (input.bestAskTicks > 0 && px >= input.bestAskTicks)
    : px <= input.fairTicks || (input.bestBidTicks > 0 && px <= input.bestBidTicks);
}

/** Safe, on-grid targets, strictly inside-out, clipped so that all together stay within `allowedLots`. */
function selectTargets(input: ReconcileInput, side: Side, allowedLots: number, out: TargetSide): void {
  const from = side === Side.Buy ? input.bids : input.asks;
  const { instrument } = input;
  const scale = pow10(instrument.pxDecimals) * pow10(instrument.szDecimals);
  let left = allowedLots;
  out.clear();
  for (let i = 0; i < from.count; i++) {
    const px = from.pxTicks[i]!;
    const sz = Math.min(Math.floor(from.szLots[i]!), left);
    if (!isOnGrid(instrument, px) || isUnsafe(input, side, px)) continue;
    if (out.count > 0 && side * (out.pxTicks[out.count - 1]! - px) <= 0) continue;
    if (!(sz >= 1) || Math.min(px, input.fairTicks) * sz < input.minNotionalUsd * scale) continue;
    out.push(px, sz);
    left -= sz;
  }
}

function isKeepable(input: ReconcileInput, order: WorkingOrder, targets: TargetSide, j: number): boolean {
  const px = order.pxTicks;
  const target = targets.pxTicks[j]!;
  if (Math.abs(px - target) * 1e4 > input.maxBpsDiff * target) return false;
  const sz = targets.szLots[j]!;
  if (Math.abs(order.remainingLots - sz) > input.sizeTolerance * sz) return false;
  if (isUnsafe(input, order.side, px)) return false;
  // Beyond a neighbour's target the kept order would change places with it: the next run would see other pairs.
  if (j > 0 && order.side * (targets.pxTicks[j - 1]! - px) <= 0) return false;
  return !(j + 1 < targets.count && order.side * (px - targets.pxTicks[j + 1]!) <= 0);
}

/** The everyday case: as many orders as targets, each where it belongs. No alignment can be cheaper than this one. */
function isInPlace(input: ReconcileInput, orders: readonly WorkingOrder[], targets: TargetSide): boolean {
  if (orders.length !== targets.count) return false;
  for (let i = 0; i < orders.length; i++) {
    const order = orders[i]!;
    if (order.role !== Role.Pending && !isKeepable(input, order, targets, i)) return false;
  }
  return true;
}

/** Cost of giving order to target: 0 keep or wait, 1 modify; a trace of distance breaks ties. */
function pairCost(input: ReconcileInput, order: WorkingOrder, targets: TargetSide, j: number): number {
  const target = targets.pxTicks[j]!;
  const distance = NEAR * Math.min(1000, (Math.abs(order.pxTicks - target) * 1e4) / target);
  if (order.role === Role.Pending) return distance;
  return (isKeepable(input, order, targets, j) ? 0 : 1) + distance;
}

function reconcileSide(input: ReconcileInput, side: Side, plan: Plan): void {
  const isBuy = side === Side.Buy;
  const room = isBuy ? input.buyRoomLots : input.sellRoomLots;
  const open = isBuy ? input.buyOpenLots : input.sellOpenLots;

  const orders = plan.side;
  let count = 0;
  let leavingLots = 0;
  for (const order of input.working) {
    if (order.side !== side) continue;
    if (order.role === Role.Leaving) leavingLots += order.remainingLots;
    else insert(orders, count++, order);
  }
  // As many as last time, as a rule: setting a length costs.
  if (orders.length !== count) orders.length = count;

  const targets = plan.sideTargets;
  selectTargets(input, side, Math.max(0, room + open), targets);

  if (room + leavingLots >= 0 && isInPlace(input, orders, targets)) return;

  // Least-cost alignment of two ordered lists. Filled from the back, so that it is read from the front.
  const n = orders.length;
  const m = targets.count;
  const width = m + 1;
  if ((n + 1) * width > plan.cost.length) plan.cost = new Float64Array((n + 1) * width * 2);
  const cost = plan.cost;
  for (let j = m; j >= 0; j--) cost[n * width + j] = m - j;
  for (let i = n - 1; i >= 0; i--) {
    const drop = orders[i]!.role === Role.Free ? 1 : 0;
    cost[i * width + m] = cost[(i + 1) * width + m]! + drop;
    for (let j = m - 1; j >= 0; j--) {
      const pair = cost[(i + 1) * width + j + 1]! + pairCost(input, orders[i]!, targets, j);
      const without = cost[(i + 1) * width + j]! + drop;
      const fresh = cost[i * width + j + 1]! + 1;
      cost[i * width + j] = Math.min(pair, without, fresh);
    }
  }

  // Over the limit: the outermost orders go, after what the plan cancels anyway and what is leaving already.
  const firstCancel = plan.cancels.length;
  const firstModify = plan.modifies.length;
  const firstPlace = plan.places.length;
  let left = room;
  let excess = Math.max(0, -room - leavingLots);
  const kept: WorkingOrder[] = [];
  let i = 0;
  let j = 0;
  while (i < n || j < m) {
    const here = cost[i * width + j]!;
    const order = orders[i];
    if (order !== undefined && j < m) {
      const pair = pairCost(input, order, targets, j);
      if (here === cost[(i + 1) * width + j + 1]! + pair) {
        if (order.role === Role.Free) {
          const sz = targets.szLots[j]!;
          if (pair < 1) kept.push(order);
          else if (sz <= left) {
            plan.modifies.push({ order, pxTicks: targets.pxTicks[j]!, szLots: sz });
            left -= sz;
          } else plan.cancels.push(order);
        }
        i++;
        j++;
        continue;
      }
    }
    if (order !== undefined) {
      const drop = order.role === Role.Free ? 1 : 0;
      if (here === cost[(i + 1) * width + j]! + drop) {
        if (drop === 1) plan.cancels.push(order);
        i++;
        continue;
      }
    }
    plan.places.push({ side, pxTicks: targets.pxTicks[j]!, szLots: targets.szLots[j]! });
    j++;
  }

  for (let k = firstCancel; k < plan.cancels.length; k++) excess -= plan.cancels[k]!.remainingLots;
  while (excess > 0 && kept.length > 0) {
    const order = kept.pop()!;
    plan.cancels.push(order);
    excess -= order.remainingLots;
  }
  if (room < 0) {
    // No room for a second leg: whatever was to be modified has become a cancel above (sz ≤ left is false for left < 0).
    plan.modifies.length = firstModify;
  }
  // Placements use what the modifies left, best first; one that does not fit whole waits for room.
  let used = firstPlace;
  for (let k = firstPlace; k < plan.places.length; k++) {
    const place = plan.places[k]!;
    if (place.szLots > left) continue;
    left -= place.szLots;
    plan.places[used++] = place;
  }
  plan.places.length = used;
}
