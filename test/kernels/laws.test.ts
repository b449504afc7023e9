/**
 * Laws of the quote, on the real wasm through `step` and `quote`:
 *   1 half-spread and |skew| rise strictly with gamma (the user's option and the defence multiplier)
 *   2 ... with sigma          3 ... half-spread with spread_mult (cap of the skew with it)
 *   4 bid < fair < ask, post-only, on the grid, strictly monotone, within room, above the minimum notional, whole lots
 *   5 symmetric when flat; the mirror position gives the mirror skew
 *   6 no input makes a number that is not finite, and a refused record changes nothing
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { KernelStatus, StrategyType } from "../../src/abi/layout.js";
import { type Instrument, isOnGrid } from "../../src/domain/index.js";
import type { KernelParams } from "../../src/kernels/index.js";
import { BTC, type Ladder, Rig, terms } from "./rig.js";

const SEED = 20_260_101;
const runs = (numRuns: number) => ({ seed: SEED, numRuns });

const between = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min, max, noNaN: true, noDefaultInfinity: true });
/** Log-uniform: small and large magnitudes alike. */
const scale = (min: number, max: number): fc.Arbitrary<number> =>
  between(Math.log(min), Math.log(max)).map(Math.exp);

/** One warm market per arrival rate; laws reconfigure it. Estimates stay, so kappa and sigma are pinned by their bounds. */
const rigs = [5, 20, 200].map((untilS) => {
  const rig = new Rig({ makerFeeBps: 0 });
  rig.warm(110_000, 0.5, 1, untilS);
  return rig;
});

const market = fc.record({
  rig: fc.constantFrom(...rigs),
  strategy: fc.constantFrom(StrategyType.InventoryAware, StrategyType.Glft, StrategyType.Ladder),
  sigma: scale(0.05, 20),
  kappa: scale(0.005, 2),
  gamma: scale(0.01, 10),
  posRatio: between(0.05, 1).chain((r) => fc.constantFrom(r, -r)),
  fee: between(-1, 5),
  as0: between(0, 20),
  asDecay: scale(1, 100),
  spreadMult: between(1, 5),
  gammaMult: between(1, 20),
  horizonS: fc.constantFrom(0, 30, 120, 600),
  minDepth: scale(0.5, 20),
});
type Market = typeof market extends fc.Arbitrary<infer T> ? T : never;

function paramsOf(m: Market): Partial<KernelParams> {
  return {
    strategy: m.strategy,
    sigmaFloorBps: m.sigma,
    sigmaCapBps: m.sigma,
    kappaMinPerBps: m.kappa,
    kappaMaxPerBps: m.kappa,
    kappaPriorPerBps: m.kappa,
    gammaPerBps: m.gamma,
    gammaMult: m.gammaMult,
    spreadMult: m.spreadMult,
    makerFeeBps: m.fee,
    as0Bps: m.as0,
    asDecayBps: m.asDecay,
    horizonS: m.horizonS,
    minDepthBps: m.minDepth,
    maxDepthBps: 200,
    symmetricHalfSpreadBps: m.minDepth,
    minNotionalUsd: 0,
  } as Partial<KernelParams>;
}

/** Terms under `change`; the position is in lots of the default limit. */
function termsOf(m: Market, change: Partial<KernelParams>): ReturnType<typeof terms> {
  expect(m.rig.configure({ ...paramsOf(m), ...change })).toBe(KernelStatus.Ok);
  m.rig.position(Math.round(5000 * m.posRatio));
  return terms(m.rig.quote());
}

function expectWider(narrow: ReturnType<typeof terms>, wide: ReturnType<typeof terms>, m: Market): void {
  expect(wide.half).toBeGreaterThan(narrow.half);
  expect(Math.abs(wide.rawSkew)).toBeGreaterThan(Math.abs(narrow.rawSkew));
  // The published skew rises with the raw one and, where the cap binds, with the half-spread that carries the cap.
  expect(Math.abs(wide.skew)).toBeGreaterThan(Math.abs(narrow.skew));
  expect(Math.sign(wide.skew)).toBe(Math.sign(m.posRatio));
}

describe("law 1, 2, 3: spread and skew rise strictly", () => {
  const factor = between(1.01, 5);

  test("with the user's gamma", () => {
    fc.assert(
      fc.property(market, factor, (m, f) => {
        expectWider(termsOf(m, {}), termsOf(m, { gammaPerBps: m.gamma * f }), m);
      }),
      runs(400),
    );
  });

  test("with the defence multiplier of gamma", () => {
    fc.assert(
      fc.property(market, factor, (m, f) => {
        expectWider(termsOf(m, {}), termsOf(m, { gammaMult: m.gammaMult * f }), m);
      }),
      runs(400),
    );
  });

  test("with sigma", () => {
    fc.assert(
      fc.property(market, factor, (m, f) => {
        const sigma = m.sigma * f;
        expectWider(termsOf(m, {}), termsOf(m, { sigmaFloorBps: sigma, sigmaCapBps: sigma }), m);
      }),
      runs(400),
    );
  });

  test("half-spread with the spread multiplier, of every strategy", () => {
    fc.assert(
      fc.property(market, factor, fc.boolean(), (m, f, isSymmetric) => {
        const strategy = isSymmetric ? StrategyType.Symmetric : m.strategy;
        const narrow = termsOf(m, { strategy });
        const wide = termsOf(m, { strategy, spreadMult: m.spreadMult * f });
        expect(wide.half).toBeGreaterThan(narrow.half);
        expect(Math.abs(wide.skew)).toBeGreaterThanOrEqual(Math.abs(narrow.skew));
      }),
      runs(200),
    );
  });

  test("a smaller kappa or a larger fee never narrows", () => {
    fc.assert(
      fc.property(market, factor, (m, f) => {
        const base = termsOf(m, {});
        const k = m.kappa / f;
        const kappa = { kappaMinPerBps: k, kappaMaxPerBps: k, kappaPriorPerBps: k };
        expect(termsOf(m, kappa).half).toBeGreaterThanOrEqual(base.half);
        expect(termsOf(m, { makerFeeBps: m.fee + f }).half).toBeGreaterThanOrEqual(base.half);
      }),
      runs(200),
    );
  });

  test("the log form of the manual would break law 1: the checker can fail", () => {
    const log = (gamma: number): number => Math.log1p(gamma / 0.2) / gamma;
    expect(log(0.25)).toBeLessThan(log(0.1));
  });
});

// ---- law 4 and 5 on ladders over many grids ----

const venue = fc
  .record({
    szDecimals: fc.integer({ min: 0, max: 5 }),
    px: scale(0.002, 150_000),
    maxSigFigs: fc.constantFrom(0, 5),
  })
  .map(({ szDecimals, px, maxSigFigs }) => {
    const inst: Instrument = { ...BTC, szDecimals, pxDecimals: 6 - szDecimals, maxSigFigs };
    return { inst, px: Math.max(px, 200 / 10 ** inst.pxDecimals) };
  });

const book = fc.record({
  venue,
  spreadTicks: fc.integer({ min: 1, max: 40 }),
  heavyBid: scale(0.01, 100),
  strategy: fc.constantFrom(0, 1, 2, 3),
  spacing: fc.constantFrom(0, 1),
  levelCount: fc.integer({ min: 1, max: 32 }),
  sigma: scale(0.05, 10),
  kappa: scale(0.02, 2),
  gamma: scale(0.05, 5),
  posRatio: between(-1.2, 1.2),
  maxPos: fc.integer({ min: 1, max: 1_000_000 }),
  sideShare: scale(0.01, 1),
  minNotional: fc.constantFrom(0, 10, 1000),
  skewRatio: fc.constantFrom(0.5, 0.9, 1.5, 4),
  minDepth: scale(0.05, 20),
  beta: between(-1e-3, 1e-3),
});
type Case = typeof book extends fc.Arbitrary<infer T> ? T : never;

const ladderRig = new Rig();
ladderRig.warm(110_000, 0.5, 1);

function ladderOf(
  c: Case,
  overrides: Partial<KernelParams> = {},
): { ladder: Ladder; pos: number; tick: number } {
  const { inst, px } = c.venue;
  const tick = 10 ** -inst.pxDecimals;
  const rig = ladderRig;
  rig.inst = { ...inst, minNotionalUsd: c.minNotional };
  const configured = rig.configure({
    strategy: c.strategy as StrategyType,
    spacing: c.spacing as abi.Spacing,
    levelCount: c.levelCount,
    maxPosLots: c.maxPos,
    sideSzLots: Math.max(1, Math.round(c.maxPos * c.sideShare)),
    sigmaFloorBps: c.sigma,
    sigmaCapBps: c.sigma,
    kappaMinPerBps: c.kappa,
    kappaMaxPerBps: c.kappa,
    kappaPriorPerBps: c.kappa,
    gammaPerBps: c.gamma,
    maxSkewRatio: c.skewRatio,
    minDepthBps: c.minDepth,
    maxDepthBps: 60,
    symmetricHalfSpreadBps: c.minDepth,
    makerFeeBps: 0,
    betaBook: c.beta,
    ...overrides,
  });
  expect(configured).toBe(KernelStatus.Ok);
  rig.feed(abi.FeedState.Resync);
  rig.feed(abi.FeedState.Live);
  const bidTicks = Math.max(1, Math.floor(px / tick));
  const bid = bidTicks * tick;
  const ask = (bidTicks + c.spreadTicks) * tick;
  expect(rig.book(1, [[bid, c.heavyBid]], [[ask, 1]])).toBe(KernelStatus.Ok);
  const pos = Math.round(c.maxPos * c.posRatio);
  rig.position(pos);
  return { ladder: rig.quote(), pos, tick };
}

describe("law 4: a ladder is safe to send", () => {
  test("for every strategy, grid, position and book", () => {
    let quoted = 0;
    fc.assert(
      fc.property(book, (c) => {
        const { ladder, pos, tick } = ladderOf(c);
        const t = terms(ladder);
        if (ladder.status !== KernelStatus.Ok) {
          expect(ladder.bids.length + ladder.asks.length).toBe(0);
          return;
        }
        quoted++;
        const inst = c.venue.inst;
        for (const [side, sign] of [
          [ladder.bids, -1],
          [ladder.asks, 1],
        ] as const) {
          let previous = sign < 0 ? Number.POSITIVE_INFINITY : 0;
          let lots = 0;
          for (const q of side) {
            expect(Number.isSafeInteger(q.pxTicks) && Number.isSafeInteger(q.szLots) && q.szLots > 0).toBe(
              true,
            );
            expect(isOnGrid(inst, q.pxTicks), `${q.pxTicks} on the grid`).toBe(true);
            expect((q.pxTicks - previous) * sign, "strictly monotone").toBeGreaterThan(0);
            const px = q.pxTicks * tick;
            expect((px - t.fair) * sign, "its own side of fair").toBeGreaterThan(0);
            // One tick off the opposite best; half a tick here, since the product is rounded.
            const opposite = sign < 0 ? t.bestAsk : t.bestBid;
            expect((px - opposite) * sign, "post-only").toBeGreaterThan(-Infinity);
            if (sign < 0) expect(px).toBeLessThan(opposite - tick / 2);
            else expect(px).toBeGreaterThan(opposite + tick / 2);
            expect(px * q.szLots * 10 ** -inst.szDecimals).toBeGreaterThanOrEqual(c.minNotional * (1 - 1e-9));
            previous = q.pxTicks;
            lots += q.szLots;
          }
          expect(lots).toBeLessThanOrEqual(Math.max(0, sign < 0 ? c.maxPos - pos : c.maxPos + pos));
          expect(lots).toBeLessThanOrEqual(Math.max(1, Math.round(c.maxPos * c.sideShare)));
        }
      }),
      runs(1500),
    );
    expect(quoted, "the generator must reach quotes").toBeGreaterThan(500);
  });
});

describe("law 5: symmetry", () => {
  test("flat and without signals, bids mirror asks in price and size", () => {
    fc.assert(
      fc.property(book, (c0) => {
        // An even spread puts the mid on a tick; without the figure rule the grid is the same on both sides of it.
        const c: Case = {
          ...c0,
          posRatio: 0,
          heavyBid: 1,
          beta: 0,
          spreadTicks: 2 * Math.ceil(c0.spreadTicks / 2),
          venue: { ...c0.venue, inst: { ...c0.venue.inst, maxSigFigs: 0 } },
          minNotional: 0,
        };
        const { ladder, tick } = ladderOf(c, { betaFlow: 0 });
        const centre = 2 * Math.round(terms(ladder).fair / tick);
        expect(ladder.asks.map((q) => [centre - q.pxTicks, q.szLots])).toEqual(
          ladder.bids.map((q) => [q.pxTicks, q.szLots]),
        );
        expect(terms(ladder).skew).toBe(0);
      }),
      runs(500),
    );
  });

  test("the mirror position has the same half-spread and the opposite skew", () => {
    fc.assert(
      fc.property(market, (m) => {
        const long = termsOf({ ...m, posRatio: 0.4 }, {});
        const short = termsOf({ ...m, posRatio: -0.4 }, {});
        expect(short.half).toBe(long.half);
        expect(short.skew).toBe(-long.skew);
        expect(long.skew).toBeGreaterThan(0);
      }),
      runs(100),
    );
  });

  test("a longer position never raises a price", () => {
    fc.assert(
      fc.property(book, between(0.1, 0.9), (c0, more) => {
        const c: Case = { ...c0, minNotional: 0, strategy: StrategyType.Ladder };
        const flat = ladderOf({ ...c, posRatio: 0 }).ladder;
        const long = ladderOf({ ...c, posRatio: more }).ladder;
        if (flat.bids[0] && long.bids[0])
          expect(long.bids[0].pxTicks).toBeLessThanOrEqual(flat.bids[0].pxTicks);
        if (flat.asks[0] && long.asks[0])
          expect(long.asks[0].pxTicks).toBeLessThanOrEqual(flat.asks[0].pxTicks);
      }),
      runs(300),
    );
  });
});

describe("law 6: garbage in", () => {
  const slotOf = (rig: Rig): Uint8Array => {
    const at = rig.host.exports["slotAddress"]!(0);
    return rig.host.memoryU8.subarray(at, at + rig.host.exports["slotBytes"]!());
  };
  const kinds = [
    [abi.RecordKind.Book, abi.BOOK_SIZE],
    [abi.RecordKind.Trade, abi.TRADE_SIZE],
    [abi.RecordKind.Bbo, abi.BBO_SIZE],
    [abi.RecordKind.AssetCtx, abi.ASSET_CTX_SIZE],
    [abi.RecordKind.OwnFill, abi.OWN_FILL_SIZE],
    [abi.RecordKind.Position, abi.POSITION_SIZE],
    [abi.RecordKind.KernelConfig, abi.KERNEL_CONFIG_SIZE],
    [abi.RecordKind.FeedStatus, abi.FEED_STATUS_SIZE],
    [abi.RecordKind.Ladder, abi.LADDER_SIZE],
  ] as const;
  const nasty = fc.constantFrom(
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    0,
    -0,
    -1,
    1e308,
    -1e308,
    5e-324,
    1e18,
    0.1,
  );
  const mutation = fc.record({
    kind: fc.constantFrom(...kinds),
    words: fc.array(fc.tuple(fc.nat(200), fc.oneof(nasty, fc.double())), { maxLength: 6 }),
    bytes: fc.array(fc.tuple(fc.nat(1200), fc.nat(255)), { maxLength: 4 }),
    tS: between(1, 5000),
  });

  test("a refused record leaves the slot as it was, and every published number stays finite", () => {
    const rig = new Rig();
    rig.warm(110_000, 0.5, 1);
    let refused = 0;
    let taken = 0;
    const before = new Uint8Array(slotOf(rig).length);
    fc.assert(
      fc.property(mutation, (m) => {
        const [kind, bytes] = m.kind;
        // Start from a good record of the kind, then damage it.
        if (kind === abi.RecordKind.Book)
          rig.writeBook(
            m.tS,
            [
              [109_999, 1],
              [109_998, 2],
            ],
            [[110_001, 1]],
          );
        else if (kind === abi.RecordKind.Trade) rig.writeTrade(m.tS, 110_000, 0.01, 1);
        else if (kind === abi.RecordKind.Bbo) rig.writeBbo(m.tS, 109_999, 1, 110_000, 1);
        else rig.u8.fill(0);
        for (const [word, value] of m.words) rig.f64[word % (bytes / 8)] = value;
        for (const [at, value] of m.bytes) rig.u8[at % bytes] = value;
        before.set(slotOf(rig));
        const status = rig.send(kind, bytes);
        if (status !== KernelStatus.Ok) {
          refused++;
          expect(Buffer.compare(before, slotOf(rig)), `${status} changed the slot`).toBe(0);
        } else {
          taken++;
        }
        rig.quote();
        rig.host.estimates(0, 1);
        const f64 = rig.host.memoryF64;
        for (const [at, first, count] of [
          [rig.host.ladderOffset, 48, (abi.LADDER_SIZE - 48) / 8],
          [rig.host.estimatesOffset, 24, 24],
        ] as const) {
          for (let i = 0; i < count; i++) {
            const v = f64[(at + first) / 8 + i]!;
            if (!Number.isFinite(v)) expect.fail(`word at byte ${first + i * 8} is ${v} after kind ${kind}`);
          }
        }
      }),
      runs(4000),
    );
    expect(refused).toBeGreaterThan(300);
    expect(taken).toBeGreaterThan(300);
  });
});
