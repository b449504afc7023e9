import { Side } from "../../../../domain/index.js";
import { coinOfBinanceSymbol } from "../../instruments.js";
import type { Format, ImportContext, LineImporter } from "../context.js";
import { DeltaMessage } from "../levels.js";
import type { Market } from "../markets.js";
import { BadLine } from "../problems.js";
import { idOf } from "./csv.js";

interface Message {
  readonly topic?: unknown;
  readonly type?: unknown;
  readonly ts?: unknown;
  readonly cts?: unknown;
  readonly data?: unknown;
}
interface Depth {
  readonly s?: unknown;
  readonly b?: unknown;
  readonly a?: unknown;
  readonly u?: unknown;
}

/** Bybit's public daily files: one message a line, the venue's send time (`ts`) standing in for a receive time. */
export const bybit: Format = {
  name: "bybit",
  about:
    '`{"topic":"orderbook.500.SYMBOL","type":"snapshot|delta","ts":…,"data":…}` a line; also publicTrade',
  venue: "Bybit",
  recognises: (head) => head.some((l) => /^\{"topic":"(orderbook|publicTrade)\./.test(l)),
  key: (head) => /^\{"topic":"[^"]*\.([^".]+)"/.exec(head[0] ?? "")?.[1] ?? "",
  open: (context) => new Bybit(context),
};

class Bybit implements LineImporter {
  private readonly message: DeltaMessage;
  /** Newest update id of each market with a whole book. */
  private readonly ids = new Map<number, number>();
  private readonly lost = new Set<number>();

  constructor(private readonly context: ImportContext) {
    this.message = new DeltaMessage(context.out);
  }

  line(text: string): void {
    const { context } = this;
    const m = JSON.parse(text) as Message | null;
    if (
      typeof m !== "object" ||
      m === null ||
      typeof m.topic !== "string" ||
      typeof m.data !== "object" ||
      m.data === null
    )
      throw new BadLine("message without topic and data");
    const recvNs = context.recv(context.times.ofMs(m.ts));
    if (m.topic.startsWith("orderbook.")) this.depth(recvNs, m, m.data as Depth);
    else if (m.topic.startsWith("publicTrade.") && Array.isArray(m.data)) this.trades(recvNs, m.data);
    else context.problems.ignored++;
  }

  private market(symbol: unknown): Market | undefined {
    if (typeof symbol !== "string" || symbol === "") throw new BadLine("message without a symbol");
    const market = this.context.markets.of(coinOfBinanceSymbol(symbol), false);
    if (market === undefined) this.context.problems.ignored++;
    return market;
  }

  private depth(recvNs: number, m: Message, data: Depth): void {
    const { context, message, ids } = this;
    const market = this.market(data.s);
    if (market === undefined) return;
    const { u: id } = data;
    if (!Number.isSafeInteger(id)) throw new BadLine("orderbook without u");
    const isSnapshot = m.type === "snapshot";
    if (!isSnapshot && m.type !== "delta") throw new BadLine("neither snapshot nor delta");
    const bids = levels(market, data.b, Side.Buy);
    const asks = levels(market, data.a, Side.Sell);
    const exchNs = m.cts === undefined ? recvNs : context.exch(recvNs, context.times.ofMs(m.cts));
    if (!isSnapshot && ids.get(market.asset) !== (id as number) - 1) {
      if (ids.delete(market.asset)) {
        this.lost.add(market.asset);
        context.lost(market, recvNs, "the chain of update ids broke: no book until the next snapshot");
      } else context.problems.remark("depth messages without a snapshot left out");
      return;
    }
    ids.set(market.asset, id as number);
    message.begin(isSnapshot);
    for (const [side, list] of [
      [Side.Buy, bids],
      [Side.Sell, asks],
    ] as const)
      for (let i = 0; i < list.length; i += 2)
        message.level(market, recvNs, exchNs, side, list[i]!, list[i + 1]!);
    message.end();
    if (isSnapshot && this.lost.delete(market.asset)) context.live(market, recvNs);
  }

  private trades(recvNs: number, data: readonly unknown[]): void {
    const { context } = this;
    for (const one of data as readonly ({
      T?: unknown;
      s?: unknown;
      S?: unknown;
      v?: unknown;
      p?: unknown;
      i?: unknown;
    } | null)[]) {
      if (typeof one !== "object" || one === null) throw new BadLine("trade is not an object");
      const market = this.market(one.s);
      if (market === undefined) continue;
      if (one.S !== "Buy" && one.S !== "Sell") throw new BadLine("trade without a side");
      const side = one.S === "Buy" ? Side.Buy : Side.Sell;
      const px = market.px(one.p, -side as Side);
      const sz = market.sz(one.v);
      if (px <= 0 || sz <= 0) throw new BadLine("trade without price or size");
      const exchNs = context.exch(recvNs, context.times.ofMs(one.T));
      context.trade(market, recvNs, exchNs, px, sz, side, idOf(String(one.i)));
    }
    context.flushTrades();
  }
}

/** Alternating ticks and lots. */
function levels(market: Market, from: unknown, side: Side): number[] {
  if (!Array.isArray(from)) throw new BadLine("orderbook without levels");
  return (from as unknown[]).flatMap((level) => {
    if (!Array.isArray(level)) throw new BadLine("level is not [price, size]");
    return [market.pxTicks(level[0], side), market.szLots(level[1])];
  });
}
