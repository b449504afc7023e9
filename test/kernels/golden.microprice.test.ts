import * as abi from "../../src/abi/layout.js";
import { type Batch, type Input, type Json, num, rows, runGolden } from "./golden.js";

function depthImbalance(k: Batch, input: Input): Json {
  const bids = rows(input["bids"]);
  const asks = rows(input["asks"]);
  [...bids, ...asks].forEach(([px, sz], i) => {
    k.put(i * abi.LEVEL_SIZE + abi.LEVEL_PX, [px!]);
    k.put(i * abi.LEVEL_SIZE + abi.LEVEL_SZ, [sz!]);
  });
  return {
    imbalance: k.call("depthImbalance", bids.length, asks.length, num(input["mid"]), num(input["decay_bps"])),
  };
}

runGolden("microprice", {
  top_of_book: (k, input) => {
    const ok =
      k.call(
        "topOfBook",
        num(input["bid"]),
        num(input["ask"]),
        num(input["bid_size"]),
        num(input["ask_size"]),
      ) === 1;
    const [mid, weighted, share, signed, spread, bps] = ok ? k.getAll(0, 6) : [];
    return {
      ok,
      mid: mid ?? null,
      weighted_mid: weighted ?? null,
      imbalance: share ?? null,
      imbalance_signed: signed ?? null,
      spread: spread ?? null,
      spread_bps: bps ?? null,
    };
  },
  depth_imbalance: depthImbalance,
  regression: (k, input) => {
    const args = ["beta_book", "beta_flow", "book_imbalance", "flow_imbalance", "clamp_bps"].map((name) =>
      num(input[name]),
    );
    const price = k.call("microprice", num(input["mid"]), ...args);
    return {
      microprice: price,
      adjustment: Number.isNaN(price) ? null : k.call("micropriceAdjustment", ...args),
    };
  },
  flow_imbalance: (k, input) => {
    k.call("flowReset");
    const tau = num(input["tau_s"]);
    const after = rows(input["trades"]).map(([t, sz, side]) => k.call("flowBatch", t!, sz!, side!, tau));
    k.call("flowBatch", num(input["query_ms"]), 0, 0, tau);
    return { after_each: after, buy_decayed: k.call("flowSide", 1), sell_decayed: k.call("flowSide", 0) };
  },
});
