/** The simulated exchange: the matching core, order actions through the executor, signed actions from JSON text and from a socket. */
import { Rng, Side } from "../src/domain/index.js";
import type { SimOrder } from "../src/sim/account.js";
import { parseEnvelope } from "../src/sim/actions.js";
import { addressOfKey, recoverSigner } from "../src/sim/auth.js";
import { Exchange, type OrderSpec } from "../src/sim/exchange.js";
import { ActionExecutor } from "../src/sim/execute.js";
import { perpInstrument } from "../src/sim/market.js";
import { L3Book } from "../src/sim/matching.js";
import { type BenchContext, type BenchResult, type BenchSuite, micro, Samples } from "./harness.js";
import { signedEnvelope, signedSocket } from "./signed-socket.js";

const WALL_MS = 1_760_000_000_000;
const MID_TICKS = 1_100_000;
const UNSIGNED = { r: "0x0", s: "0x0", v: 27 };

/**
 * A steady stream of placements and cancels by four funded accounts: about half post-only near the touch, a fifth
 * crossing, the rest cancels, so that the book stays a few hundred orders deep. Every check, fill, fee and record is included.
 */
function orderStream(seed: number): () => void {
  const exchange = new Exchange();
  const market = exchange.addMarket(perpInstrument("BTC", 5, 40), new L3Book());
  const accounts = [1, 2, 3, 4].map((n) => exchange.deposit(`0x${n.toString(16).padStart(40, "0")}`, 1e15));
  const rng = new Rng(seed);
  // The dice are thrown before the clock starts: they cost about as much as a cancel.
  const dice = Float64Array.from({ length: 1 << 16 }, () => rng.uniform());
  let at = 0;
  const next = (): number => dice[at++ & 0xffff]!;
  const live: SimOrder[] = [];
  let ms = WALL_MS;
  return () => {
    ms++;
    const account = accounts[(next() * 4) | 0]!;
    const kind = next();
    if (kind > 0.7 || live.length > 400) {
      const i = (next() * live.length) | 0;
      const order = live[i];
      if (order !== undefined) {
        live[i] = live[live.length - 1]!;
        live.pop();
        if (order.status === "open") exchange.cancel(order, ms);
        return;
      }
    }
    const side = next() < 0.5 ? Side.Buy : Side.Sell;
    const isCrossing = kind < 0.2;
    const offset = isCrossing ? -5 : 1 + Math.floor(next() * 20);
    const spec: OrderSpec = {
      market,
      side,
      pxTicks: MID_TICKS - side * offset * 10,
      szLots: 100 + Math.floor(next() * 1000),
      tif: isCrossing ? "Ioc" : "Gtc",
      isReduceOnly: false,
      cloid: undefined,
    };
    const { order } = exchange.place(account, spec, ms);
    if (order?.status === "open") live.push(order);
  };
}

/** The same kind of stream as actions through the executor: nonces, budgets, wire parsing, checks, money, answers. */
function actionStream(seed: number): () => void {
  const exchange = new Exchange();
  exchange.addMarket(perpInstrument("BTC", 5, 40), new L3Book());
  const addresses = [1, 2, 3, 4].map((n) => `0x${n.toString(16).padStart(40, "0")}`);
  for (const address of addresses) exchange.deposit(address, 1e15);
  const executor = new ActionExecutor(exchange, { addressLimit: "venue", initialRequests: 1e12 });
  const rng = new Rng(seed);
  // Built beforehand: a client's work.
  const orders = Array.from({ length: 1 << 12 }, () => {
    const b = rng.uniform() < 0.5;
    const isCrossing = rng.uniform() < 0.3;
    const offset = isCrossing ? -5 : 1 + rng.below(20);
    return {
      a: 0,
      b,
      p: String(110_000 - (b ? 1 : -1) * offset),
      s: String((100 + rng.below(1000)) / 1e5),
      r: false,
      t: { limit: { tif: isCrossing ? ("Ioc" as const) : ("Gtc" as const) } },
    };
  });
  const live: { address: string; oid: number }[] = [];
  let i = 0;
  return () => {
    i++;
    const ms = WALL_MS + i;
    const doomed = live.length > 300 || i % 3 === 0 ? live.shift() : undefined;
    const address = doomed?.address ?? addresses[i & 3]!;
    const action =
      doomed === undefined
        ? ({ type: "order", orders: [orders[i & 0xfff]!], grouping: "na" } as const)
        : ({ type: "cancel", cancels: [{ a: 0, o: doomed.oid }] } as const);
    const envelope = {
      action,
      nonce: ms,
      signature: UNSIGNED,
      vaultAddress: undefined,
      expiresAfter: undefined,
    };
    const answer = executor.execute(address, envelope, ms, ms);
    if (doomed !== undefined || answer.status !== "ok") return;
    const { statuses } = answer.response.data as { statuses: { resting?: { oid: number } }[] };
    const oid = statuses[0]?.resting?.oid;
    if (oid !== undefined) live.push({ address, oid });
  };
}

/** JSON texts of signed single-order actions, alternating sides. */
function signedActions(count: number): { texts: string[]; address: string } {
  const key = Uint8Array.from(Buffer.from("11".repeat(32), "hex"));
  const texts = Array.from({ length: count }, (_, i) => {
    const order = {
      a: 0,
      b: i % 2 === 0,
      p: String(110_000 + (i % 2 === 0 ? -1 : 1) * (1 + (i % 15))),
      s: "0.01",
      r: false,
      t: { limit: { tif: "Alo" } },
      c: `0x${i.toString(16).padStart(32, "0")}`,
    };
    return signedEnvelope({ type: "order", orders: [order], grouping: "na" }, WALL_MS + i, key);
  });
  return { texts, address: addressOfKey(key) };
}

async function signedAction(ctx: BenchContext): Promise<BenchResult[]> {
  const count = ctx.isSmoke ? 20 : 3000;
  const { texts, address } = signedActions(count);
  const exchange = new Exchange({ ...new Exchange().options, openOrdersMax: count + 1 });
  exchange.addMarket(perpInstrument("BTC", 5, 40), new L3Book());
  exchange.deposit(address, 1e15);
  const executor = new ActionExecutor(exchange);
  const samples = new Samples(count);
  const recovery = new Samples(count);
  for (const [i, text] of texts.entries()) {
    const t0 = process.hrtime.bigint();
    const envelope = parseEnvelope(JSON.parse(text))!;
    const t1 = process.hrtime.bigint();
    const signer = recoverSigner(envelope, ["b"], (a) => exchange.accountOfSigner(a) !== undefined)!;
    recovery.add(Number(process.hrtime.bigint() - t1));
    const answer = JSON.stringify(executor.execute(signer, envelope, WALL_MS + i, WALL_MS + i));
    samples.add(Number(process.hrtime.bigint() - t0));
    if (!answer.includes("resting")) throw new Error(`sim.signedAction: unexpected answer ${answer}`);
  }
  return [
    samples.result("sim.signedAction", "us", {
      note: "JSON text to JSON answer: parse, msgpack, keccak, recovery, checks, book",
    }),
    recovery.result("sim.signedAction.recover", "us", {
      note: "the part of it that finds the signer: msgpack, keccak, secp256k1 recovery",
    }),
  ];
}

export const suite: BenchSuite = {
  name: "sim",
  async run(ctx) {
    const step = orderStream(ctx.seed);
    for (let i = 0; i < (ctx.isSmoke ? 100 : 20_000); i++) step();
    const matching = await micro("sim.matching", step, {
      batch: 1000,
      iterations: 200,
      isSmoke: ctx.isSmoke,
      budgetP50: 10_000,
      note: "one order action (place or cancel) with checks, fills, fees and records",
    });
    const act = actionStream(ctx.seed);
    for (let i = 0; i < (ctx.isSmoke ? 100 : 20_000); i++) act();
    const actions = await micro("sim.actions", act, {
      batch: 1000,
      iterations: 200,
      isSmoke: ctx.isSmoke,
      budgetP50: 10_000,
      note: "one order action through the executor: nonce, budget, wire to integers, checks, book, money, answer",
    });
    return [matching, actions, ...(await signedAction(ctx)), await signedSocket(ctx)];
  },
};
