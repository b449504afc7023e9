/** The simulated exchange: the matching core alone, and one signed action from JSON text to answer. */
import secp256k1 from "secp256k1";
import { Rng, Side } from "../src/domain/index.js";
import type { SimOrder } from "../src/sim/account.js";
import { type L1Action, parseAction, parseEnvelope } from "../src/sim/actions.js";
import { actionHash, addressOfKey, agentDigest, recoverSigner } from "../src/sim/auth.js";
import { Exchange, type OrderSpec } from "../src/sim/exchange.js";
import { ActionExecutor } from "../src/sim/execute.js";
import { perpInstrument } from "../src/sim/market.js";
import { L3Book } from "../src/sim/matching.js";
import { type BenchContext, type BenchResult, type BenchSuite, micro, Samples } from "./harness.js";

const WALL_MS = 1_760_000_000_000;
const MID_TICKS = 1_100_000;

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

/** JSON texts of signed single-order actions, alternating sides so that some trade. */
function signedActions(count: number): { texts: string[]; address: string } {
  const key = Uint8Array.from(Buffer.from("11".repeat(32), "hex"));
  const texts = Array.from({ length: count }, (_, i) => {
    const action = {
      type: "order",
      orders: [
        {
          a: 0,
          b: i % 2 === 0,
          p: String(110_000 + (i % 2 === 0 ? -1 : 1) * (1 + (i % 15))),
          s: "0.01",
          r: false,
          t: { limit: { tif: "Alo" } },
          c: `0x${i.toString(16).padStart(32, "0")}`,
        },
      ],
      grouping: "na",
    };
    const nonce = WALL_MS + i;
    const digest = agentDigest("b", actionHash(parseAction(action) as L1Action, nonce));
    const { signature, recid } = secp256k1.ecdsaSign(digest, key);
    const hex = Buffer.from(signature).toString("hex");
    const sig = { r: `0x${hex.slice(0, 64)}`, s: `0x${hex.slice(64)}`, v: 27 + recid };
    return JSON.stringify({ action, nonce, signature: sig, vaultAddress: null });
  });
  return { texts, address: addressOfKey(key) };
}

async function signedAction(ctx: BenchContext): Promise<BenchResult> {
  const count = ctx.isSmoke ? 20 : 3000;
  const { texts, address } = signedActions(count);
  const exchange = new Exchange({ ...new Exchange().options, openOrdersMax: count + 1 });
  exchange.addMarket(perpInstrument("BTC", 5, 40), new L3Book());
  exchange.deposit(address, 1e15);
  const executor = new ActionExecutor(exchange);
  const samples = new Samples(count);
  for (const [i, text] of texts.entries()) {
    const t0 = process.hrtime.bigint();
    const envelope = parseEnvelope(JSON.parse(text))!;
    const signer = recoverSigner(envelope, ["b"], (a) => exchange.accountOfSigner(a) !== undefined)!;
    const answer = JSON.stringify(executor.execute(signer, envelope, WALL_MS + i, WALL_MS + i));
    samples.add(Number(process.hrtime.bigint() - t0));
    if (!answer.includes("resting")) throw new Error(`sim.signedAction: unexpected answer ${answer}`);
  }
  return samples.result("sim.signedAction", "us", {
    note: "JSON text to JSON answer: parse, msgpack, keccak, recovery, checks, book; bound by secp256k1 recovery and keccak",
  });
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
    return [matching, await signedAction(ctx)];
  },
};
