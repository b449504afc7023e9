import { expect, test } from "vitest";
import { Side } from "../../src/domain/index.js";
import { inOrder, type RunFill } from "../../src/engine/journal-facts.js";

const fill = (
  tid: number,
  exchMs: number,
  side: Side,
  startPos: number,
  sz: number,
  coin = "BTC",
): RunFill => ({
  coin,
  side,
  px: 60_000,
  sz,
  feeUsd: 0,
  isMaker: true,
  startPos,
  oid: tid,
  tid,
  exchMs,
  recvMs: exchMs,
});

test("fills of one millisecond are put where the position of the one before them ends, whoever told of them first", () => {
  const told = [
    fill(5, 20, Side.Buy, -0.003, 0.003),
    fill(3, 10, Side.Sell, -0.002, 0.001),
    fill(2, 10, Side.Sell, -0.001, 0.001),
    fill(4, 10, Side.Buy, 0, 1, "ETH"),
    fill(1, 10, Side.Sell, 0, 0.001),
  ];
  const ordered = inOrder(told);
  expect(ordered.filter((f) => f.coin === "BTC").map((f) => f.tid)).toEqual([1, 2, 3, 5]);
  expect(ordered).toHaveLength(5);
});

test("a circle of fills within a millisecond loses none", () => {
  const circle = [fill(1, 10, Side.Buy, 0, 1), fill(2, 10, Side.Sell, 1, 1)];
  expect(
    inOrder(circle)
      .map((f) => f.tid)
      .sort(),
  ).toEqual([1, 2]);
});
