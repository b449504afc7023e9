import { describe, expect, test } from "vitest";
import {
  judgeOpenInterest,
  type OpenInterestVerdict,
  OpenInterestWatch,
} from "../../src/engine/open-interest.js";
import { FIRST_DEX } from "../../src/venues/hyperliquid/dexes.js";
import { market } from "./venue-fixture.js";

describe("verdict", () => {
  const at = (over: object) =>
    judgeOpenInterest({
      oiUsd: 0,
      capUsd: 1_000,
      dexOiUsd: 0,
      dexCapUsd: 10_000,
      isAtCap: false,
      ...over,
    });

  test.each([
    [{ oiUsd: 899 }, { sizeMult: 1, isReduceOnly: false }],
    [{ oiUsd: 950 }, { sizeMult: 0.625, isReduceOnly: false }],
    [{ dexOiUsd: 9_500 }, { sizeMult: 0.625, isReduceOnly: false }],
    [{ oiUsd: 1_000 }, { isReduceOnly: true }],
    [{ dexOiUsd: 10_001 }, { isReduceOnly: true }],
    [{ isAtCap: true }, { isReduceOnly: true }],
    [
      { oiUsd: Number.NaN, capUsd: undefined, dexCapUsd: undefined },
      { share: 0, sizeMult: 1 },
    ],
  ])("%j", (over, verdict) => {
    const { sizeMult, ...rest } = at(over);
    expect({ sizeMult: Math.round(sizeMult * 1e9) / 1e9, ...rest }).toMatchObject(verdict);
  });

  test("size never grows as the cap comes nearer", () => {
    let last = 2;
    for (let oiUsd = 0; oiUsd <= 1_100; oiUsd += 7) {
      const { sizeMult } = at({ oiUsd });
      expect(sizeMult).toBeLessThanOrEqual(last);
      expect(sizeMult).toBeGreaterThanOrEqual(0.25);
      last = sizeMult;
    }
  });
});

describe("watch", () => {
  const HYNA = { ...FIRST_DEX, index: 1, name: "hyna" };

  class Venue {
    oi = 100;
    atCap: string[] = [];
    asked: string[] = [];
    isDown = false;
    private note<T>(what: string, answer: T): Promise<T> {
      this.asked.push(what);
      return this.isDown ? Promise.reject(new Error("down")) : Promise.resolve(answer);
    }
    perpsAtOpenInterestCap(dex?: string): Promise<string[]> {
      return this.note(`at cap ${dex ?? "first"}`, this.atCap);
    }
    perpDexLimits(dex: string) {
      return this.note(`limits ${dex}`, {
        totalOiCap: "100000",
        oiSzCapPerPerp: "1e9",
        maxTransferNtl: "1",
        coinToOiCap: [["hyna:BTC", "10000"]] as [string, string][],
      });
    }
    metaAndAssetCtxs(dex?: string): Promise<never> {
      const meta = { universe: [{ name: "hyna:BTC" }, { name: "hyna:ETH" }] };
      const ctx = (openInterest: number) => ({ openInterest: String(openInterest), markPx: "10" });
      return this.note(`contexts ${dex}`, [meta, [ctx(this.oi), ctx(5)]] as never);
    }
  }

  const rig = (dex = HYNA) => {
    const venue = new Venue();
    const verdicts: OpenInterestVerdict[] = [];
    const log: string[] = [];
    const coin = dex.name === "" ? "BTC" : `${dex.name}:BTC`;
    const watch = new OpenInterestWatch(
      venue,
      [market({ coin, dex })],
      (level, event) => log.push(`${level} ${event}`),
      { onVerdict: (_asset, verdict) => verdicts.push(verdict) },
    );
    return { venue, verdicts, log, watch };
  };

  test("tells the caps at the first look, then only what changes, and reads the caps seldom", async () => {
    const { venue, verdicts, log, watch } = rig();
    await watch.look();
    expect(log).toEqual(["info Open-interest caps"]);
    venue.oi = 950;
    await watch.look();
    await watch.look();
    expect(verdicts.at(-1)!.sizeMult).toBeLessThan(1);
    venue.oi = 1_000;
    await watch.look();
    expect(verdicts.at(-1)!.isReduceOnly).toBe(true);
    venue.oi = 100;
    await watch.look();
    expect(log.slice(1)).toEqual([
      "warn Open interest is near its cap: quotes shrink",
      "warn Open interest is at its cap: only reducing orders",
      "info Open interest is away from its cap again",
    ]);
    expect(venue.asked.filter((a) => a.startsWith("limits"))).toHaveLength(1);
  });

  test("the venue's own markets: only the list of those at their cap", async () => {
    const { venue, verdicts, watch } = rig(FIRST_DEX);
    await watch.look();
    venue.atCap = ["BTC"];
    await watch.look();
    expect(verdicts.map((v) => v.isReduceOnly)).toEqual([false, true]);
    expect(new Set(venue.asked)).toEqual(new Set(["at cap first"]));
  });

  test("a read that fails changes nothing and is repeated", async () => {
    const { venue, verdicts, watch } = rig();
    venue.isDown = true;
    await watch.look();
    expect(verdicts).toEqual([]);
    venue.isDown = false;
    await watch.look();
    expect(verdicts).toHaveLength(1);
  });

  test("a watch that sees nothing says so: at the start at once, later when it lasts, and once", async () => {
    const { venue, log, watch } = rig();
    const blind = (level: string) => `${level} Open interest not read: its caps are not watched`;
    venue.isDown = true;
    await watch.look();
    expect(log).toEqual([blind("warn")]);
    venue.isDown = false;
    await watch.look();
    log.length = 0;
    venue.isDown = true;
    for (let i = 0; i < 5; i++) await watch.look();
    venue.isDown = false;
    await watch.look();
    expect(log.filter((line) => !line.startsWith("debug"))).toEqual([
      blind("warn"),
      "info Open interest read again",
    ]);
  });
});
