import { describe, expect, test } from "vitest";
import { type IsolatedPosition, MarginKeeper, type MarginVenue } from "../../src/engine/margin-keeper.js";
import { VenueError } from "../../src/venues/hyperliquid/errors.js";

class Venue implements MarginVenue {
  readonly done: string[] = [];
  heldUsd: number | undefined;
  refuses = "";
  isReadable = true;
  /** The next so many actions get no answer. */
  losses = 0;
  private lose(): void {
    if (this.losses-- > 0) throw new VenueError("Timeout", "no answer within 3000 ms");
  }
  async updateLeverage(asset: number, isCross: boolean, leverage: number): Promise<void> {
    if (this.refuses === "leverage")
      throw new VenueError("Refused", "Cannot switch leverage type with open position.");
    this.lose();
    this.done.push(`leverage ${asset} ${isCross ? "cross" : "isolated"} ${leverage}`);
  }
  async addIsolatedMargin(asset: number, usd: number): Promise<void> {
    if (this.refuses === "margin") throw new VenueError("Refused", "Insufficient margin.");
    this.lose();
    this.done.push(`margin ${asset} ${usd}`);
    this.heldUsd = (this.heldUsd ?? 0) + usd;
  }
  side = 1;
  async isolatedPosition(): Promise<IsolatedPosition | undefined> {
    if (!this.isReadable) throw new Error("timeout");
    return this.heldUsd === undefined ? undefined : { marginUsd: this.heldUsd, side: this.side };
  }
}

describe("margin keeper", () => {
  const isolated = { asset: 0, coin: "hyna:BTC", isCross: false, leverage: 20, isolatedUsd: 1_000 };
  const rig = (assets = [isolated]) => {
    const venue = new Venue();
    const log: string[] = [];
    const keeper = new MarginKeeper(assets, venue, (level, event) => log.push(`${level} ${event}`));
    return { venue, log, keeper };
  };

  test("sets cross or isolated leverage, and asks nothing of isolated margin where all is cross", async () => {
    const { venue, keeper } = rig([{ ...isolated, isCross: true, isolatedUsd: 0 }]);
    venue.heldUsd = 5;
    await keeper.prepare();
    expect(venue.done).toEqual(["leverage 0 cross 20"]);
    expect(keeper.isNeeded).toBe(false);
  });

  test("a position that is open at start gets what is missing of its margin", async () => {
    const { venue, keeper } = rig();
    venue.heldUsd = 400;
    await keeper.prepare();
    expect(venue.done).toEqual(["leverage 0 isolated 20", "margin 0 600"]);
  });

  test("a flat market waits for its first position, which is filled once and never again while it loses", async () => {
    const { venue, keeper } = rig();
    await keeper.prepare();
    expect(venue.done).toEqual(["leverage 0 isolated 20"]);
    venue.heldUsd = 50;
    await keeper.look();
    expect(venue.done.slice(1)).toEqual(["margin 0 950"]);
    venue.heldUsd = 300;
    await keeper.look();
    expect(venue.done).toHaveLength(2);
    venue.heldUsd = undefined;
    await keeper.look();
    venue.heldUsd = 20;
    await keeper.look();
    expect(venue.done.slice(2)).toEqual(["margin 0 980"]);
  });

  test("a position that turned round between two looks is another one", async () => {
    const { venue, keeper } = rig();
    venue.heldUsd = 600;
    await keeper.look();
    venue.side = -1;
    venue.heldUsd = 100;
    await keeper.look();
    expect(venue.done).toEqual(["margin 0 400", "margin 0 900"]);
  });

  test("a refusal is told once for one position; a read that failed is repeated", async () => {
    const { venue, keeper, log } = rig();
    venue.refuses = "margin";
    venue.heldUsd = 10;
    await keeper.look();
    await keeper.look();
    expect(log).toEqual(["warn Isolated margin not added"]);
    const other = rig();
    other.venue.isReadable = false;
    await other.keeper.look();
    other.venue.isReadable = true;
    other.venue.heldUsd = 10;
    await other.keeper.look();
    expect(other.venue.done).toEqual(["margin 0 990"]);
  });

  test("where the venue keeps its leverage the run goes on with a warning", async () => {
    const { venue, keeper, log } = rig();
    venue.refuses = "leverage";
    await keeper.prepare();
    expect(log).toEqual(["warn Leverage not set"]);
    await keeper.look();
    expect(log).toHaveLength(1);
  });

  test("leverage whose answer is lost is set at a later look, cross or isolated, and told once", async () => {
    const { venue, keeper, log } = rig([{ ...isolated, isCross: true, isolatedUsd: 0 }]);
    venue.losses = 3;
    await keeper.prepare();
    expect(keeper.isNeeded).toBe(true);
    await keeper.look();
    expect(log).toEqual(["warn Leverage not set"]);
    await keeper.look();
    expect(venue.done).toEqual(["leverage 0 cross 20"]);
    expect(log).toEqual(["warn Leverage not set", "info Leverage set"]);
    expect(keeper.isNeeded).toBe(false);
  });

  test("margin whose answer is lost is tried again, for what is missing then", async () => {
    const { venue, keeper } = rig();
    venue.heldUsd = 50;
    venue.losses = 1;
    await keeper.look();
    expect(venue.done).toEqual([]);
    venue.heldUsd = 48;
    await keeper.look();
    expect(venue.done).toEqual(["margin 0 952"]);
    // The first one had arrived after all.
    const other = rig();
    other.venue.heldUsd = 50;
    other.venue.losses = 1;
    await other.keeper.look();
    other.venue.heldUsd = 1_000;
    await other.keeper.look();
    await other.keeper.look();
    expect(other.venue.done).toEqual([]);
  });
});
