import type { Format } from "../context.js";
import { binanceCsv, binanceLargeTrades, binanceLiquidations } from "./binance-csv.js";
import { binanceRaw } from "./binance-raw.js";
import { bitstampCsv, bitstampRaw } from "./bitstamp.js";
import { bybit } from "./bybit.js";
import { databentoMbo } from "./cme.js";
import { hyperliquidCsv } from "./hyperliquid-csv.js";
import { hyperliquidArchive, hyperliquidRaw } from "./hyperliquid-ws.js";
import { lobster } from "./lobster.js";
import { tardis } from "./tardis.js";

/** All formats of text, in the order in which a file is tried on them. */
export const TEXT_FORMATS: readonly Format[] = [
  binanceRaw,
  hyperliquidRaw,
  hyperliquidArchive,
  ...hyperliquidCsv,
  bybit,
  bitstampRaw,
  bitstampCsv,
  databentoMbo,
  lobster,
  ...tardis,
  binanceLiquidations,
  binanceLargeTrades,
  binanceCsv,
];
