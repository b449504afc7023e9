import {
  type Cloid,
  type Instrument,
  type NewOrder,
  pxTicks,
  Side,
  szLots,
  type Tif,
} from "../../src/domain/index.js";
import type { FillEvent, OrderUpdate } from "../../src/venues/port.js";

/** BTC-like: prices in tenths, lots of 0.00001. */
export const BTC: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
};

/** Every tick is legal, a lot at 1000.00 is worth 10 USD: small numbers for tables and laws. */
export const TOY: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "TOY",
  pxDecimals: 2,
  szDecimals: 2,
  maxSigFigs: 0,
  minNotionalUsd: 10,
  maxLeverage: 10,
};

export const cloidOf = (n: number): Cloid => `0x${n.toString(16).padStart(32, "0")}`;

export function order(
  over: Partial<Record<"side" | "px" | "sz" | "id", number>> & { tif?: Tif } = {},
): NewOrder {
  return {
    asset: 0,
    side: (over.side ?? 1) as Side,
    pxTicks: pxTicks(over.px ?? 100_000),
    szLots: szLots(over.sz ?? 10),
    tif: over.tif ?? "Alo",
    reduceOnly: false,
    cloid: cloidOf(over.id ?? 1),
  };
}

export function update(o: NewOrder, oid: number, status: string, remaining: number, exchMs = 0): OrderUpdate {
  return {
    coin: "TOY",
    oid,
    cloid: o.cloid,
    side: o.side,
    pxTicks: o.pxTicks,
    szLots: remaining,
    origSzLots: o.szLots,
    status,
    exchMs,
  };
}

let tids = 1;
export function fill(over: Partial<FillEvent> = {}): FillEvent {
  const ticks = over.pxTicks ?? 100_000;
  return {
    coin: "TOY",
    oid: 1,
    cloid: undefined,
    tid: tids++,
    side: Side.Buy,
    px: ticks / 100,
    pxTicks: ticks,
    szLots: 1,
    startPosLots: 0,
    closedPnlUsd: 0,
    feeUsd: 0,
    isMaker: true,
    isLiquidation: false,
    exchMs: 1,
    isSnapshot: false,
    ...over,
  };
}
