/**
 * The executor's own work: `execution.reconcile` compares a drifting ladder of 10 levels a side with the orders of the last
 * one. Its inputs come from a seeded array of ladders; the checksum of all plans is in the note.
 */
import { type Cloid, Rng, Side } from "../src/domain/index.js";
import {
  Plan,
  type ReconcileInput,
  Role,
  reconcile,
  TargetSide,
  type WorkingOrder,
} from "../src/execution/reconcile.js";
import { type BenchContext, type BenchResult, type BenchSuite, BTC, micro } from "./harness.js";

const LEVELS = 10;
const SCENES = 256;

/** Ticks of 0.1 on a grid of whole dollars, as at 65,000. */
const snap = (ticks: number): number => Math.round(ticks / 10) * 10;

/** @param driftBps how far the fair price has moved since the working orders were placed, at most, either way.
 *  @param partShare share of orders that were filled in part. */
function scene(rng: Rng, driftBps: number, partShare: number): ReconcileInput {
  const fairTicks = 650_005;
  const moved = fairTicks * (1 + (2 * rng.uniform() - 1) * driftBps * 1e-4);
  const bids = new TargetSide();
  const asks = new TargetSide();
  const working: WorkingOrder[] = [];
  for (let i = 0; i < LEVELS; i++) {
    const depth = 3e-4 * 1.3 ** i;
    const szLots = 500 + rng.below(500);
    for (const side of [Side.Buy, Side.Sell]) {
      (side === Side.Buy ? bids : asks).push(snap(moved * (1 - side * depth)), szLots);
      working.push({
        cloid: `0x${(2 * i + (side > 0 ? 1 : 0)).toString(16).padStart(32, "0")}` as Cloid,
        side,
        pxTicks: snap(fairTicks * (1 - side * depth)),
        remainingLots: rng.uniform() < partShare ? Math.ceil(szLots / 2) : szLots,
        role: Role.Free,
      });
    }
  }
  return {
    instrument: BTC,
    bids,
    asks,
    working,
    maxBpsDiff: 5,
    sizeTolerance: 0.1,
    fairTicks: moved,
    bestBidTicks: snap(moved) - 10,
    bestAskTicks: snap(moved) + 10,
    buyRoomLots: 1e5,
    sellRoomLots: 1e5,
    buyOpenLots: 1e4,
    sellOpenLots: 1e4,
    minNotionalUsd: 10,
    maxOrders: 64,
    maxOps: 40,
  };
}

async function measure(
  ctx: BenchContext,
  name: string,
  driftBps: number,
  partShare: number,
  what: string,
): Promise<BenchResult> {
  const rng = new Rng(ctx.seed).fork(name);
  const scenes = Array.from({ length: SCENES }, () => scene(rng, driftBps, partShare));
  const plan = new Plan();
  let next = 0;
  let requests = 0;
  const result = await micro(
    name,
    () => {
      reconcile(scenes[next++ % SCENES]!, plan);
      requests += plan.cancels.length + plan.modifies.length + plan.places.length;
    },
    { batch: 64, iterations: 2000, isSmoke: ctx.isSmoke },
  );
  // Over one round of the scenes: the same for every run of a seed.
  let checksum = 0;
  for (const s of scenes) {
    reconcile(s, plan);
    checksum += plan.cancels.length * 7 + plan.modifies.length * 5 + plan.places.length * 3;
  }
  return {
    ...result,
    note: `${what}; checksum ${checksum}${requests < 0 ? "!" : ""}; ${result.note ?? ""}`,
  };
}

export const suite: BenchSuite = {
  name: "execution",
  async run(ctx) {
    return [
      await measure(
        ctx,
        "execution.reconcile",
        8,
        0.2,
        "10 levels a side against 10 orders, a fifth filled in part, fair moved by up to 8 bps",
      ),
      await measure(
        ctx,
        "execution.reconcile.still",
        0.5,
        0,
        "the same, whole, moved by up to 0.5 bps: every order keeps its place",
      ),
    ];
  },
};
