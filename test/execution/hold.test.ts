import { expect, test } from "vitest";
import { Side } from "../../src/domain/index.js";
import { Rig } from "./rig.js";

test("a cap of the venue stops what adds, names its gate, and ends when it is taken back", async () => {
  const rig = await new Rig().start();
  await rig.quoteFor(200);
  expect(rig.venue.openCount).toBe(4);
  rig.executor.holdToReducing(0, "open-interest cap");
  await rig.quoteFor(1_000);
  expect(rig.executor.isReduceOnly(0)).toBe(true);
  expect(rig.executor.gate(0)).toBe("reduce-only: open-interest cap");
  expect(rig.venue.openCount).toBe(0);
  expect(rig.events("Reduce-only mode")[0]!.fields).toMatchObject({ cause: "open-interest cap" });
  rig.executor.holdToReducing(0, "");
  await rig.quoteFor(1_000);
  expect(rig.executor.gate(0)).toBe("");
  expect(rig.venue.openCount).toBe(4);
});

test("with a position the side that reduces it goes on at the cap", async () => {
  const rig = await new Rig().start();
  rig.ladder();
  await rig.pass(50);
  rig.venue.take(Side.Buy, 20);
  await rig.pass(50);
  rig.executor.holdToReducing(0, "open-interest cap");
  await rig.quoteFor(1_000);
  expect(rig.venue.openLots(Side.Buy)).toBe(0);
  expect(rig.venue.openLots(Side.Sell)).toBe(20);
});
