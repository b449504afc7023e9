import { basename } from "node:path";
import { FeedState, TradeFlag } from "../../../abi/layout.js";
import type { Side } from "../../../domain/index.js";
import type { Market, MarketTable } from "./markets.js";
import { BadLine, type Problems, Remark } from "./problems.js";
import type { ClockOffset, RecordQueue } from "./records.js";
import type { Timeline } from "./times.js";

/** A trades message that spans so much exchange time repeats the past: live ones carry one block, at most a few. */
const BACKLOG_SPAN_NS = 1e9;
/** A trade so far behind the fastest message is no news, whatever message brought it. */
const BACKLOG_LAG_NS = 10e9;
const DAY_NS = 86_400e9;
const IDS_KEPT = 100_000;

/** What a format's importer is given: where records go, and the rules that all formats share. */
export class ImportContext {
  /** Of the line that is being read. */
  file = "";
  lineNumber = 0;
  private lastRecvNs = Number.NEGATIVE_INFINITY;
  private recvNsBefore = Number.NEGATIVE_INFINITY;
  private readonly ids = new Map<number, SeenIds>();
  private readonly trades: {
    market: Market;
    exchNs: number;
    px: number;
    sz: number;
    side: Side;
    tid: number | bigint;
  }[] = [];
  private tradesRecvNs = Number.NaN;
  private tradesBefore = 0;

  constructor(
    readonly out: RecordQueue,
    readonly times: Timeline,
    readonly markets: MarketTable,
    readonly problems: Problems,
    readonly offset: ClockOffset,
    /** Trading day of formats whose stamps count from midnight, YYYY-MM-DD. */
    readonly day: string | undefined,
  ) {}

  get where(): string {
    return `${this.file} line ${this.lineNumber}`;
  }

  at(path: string, lineNumber: number): void {
    this.file = basename(path);
    this.lineNumber = lineNumber;
  }

  /** A receive time, which never runs back. @throws {TapeError} `bad_timestamps`. */
  recv(recvNs: number): number {
    if (recvNs < this.lastRecvNs) {
      const back = ((this.lastRecvNs - recvNs) / 1e6).toFixed(3);
      this.problems.brokenStamp(
        this.where,
        `receive time runs back by ${back} ms`,
        "a receive time that ran back is set to the newest before it",
      );
      return this.lastRecvNs;
    }
    this.lastRecvNs = recvNs;
    return recvNs;
  }

  /** An exchange time beside its receive time. @throws {TapeError} `bad_timestamps`. {BadLine} With --repair. */
  exch(recvNs: number, exchNs: number): number {
    if (Math.abs(recvNs - exchNs) < DAY_NS) return exchNs;
    this.problems.brokenStamp(
      this.where,
      "exchange time and receive time are a day or more apart",
      "a line whose exchange time and receive time are a day or more apart is left out",
    );
    throw new BadLine("exchange time is a day or more off");
  }

  /**
   * Takes a trade of a message; trades of one receive time leave together with `flushTrades`. Repeated ids are left out, and what a
   * message repeats from the past is flagged.
   */
  trade(
    market: Market,
    recvNs: number,
    exchNs: number,
    px: number,
    sz: number,
    side: Side,
    tid: number | bigint,
  ): void {
    if (recvNs !== this.tradesRecvNs) this.flushTrades();
    this.tradesRecvNs = recvNs;
    this.trades.push({ market, exchNs, px, sz, side, tid });
  }

  flushTrades(): void {
    const { trades, tradesRecvNs: recvNs } = this;
    if (trades.length === 0) return;
    let oldest = Number.POSITIVE_INFINITY;
    let newest = Number.NEGATIVE_INFINITY;
    for (const { exchNs } of trades) {
      oldest = Math.min(oldest, exchNs);
      newest = Math.max(newest, exchNs);
    }
    const lagNs = recvNs - newest - this.offset.minNs;
    const isBacklog =
      newest - oldest >= BACKLOG_SPAN_NS || (Number.isFinite(lagNs) && lagNs > BACKLOG_LAG_NS);
    for (const { market, exchNs, px, sz, side, tid } of trades) {
      if (tid !== 0 && !this.idsOf(market).add(tid)) {
        this.problems.remark(Remark.RepeatedTrades);
        continue;
      }
      if (isBacklog) this.problems.remark(Remark.BacklogTrades);
      this.out.trade(market.asset, recvNs, exchNs, px, sz, side, tid, isBacklog ? TradeFlag.Backlog : 0);
    }
    trades.length = 0;
  }

  beginLine(): void {
    this.tradesBefore = this.trades.length;
    this.recvNsBefore = this.lastRecvNs;
  }

  /** Forgets the trades of a line that turned out bad, and its receive time: what follows must not be measured by it. */
  dropLine(): void {
    this.lastRecvNs = this.recvNsBefore;
    this.trades.length = Math.min(this.trades.length, this.tradesBefore);
  }

  lost(market: Market, recvNs: number, why: string): void {
    this.out.status(market.asset, recvNs, FeedState.Resync);
    this.problems.remark(why);
  }

  live(market: Market, recvNs: number): void {
    this.out.status(market.asset, recvNs, FeedState.Live);
  }

  private idsOf(market: Market): SeenIds {
    let ids = this.ids.get(market.asset);
    if (ids === undefined) {
      ids = new SeenIds();
      this.ids.set(market.asset, ids);
    }
    return ids;
  }
}

/** Remembers the newest ids in two generations: bounded, whatever the recording's length. */
export class SeenIds {
  private young = new Set<number | bigint>();
  private old = new Set<number | bigint>();

  /** @returns false when it was there. */
  add(id: number | bigint): boolean {
    if (this.has(id)) return false;
    if (this.young.size === IDS_KEPT) {
      this.old = this.young;
      this.young = new Set();
    }
    this.young.add(id);
    return true;
  }

  has(id: number | bigint): boolean {
    return this.young.has(id) || this.old.has(id);
  }
}

/** Reads one file after the other, line by line; its state outlives a file when the next one continues it. */
export interface LineImporter {
  /** @throws {BadLine} The line is counted and left out, and what it had made is taken back. */
  line(text: string, companion?: string): void;
  /** The lines of a file are over. */
  endFile?(): void;
  startFile?(path: string): void;
}

export interface Format {
  readonly name: string;
  /** For the docs and for error messages: how one looks. */
  readonly about: string;
  readonly venue: string;
  /** Recorded without receive times: records are sorted within this window of exchange time. */
  readonly sortWindowNs?: number;
  /** A silence of all streams means that the recorder was cut off (no chain of update ids tells). */
  readonly losesBySilence?: boolean;
  /** Order of streams whose records carry the same receive time. */
  readonly rank?: number;
  /** A file that goes with this one line by line, if there is one. */
  companion?(path: string): string;
  recognises(head: readonly string[], fileName: string): boolean;
  /** Files of one key continue each other, in the order of their names. */
  key?(head: readonly string[], fileName: string): string;
  open(context: ImportContext, head: readonly string[], fileName: string): LineImporter;
}
