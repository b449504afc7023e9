import { expect, test } from "vitest";
import { OwnOrderEvent } from "../../src/abi/layout.js";
import { Side } from "../../src/domain/index.js";
import type { RunFacts, RunRequest } from "../../src/engine/journal-facts.js";
import { ownSteps } from "../../src/engine/journal-orders.js";

const CLOID = "0x0000000000000000000000000000abcd";
const OID = 77;
const side = Side.Buy;
const request = (
  kind: RunRequest["kind"],
  sentMs: number,
  order: { px: number; sz: number; side: Side },
  status: RunRequest["statuses"][number],
): RunRequest => ({
  kind,
  sentMs,
  answeredMs: sentMs + 10,
  cloids: kind === "cancel" ? [] : [CLOID],
  orders: [{ cloid: CLOID, venueAssetId: 0, ...order }],
  statuses: [status],
});
/** As a cancel's text is read: it names the order alone. */
const NOTHING = { px: Number.NaN, sz: Number.NaN, side: Side.Sell };

test("a cancel and its answer tell the order that they are about, as it then was", () => {
  const facts = {
    setup: { instruments: [{ coin: "BTC", asset: 0, venueAssetId: 0 }], paper: undefined },
    requests: [
      request("place", 1_000, { px: 100, sz: 3, side }, { oid: OID }),
      request("modify", 2_000, { px: 101, sz: 3, side }, { oid: OID + 1 }),
      request("cancel", 3_000, NOTHING, "success"),
    ],
    updates: [
      {
        ...{ coin: "BTC", side, px: 101, sz: 3, oid: OID + 1, cloid: CLOID },
        ...{ status: "open", exchMs: 2_005, recvMs: 2_015 },
      },
    ],
    fills: [
      {
        ...{ coin: "BTC", side, px: 101, sz: 0.7, oid: OID + 1, tid: 5, feeUsd: 0, startPos: 0 },
        ...{ isMaker: true, exchMs: 2_500, recvMs: 2_510 },
      },
    ],
  } as unknown as RunFacts;
  const cancels = ownSteps(facts).filter((s) => s.recvMs >= 3_000);
  const about = { side, px: 101, sz: 2.3, oid: OID + 1, sentMs: 3_000 };
  expect(cancels).toMatchObject([
    { ...about, event: OwnOrderEvent.Cancel },
    { ...about, event: OwnOrderEvent.Cancelled },
  ]);
});
