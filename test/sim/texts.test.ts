/** Texts that are written by hand for speed: to the byte what JSON.stringify makes of the same. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FillWire, OrderUpdateWire } from "../../src/sim/account.js";
import { actionText } from "../../src/sim/action-text.js";
import type { Action, OrderWire } from "../../src/sim/actions.js";
import { answerText, type ExchangeResponse, err, ok, okWith } from "../../src/sim/answers.js";
import { orderUpdatesFrame, userFillsFrame } from "../../src/sim/frames.js";

const SEED = 77;
const cloid = fc
  .bigInt({ min: 0n, max: 2n ** 128n - 1n })
  .map((n) => `0x${n.toString(16).padStart(32, "0")}`);
const decimal = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => x.toFixed(4));
const oid = fc.integer({ min: 1, max: 2 ** 50 });
const ms = fc.integer({ min: 0, max: 2e12 });
const coin = fc.constantFrom("BTC", "xyz:GOLD", "@107", "PURR/USDC", "kPEPE");
const side = fc.constantFrom("B", "A");
/** Absent, not undefined: as the exchange makes its records. */
const record = <T>(required: object, optional: object): fc.Arbitrary<T> =>
  fc
    .tuple(fc.record(required as never), fc.record(optional as never, { requiredKeys: [] }))
    .map(([a, b]) => ({ ...(a as object), ...sorted(b as object, Object.keys(optional)) }) as T);
const sorted = (values: object, keys: readonly string[]): object =>
  Object.fromEntries(keys.flatMap((k) => (k in values ? [[k, (values as Record<string, unknown>)[k]]] : [])));

const order = record<OrderUpdateWire["order"]>(
  { coin, side, limitPx: decimal, sz: decimal, oid, timestamp: ms, origSz: decimal },
  { cloid, reduceOnly: fc.constant(true) },
);
const update = fc.record({
  order,
  status: fc.constantFrom("open", "filled", "canceled", "badAloPxRejected", "marginCanceled"),
  statusTimestamp: ms,
});
const fill = record<FillWire>(
  {
    coin,
    px: decimal,
    sz: decimal,
    side,
    time: ms,
    startPosition: decimal,
    dir: fc.constantFrom("Open Long", "Close Short", "Long > Short", "Buy"),
    closedPnl: decimal,
    hash: cloid,
    oid,
    crossed: fc.boolean(),
    fee: decimal,
    tid: oid,
    feeToken: fc.constant("USDC"),
    twapId: fc.option(fc.nat()),
  },
  {
    cloid,
    builderFee: decimal,
    liquidation: fc.record({ liquidatedUser: cloid, markPx: decimal, method: fc.constant("market") }),
  },
);
const wire = record<OrderWire>(
  {
    a: fc.nat(),
    b: fc.boolean(),
    p: decimal,
    s: decimal,
    r: fc.boolean(),
    t: fc.oneof(
      fc.record({ limit: fc.record({ tif: fc.constantFrom("Alo", "Gtc", "Ioc") }) }),
      fc.record({
        trigger: fc.record({ isMarket: fc.boolean(), triggerPx: decimal, tpsl: fc.constant("tp") }),
      }),
    ),
  },
  { c: cloid },
);

describe("texts written by hand", () => {
  test("order updates", () => {
    fc.assert(
      fc.property(fc.array(update, { minLength: 1, maxLength: 4 }), (data) => {
        expect(orderUpdatesFrame(data)).toBe(JSON.stringify({ channel: "orderUpdates", data }));
      }),
      { seed: SEED },
    );
  });

  test("fills, with and without the user, as news and as a snapshot", () => {
    const head = fc.constantFrom({}, { user: "0x51" }, { isSnapshot: true as const });
    fc.assert(
      fc.property(head, fc.array(fill, { maxLength: 3 }), (h, fills) => {
        const data = { ...h, fills };
        expect(userFillsFrame(data)).toBe(JSON.stringify({ channel: "userFills", data }));
      }),
      { seed: SEED },
    );
  });

  test("actions: orders, modifies, cancels, and what is no quoting client's", () => {
    const orders = fc.array(wire, { minLength: 1, maxLength: 3 });
    const target = fc.oneof(oid, cloid);
    const action: fc.Arbitrary<Action> = fc.oneof(
      fc.record({
        type: fc.constant("order" as const),
        orders,
        grouping: fc.constantFrom("na", "normalTpsl"),
      }),
      fc.record({
        type: fc.constant("order" as const),
        orders,
        grouping: fc.constant("na" as const),
        builder: fc.record({ b: cloid, f: fc.nat() }),
      }),
      fc.record({
        type: fc.constant("batchModify" as const),
        modifies: fc.array(fc.record({ oid: target, order: wire }), { minLength: 1, maxLength: 3 }),
      }),
      fc.record({
        type: fc.constant("cancelByCloid" as const),
        cancels: fc.array(fc.record({ asset: fc.nat(), cloid }), { minLength: 1 }),
      }),
      fc.constant({ type: "scheduleCancel", time: 1_760_000_000_000 } as const),
    ) as fc.Arbitrary<Action>;
    fc.assert(
      fc.property(action, (a) => {
        expect(actionText(a)).toBe(JSON.stringify(a));
      }),
      { seed: SEED },
    );
  });

  test("answers: each status, a refusal of the whole, and those without statuses", () => {
    const id = record<{ oid: number; cloid?: string }>({ oid }, { cloid });
    const status = fc.oneof(
      fc.constant("success"),
      fc.record({ resting: id }),
      fc.record({ filled: fc.record({ totalSz: decimal, avgPx: decimal, oid, cloid }) }),
      fc.record({ error: fc.string() }),
    );
    const answer: fc.Arbitrary<ExchangeResponse> = fc.oneof(
      fc.tuple(fc.constantFrom("order", "cancel"), fc.array(status)).map(([type, s]) => ok(type, s)),
      fc.string().map(err),
      fc.constant(ok("default")),
      status.map((s) => okWith("twapOrder", { status: s })),
    );
    fc.assert(
      fc.property(answer, (a) => {
        expect(answerText(a)).toBe(JSON.stringify(a));
      }),
      { seed: SEED },
    );
  });
});
