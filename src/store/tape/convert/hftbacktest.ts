import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import { Side } from "../../../domain/index.js";
import { TapeError } from "../errors.js";
import { coinOfBinanceSymbol } from "../instruments.js";
import type { ImportContext } from "./context.js";
import { DeltaMessage, LevelBook } from "./levels.js";
import type { Market } from "./markets.js";
import { isZip, type NpyHeader, npyHeader, zipEntries, zipStream } from "./npz.js";
import { BadLine } from "./problems.js";
import { QueuedSource } from "./records.js";
import { firstBytes } from "./text.js";

/** Event types in the low byte of `ev`, and its flags. Source: hftbacktest 2, types. */
export const HftEvent = { Depth: 1, Trade: 2, Clear: 3, Snapshot: 4, Bbo: 5 } as const;
export const HftFlag = { Exch: 0x80000000, Local: 0x40000000, Buy: 0x20000000, Sell: 0x10000000 } as const;

const FIELDS: Readonly<Record<string, string>> = {
  ev: "u8",
  exch_ts: "i8",
  local_ts: "i8",
  px: "f8",
  qty: "f8",
};
const NPY_HEAD_MAX = 16 * 1024;
/** What a double that came from a decimal is certain of. */
const DIGITS = 12;

/**
 * Event arrays of hftbacktest (npy, or an array in an npz): fields ev, exch_ts, local_ts (ns), px, qty. One row is one level, trade or
 * touch. Rows for the exchange alone are left out: where the two orders differ, each event is there twice, and the tape's is ours.
 */
export class HftSource extends QueuedSource {
  private readonly bytes: number;
  private iterator: AsyncIterator<Uint8Array> | undefined;
  private header: NpyHeader | undefined;
  private rest: Buffer = Buffer.alloc(0);
  private rows = 0;
  private isOver = false;
  private readonly rowReader: HftRows;

  constructor(
    private readonly context: ImportContext,
    private readonly path: string,
  ) {
    super(context.out);
    this.bytes = statSync(path).size;
    this.rowReader = new HftRows(context, path);
  }

  get share(): number {
    return this.header === undefined ? 0 : Math.min(1, this.rows / Math.max(1, this.header.rows));
  }

  async fill(): Promise<boolean> {
    while (!this.hasFront && !this.isOver) {
      this.iterator ??= (await this.open())[Symbol.asyncIterator]();
      let next: IteratorResult<Uint8Array>;
      try {
        next = await this.iterator.next();
      } catch (cause) {
        throw new TapeError(
          "unreadable",
          `${this.path}: damaged behind row ${this.rows} (${(cause as Error).message})`,
          {
            cause,
          },
        );
      }
      if (next.done === true) this.end();
      else this.take(Buffer.concat([this.rest, next.value]));
    }
    return this.hasFront;
  }

  private end(): void {
    this.isOver = true;
    this.rowReader.end();
    if (this.header === undefined) throw new TapeError("unreadable", `${this.path}: not a numpy array`);
    if (this.rows < this.header.rows && !this.context.problems.isLeavingDamage)
      throw new TapeError(
        "unreadable",
        `${this.path}: ends after ${this.rows} of ${this.header.rows} rows (${this.bytes} bytes); \`market-maker tape convert --repair\` keeps them`,
      );
    if (this.rows < this.header.rows)
      this.context.problems.repaired("rows that an array promises and does not hold");
  }

  private take(bytes: Buffer): void {
    let at = 0;
    if (this.header === undefined) {
      if (bytes.length < 12 || (bytes.length < NPY_HEAD_MAX && bytes.length < 12 + bytes.readUInt16LE(8))) {
        this.rest = bytes;
        return;
      }
      this.header = npyHeader(bytes, this.path);
      for (const [name, type] of Object.entries(FIELDS))
        if (!this.header.fields.some((f) => f.name === name && f.type === type))
          throw new TapeError(
            "unreadable",
            `${this.path}: no field ${name} of type ${type}: not hftbacktest's events`,
          );
      at = this.header.dataAt;
    }
    const { rowBytes, rows, fields } = this.header;
    const of = (name: string): number => fields.find((f) => f.name === name)!.offset;
    const [ev, exch, local, px, qty] = [of("ev"), of("exch_ts"), of("local_ts"), of("px"), of("qty")];
    for (; at + rowBytes <= bytes.length && this.rows < rows; at += rowBytes) {
      this.rows++;
      this.context.problems.lines++;
      this.context.at(this.path, this.rows);
      try {
        this.rowReader.row(
          bytes.readUInt32LE(at + ev),
          bytes.readBigInt64LE(at + exch),
          bytes.readBigInt64LE(at + local),
          bytes.readDoubleLE(at + px),
          bytes.readDoubleLE(at + qty),
        );
      } catch (cause) {
        if (!(cause instanceof BadLine)) throw cause;
        this.context.problems.line(basename(this.path), this.rows, cause);
      }
    }
    this.rest = bytes.subarray(at);
  }

  private async open(): Promise<AsyncIterable<Uint8Array>> {
    if (!isZip(await firstBytes(this.path, 4))) return createReadStream(this.path);
    const arrays = (await zipEntries(this.path)).filter((e) => e.name.endsWith(".npy"));
    const entry = arrays.find((e) => e.name === "data.npy") ?? arrays[0];
    if (entry === undefined) throw new TapeError("unreadable", `${this.path}: no array in the archive`);
    return zipStream(this.path, entry);
  }
}

class HftRows {
  private readonly message: DeltaMessage;
  private readonly book = new LevelBook();
  private readonly touch = { bidPx: 0, bidSz: 0, askPx: 0, askSz: 0 };
  private openKey = "";
  private readonly market: Market | undefined;

  constructor(
    private readonly context: ImportContext,
    path: string,
  ) {
    this.message = new DeltaMessage(context.out);
    const guess = coinOfBinanceSymbol(
      /^[A-Za-z0-9]+/.exec(basename(path).replace(/^(usdm|spot|cm)_/, ""))?.[0] ?? "",
    );
    this.market = context.markets.of(context.markets.named ?? (guess === "" ? "ASSET" : guess), false);
  }

  end(): void {
    this.message.end();
    this.context.flushTrades();
  }

  row(ev: number, exchTs: bigint, localTs: bigint, px: number, qty: number): void {
    const { context, market, touch } = this;
    const hasOrigin = (ev & (HftFlag.Exch | HftFlag.Local)) !== 0;
    if (market === undefined || (hasOrigin && (ev & HftFlag.Local) === 0)) {
      context.problems.ignored++;
      return;
    }
    if (localTs <= 0n || exchTs <= 0n) throw new BadLine("row without times");
    const recvNs = context.recv(context.times.ofDigits(String(localTs)));
    const exchNs = context.exch(recvNs, context.times.ofDigits(String(exchTs)));
    const type = ev & 0xff;
    const isBuy = (ev & HftFlag.Buy) !== 0;
    const isSell = (ev & HftFlag.Sell) !== 0;
    if (type === HftEvent.Clear) {
      this.clear(market, recvNs, exchNs, isBuy, isSell, px);
      return;
    }
    if (type > HftEvent.Bbo || type === 0) {
      context.problems.remark(`events of type ${type} left out (order-level, or not known)`);
      return;
    }
    if (isBuy === isSell) throw new BadLine("row without a side");
    if (!(px > 0) || !(qty >= 0)) throw new BadLine("row without price and quantity");
    const side = isBuy ? Side.Buy : Side.Sell;
    const lots = market.szLots(decimal(qty));
    if (type === HftEvent.Trade) {
      this.message.end();
      const price = market.px(decimal(px), -side as Side);
      if (lots > 0) context.trade(market, recvNs, exchNs, price, lots / market.szPow, side, 0);
      context.flushTrades();
      return;
    }
    const ticks = market.pxTicks(decimal(px), side);
    if (type === HftEvent.Bbo) {
      if (isBuy) Object.assign(touch, { bidPx: ticks / market.pxPow, bidSz: lots / market.szPow });
      else Object.assign(touch, { askPx: ticks / market.pxPow, askSz: lots / market.szPow });
      context.out.bbo(market.asset, recvNs, exchNs, touch.bidPx, touch.bidSz, touch.askPx, touch.askSz);
      return;
    }
    const isEmpty = this.book.bids.count === 0 && this.book.asks.count === 0;
    this.begin(`${localTs} ${exchTs} ${type}`, type === HftEvent.Snapshot && isEmpty);
    this.book.side(side).set(ticks, lots);
    this.message.level(market, recvNs, exchNs, side, ticks, lots);
  }

  /** Levels from the touch to `px` are void; without a price, the whole side. */
  private clear(
    market: Market,
    recvNs: number,
    exchNs: number,
    isBuy: boolean,
    isSell: boolean,
    px: number,
  ): void {
    const sides = isBuy === isSell ? [Side.Buy, Side.Sell] : [isBuy ? Side.Buy : Side.Sell];
    this.begin(`clear ${recvNs}`, false);
    for (const side of sides) {
      const levels = this.book.side(side);
      const bound =
        px > 0 && Number.isFinite(px) ? side * market.pxTicks(decimal(px), side) : Number.NEGATIVE_INFINITY;
      for (const ticks of levels.best(levels.count)) {
        if (side * ticks < bound) break;
        levels.set(ticks, 0);
        this.message.level(market, recvNs, exchNs, side, ticks, 0);
      }
    }
  }

  private begin(key: string, isSnapshot: boolean): void {
    if (key === this.openKey && !isSnapshot) return;
    this.message.end();
    this.message.begin(isSnapshot);
    this.openKey = key;
  }
}

/** The decimal that a double stands for. */
const decimal = (x: number): string => String(Number(x.toPrecision(DIGITS)));
