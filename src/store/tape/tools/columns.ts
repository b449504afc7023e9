import * as abi from "../../../abi/layout.js";
import { FeedStateName, OrderEventTypeName, OwnOrderEventName, RecordKind } from "../../../abi/layout.js";

export type ColumnType = "f64" | "u64" | "u32" | "u16" | "u8" | "i8" | "stamp" | "mono" | "text";

export interface ExportColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly offset: number;
  readonly names?: ReadonlyMap<number, string>;
}

const f64 = (name: string, offset: number): ExportColumn => ({ name, type: "f64", offset });
const side = (offset: number): ExportColumn => ({ name: "side", type: "i8", offset });
const u8 = (name: string, offset: number): ExportColumn => ({ name, type: "u8", offset });
const u32 = (name: string, offset: number): ExportColumn => ({ name, type: "u32", offset });
const u64 = (name: string, offset: number): ExportColumn => ({ name, type: "u64", offset });
const named = (name: string, offset: number, names: ReadonlyMap<number, string>): ExportColumn => ({
  name,
  type: "text",
  offset,
  names,
});
const mono = (name: string, offset: number): ExportColumn => ({ name, type: "mono", offset });

/** A table of an export: its columns behind recv_ns, exch_ts_ns (where there is one) and coin. */
export interface ExportTable {
  readonly name: string;
  readonly hasExchTs: boolean;
  readonly columns: readonly ExportColumn[];
}

/** One table for each kind of record. `book` has a row for each level. Stamps are ns since the epoch, 0: not known. */
export const EXPORT_TABLES: ReadonlyMap<number, ExportTable> = new Map<number, ExportTable>([
  [
    RecordKind.Book,
    {
      name: "book",
      hasExchTs: true,
      columns: [
        { name: "side", type: "i8", offset: -1 },
        { name: "level", type: "u8", offset: -1 },
        f64("px", abi.LEVEL_PX),
        f64("sz", abi.LEVEL_SZ),
        u32("orders", abi.LEVEL_ORDERS),
      ],
    },
  ],
  [
    RecordKind.Trade,
    {
      name: "trade",
      hasExchTs: true,
      columns: [
        f64("px", abi.TRADE_PX),
        f64("sz", abi.TRADE_SZ),
        side(abi.TRADE_SIDE),
        u64("tid", abi.TRADE_TID),
        u8("flags", abi.TRADE_FLAGS),
      ],
    },
  ],
  [
    RecordKind.Bbo,
    {
      name: "bbo",
      hasExchTs: true,
      columns: [
        f64("bid_px", abi.BBO_BID_PX),
        f64("bid_sz", abi.BBO_BID_SZ),
        f64("ask_px", abi.BBO_ASK_PX),
        f64("ask_sz", abi.BBO_ASK_SZ),
      ],
    },
  ],
  [
    RecordKind.AssetCtx,
    {
      name: "asset_ctx",
      hasExchTs: false,
      columns: [
        f64("mark_px", abi.ASSET_CTX_MARK_PX),
        f64("oracle_px", abi.ASSET_CTX_ORACLE_PX),
        f64("mid_px", abi.ASSET_CTX_MID_PX),
        f64("funding_rate", abi.ASSET_CTX_FUNDING_RATE),
        f64("open_interest", abi.ASSET_CTX_OPEN_INTEREST),
        f64("premium", abi.ASSET_CTX_PREMIUM),
      ],
    },
  ],
  [
    RecordKind.FeedStatus,
    {
      name: "feed_status",
      hasExchTs: false,
      columns: [named("state", abi.FEED_STATUS_STATE, FeedStateName)],
    },
  ],
  [
    RecordKind.BookDelta,
    {
      name: "book_delta",
      hasExchTs: true,
      columns: [
        side(abi.BOOK_DELTA_SIDE),
        f64("px", abi.BOOK_DELTA_PX),
        f64("sz", abi.BOOK_DELTA_SZ),
        u32("orders", abi.BOOK_DELTA_ORDERS),
        u8("flags", abi.BOOK_DELTA_FLAGS),
      ],
    },
  ],
  [
    RecordKind.Liquidation,
    {
      name: "liquidation",
      hasExchTs: true,
      columns: [
        f64("px", abi.LIQUIDATION_PX),
        f64("sz", abi.LIQUIDATION_SZ),
        side(abi.LIQUIDATION_SIDE),
        u64("tid", abi.LIQUIDATION_TID),
      ],
    },
  ],
  [
    RecordKind.OrderEvent,
    {
      name: "order_event",
      hasExchTs: true,
      columns: [
        named("type", abi.ORDER_EVENT_TYPE, OrderEventTypeName),
        side(abi.ORDER_EVENT_SIDE),
        f64("px", abi.ORDER_EVENT_PX),
        f64("sz", abi.ORDER_EVENT_SZ),
        u64("oid", abi.ORDER_EVENT_OID),
      ],
    },
  ],
  [
    RecordKind.OwnFill,
    {
      name: "own_fill",
      hasExchTs: true,
      columns: [
        f64("px", abi.OWN_FILL_PX),
        f64("sz", abi.OWN_FILL_SZ),
        side(abi.OWN_FILL_SIDE),
        f64("fee_usd", abi.OWN_FILL_FEE_USD),
        f64("closed_pnl_usd", abi.OWN_FILL_CLOSED_PNL_USD),
        u64("oid", abi.OWN_FILL_OID),
        u64("tid", abi.OWN_FILL_TID),
        u8("is_maker", abi.OWN_FILL_IS_MAKER),
      ],
    },
  ],
  [
    RecordKind.OwnOrder,
    {
      name: "own_order",
      hasExchTs: true,
      columns: [
        named("event", abi.OWN_ORDER_EVENT, OwnOrderEventName),
        side(abi.OWN_ORDER_SIDE),
        f64("px", abi.OWN_ORDER_PX),
        f64("sz", abi.OWN_ORDER_SZ),
        mono("cause_ns", abi.OWN_ORDER_CAUSE_MONO_NS),
        mono("decided_ns", abi.OWN_ORDER_DECIDED_MONO_NS),
        mono("sent_ns", abi.OWN_ORDER_SENT_MONO_NS),
        f64("fee_usd", abi.OWN_ORDER_FEE_USD),
        f64("start_pos", abi.OWN_ORDER_START_POS),
        u64("oid", abi.OWN_ORDER_OID),
        u64("tid", abi.OWN_ORDER_TID),
        u64("cloid_hi", abi.OWN_ORDER_CLOID_HI),
        u64("cloid_lo", abi.OWN_ORDER_CLOID_LO),
        { name: "code", type: "u16", offset: abi.OWN_ORDER_CODE },
        u8("is_maker", abi.OWN_ORDER_IS_MAKER),
      ],
    },
  ],
]);
