import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NONCE_LANES, NonceSequence } from "../../src/venues/hyperliquid/nonce.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T0 = 1_780_000_000_000;
const SEED = 7;

/** The venue's rule (reference §5.5): the 100 highest are kept, none twice, none below them, none out of the window. */
class Venue {
  private kept: number[] = [];
  nowMs = T0;

  /** @returns the refusal, or undefined. */
  take(nonce: number): string | undefined {
    if (nonce <= this.nowMs - 2 * DAY || nonce >= this.nowMs + DAY)
      return `Invalid nonce: nonce ${nonce} is out of the time window around ${this.nowMs}`;
    if (this.kept.includes(nonce)) return `Invalid nonce: duplicate nonce ${nonce}`;
    if (this.kept.length === 100 && nonce < this.kept[0]!)
      return `Invalid nonce: nonce too low ${nonce} < ${this.kept[0]}`;
    this.kept = [...this.kept, nonce].sort((a, b) => a - b).slice(-100);
    return undefined;
  }
}

/** What may happen between two actions. */
type Event =
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "step"; readonly offsetMs: number }
  | { readonly kind: "burst"; readonly n: number }
  | { readonly kind: "restart"; readonly hasCheckpoint: boolean };
const events = (stepMs: number): fc.Arbitrary<Event[]> =>
  fc.array(
    fc.oneof(
      fc.integer({ min: 0, max: 5 * HOUR }).map((ms): Event => ({ kind: "wait", ms })),
      fc.integer({ min: -stepMs, max: stepMs }).map((offsetMs): Event => ({ kind: "step", offsetMs })),
      fc.integer({ min: 1, max: 250 }).map((n): Event => ({ kind: "burst", n })),
      fc.boolean().map((hasCheckpoint): Event => ({ kind: "restart", hasCheckpoint })),
    ),
    { minLength: 1, maxLength: 25 },
  );

/** Plays the events and says how many actions were refused once, and twice in a row. */
function play(
  list: readonly Event[],
  keepsCheckpoint = false,
): { sent: number; refused: number; lost: number } {
  const venue = new Venue();
  let offsetMs = 0;
  const clock = { wallMs: () => venue.nowMs + offsetMs };
  let nonces = new NonceSequence(clock);
  const out = { sent: 0, refused: 0, lost: 0 };
  for (const event of list) {
    if (event.kind === "wait") venue.nowMs += event.ms;
    else if (event.kind === "step") offsetMs = event.offsetMs;
    else if (event.kind === "restart")
      nonces = new NonceSequence(clock, { last: keepsCheckpoint || event.hasCheckpoint ? nonces.last : 0 });
    else {
      for (let i = 0; i < event.n; i++) {
        out.sent++;
        const refusal = venue.take(nonces.next());
        if (refusal === undefined) continue;
        out.refused++;
        expect(nonces.recover(refusal)).toBe(true);
        if (venue.take(nonces.next()) !== undefined) out.lost++;
      }
    }
  }
  return out;
}

describe("nonces", () => {
  test("are the wall clock in ms, then count up; a restart goes on from the checkpoint", () => {
    let now = T0;
    const clock = { wallMs: () => now };
    const nonces = new NonceSequence(clock);
    expect([nonces.next(), nonces.next(), nonces.aheadMs]).toEqual([T0, T0 + 1, 1]);
    now = T0 + 10.7;
    expect(nonces.next()).toBe(T0 + 10);
    now = T0 - HOUR;
    expect(new NonceSequence(clock, { last: nonces.last }).next()).toBe(T0 + 11);
  });

  test("none is refused in bursts, through clock steps of up to 11 hours each way and restarts", () => {
    fc.assert(
      fc.property(events(11 * HOUR), (list) => {
        expect(play(list, true)).toMatchObject({ refused: 0 });
      }),
      { numRuns: 150, seed: SEED },
    );
  });

  test("without checkpoints and with steps of up to 20 hours, what is refused is accepted the second time", () => {
    let refused = 0;
    fc.assert(
      fc.property(events(20 * HOUR), (list) => {
        const result = play(list);
        refused += result.refused;
        expect(result.lost).toBe(0);
      }),
      { numRuns: 150, seed: SEED },
    );
    expect(refused).toBeGreaterThan(10); // The property was not empty.
  });

  test("increase strictly and stay within a day of the clock, whatever the checkpoint said", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        fc.array(fc.nat({ max: 20 * HOUR }), { minLength: 2, maxLength: 200 }),
        fc.option(fc.nat({ max: NONCE_LANES - 1 }), { nil: undefined }),
        (last, offsets, lane) => {
          let now = T0;
          const nonces = new NonceSequence({ wallMs: () => now }, { last, lane });
          let before = 0;
          for (const offset of offsets) {
            now = T0 + offset;
            const nonce = nonces.next();
            expect(nonce).toBeGreaterThan(before);
            expect(nonce).toBeLessThan(now + DAY);
            if (lane !== undefined) expect(nonce % NONCE_LANES).toBe(lane);
            before = nonce;
          }
        },
      ),
      { numRuns: 200, seed: SEED },
    );
  });

  test("of a clock that was days ahead and is set right are accepted again", () => {
    const venue = new Venue();
    let offsetMs = 0;
    const nonces = new NonceSequence({ wallMs: () => venue.nowMs + offsetMs });
    expect(venue.take(nonces.next())).toBeUndefined();
    offsetMs = 40 * DAY;
    expect(venue.take(nonces.next())).toMatch(/out of the time window/);
    offsetMs = 0;
    venue.nowMs += 10;
    expect(venue.take(nonces.next())).toBeUndefined();
  });

  test("of a clock days behind, without a checkpoint, are accepted after the first refusal", () => {
    const venue = new Venue();
    const nonces = new NonceSequence({ wallMs: () => venue.nowMs - 10 * DAY });
    expect(nonces.recover(venue.take(nonces.next()) ?? "")).toBe(true);
    for (let i = 0; i < 300; i++) expect(venue.take(nonces.next())).toBeUndefined();
  });

  test("of makers that share a key and a clock never meet, each in its lane", () => {
    const venue = new Venue();
    const makers = Array.from(
      { length: NONCE_LANES },
      (_, lane) => new NonceSequence({ wallMs: () => venue.nowMs }, { lane }),
    );
    fc.assert(
      fc.property(fc.array(fc.nat({ max: NONCE_LANES - 1 }), { maxLength: 60 }), (turns) => {
        venue.nowMs += 500;
        for (const maker of turns) expect(venue.take(makers[maker]!.next())).toBeUndefined();
      }),
      { numRuns: 100, seed: SEED },
    );
    // Without lanes the same two collide at once.
    const twins = [0, 1].map(() => new NonceSequence({ wallMs: () => venue.nowMs }));
    venue.nowMs += 60_000;
    expect(venue.take(twins[0]!.next())).toBeUndefined();
    expect(venue.take(twins[1]!.next())).toMatch(/duplicate/);
  });

  test("leave other refusals alone, and take one without numbers as it is", () => {
    const nonces = new NonceSequence({ wallMs: () => T0 });
    expect(nonces.recover("Insufficient margin to place order.")).toBe(false);
    expect(nonces.recover("Invalid nonce")).toBe(true);
    expect(nonces.next()).toBe(T0);
  });

  test("refuse a checkpoint or a lane that cannot be", () => {
    const clock = { wallMs: () => 0 };
    expect(() => new NonceSequence(clock, { last: Number.NaN })).toThrow(RangeError);
    expect(() => new NonceSequence(clock, { lane: NONCE_LANES })).toThrow(RangeError);
  });
});
