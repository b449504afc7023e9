import * as abi from "../../src/abi/layout.js";
import { type Batch, type Input, type Json, num, nums, runGolden } from "./golden.js";

const SIZES = 1024;
const QUOTES = 2048;

function allocate(k: Batch, input: Input): Json {
  const depths = nums(input["depths_bps"]);
  const [kappa, as0, d0, fee, total, temperature, cap] = [
    "kappa_per_bps",
    "as0_bps",
    "d0_bps",
    "fee_bps",
    "total_size",
    "temperature",
    "cap",
  ].map((name) => num(input[name])) as [number, number, number, number, number, number, number];
  k.put(0, depths);
  const softness = input["method"] === "entropy" ? temperature : 0;
  k.call("weightsBatch", depths.length, kappa, as0, d0, fee, cap, softness);
  const weights = k.getAll(SIZES, depths.length);
  return {
    intensity_rel: depths.map((d) => k.call("relativeIntensity", kappa, d)),
    spread_capture_bps: depths.map((d) => k.call("spreadCapture", d, as0, d0, fee)),
    weights,
    sizes: weights.map((w) => w * total),
  };
}

function build(k: Batch, input: Input): Json {
  const depths = nums(input["depths_bps"]);
  const [fair, skew, tick, lot, minNotional, q, qMax] = [
    "fair",
    "skew",
    "tick",
    "lot",
    "min_notional",
    "q",
    "q_max",
  ].map((name) => num(input[name])) as [number, number, number, number, number, number, number];
  k.put(0, depths);
  const side = (isBid: boolean): { raw: Json; final: Json } => {
    const sizes = nums(input[isBid ? "sizes_bid" : "sizes_ask"]);
    k.put(
      SIZES,
      sizes.map((z) => z / lot),
    );
    const opposite = input[isBid ? "best_ask" : "best_bid"];
    const room = (isBid ? qMax - q : qMax + q) / lot;
    const best = opposite === null ? 0 : num(opposite);
    const count = k.call("sideBatch", isBid, fair, skew, depths.length, tick, lot, minNotional, room, best);
    const quote = (i: number): number[] => {
      const at = QUOTES + i * abi.QUOTE_SIZE;
      return [k.get(at + abi.QUOTE_PX_TICKS) * tick, k.get(at + abi.QUOTE_SZ_LOTS) * lot];
    };
    return {
      raw: depths.map((d, i) => [k.call("rawPx", fair, d, skew, isBid), sizes[i]!]),
      final: Array.from({ length: count }, (_, i) => quote(i)),
    };
  };
  const bids = side(true);
  const asks = side(false);
  return { raw: { bids: bids.raw, asks: asks.raw }, final: { bids: bids.final, asks: asks.final } };
}

runGolden("ladder", {
  depths: (k, input) => {
    const count = num(input["num_levels"]);
    const spacing = input["spacing"] === "linear" ? abi.Spacing.Linear : abi.Spacing.Geometric;
    k.call("depthsBatch", count, num(input["min_depth_bps"]), num(input["max_depth_bps"]), spacing);
    return { depths_bps: k.getAll(0, count) };
  },
  allocate,
  round_price: (k, input) => {
    const tick = num(input["tick"]);
    const ticks = k.call("gridRound", num(input["price"]) / tick, input["side"] === "bid", 0, 1);
    return { ticks, price: ticks * tick };
  },
  round_price_sigfig: (k, input) => {
    const decimals = 6 - num(input["size_decimals"]);
    const whole = 10 ** decimals;
    const ticks = k.call("gridRound", num(input["price"]) * whole, input["side"] === "bid", 5, whole);
    const exponent = Math.round(Math.log10(k.call("gridStep", ticks, 5, whole))) - decimals;
    return { tick_exponent: exponent, price: ticks / whole };
  },
  build,
});
