import { join } from "node:path";
import { LAYOUT_HASH } from "../../src/abi/layout.js";
import { loadConfig } from "../../src/config/index.js";
import { Rng } from "../../src/domain/index.js";
import type { SessionSetup } from "../../src/engine/session-setup.js";
import { queueModel } from "../../src/sim/index.js";
import {
  findRunJournal,
  JournalKind,
  JournalStream,
  JournalWriter,
  packed,
  type RunJournal,
} from "../../src/store/index.js";

/** What is true of a made-up run. */
export interface Truth {
  readonly feed: { readonly medianMs: number; readonly sigma: number };
  readonly order: { readonly medianMs: number; readonly sigma: number };
  readonly ack: { readonly medianMs: number; readonly sigma: number };
  readonly power: number;
  readonly orders: number;
  /** Our clock minus the venue's, with the way of the fastest message, ms. */
  readonly offsetMs: number;
  /** A paper run's: its exchange stamps on our clock, late by the feed's mean, and its books do not show us. */
  readonly isPaper?: boolean;
}

const START_MS = 1_760_000_000_000;
const PX = 60_000;
const lots = (n: number): string => (n / 1e5).toFixed(5);

/**
 * Journals of a run that never was: one buy after the other at one price, a queue that shrinks by the power model, prints that fill
 * what stands first, and delays drawn from log-normals.
 */
export async function syntheticJournal(dir: string, seed: number, truth: Truth): Promise<RunJournal> {
  const rng = new Rng(seed);
  const draw = (d: { medianMs: number; sigma: number }): number =>
    d.medianMs * Math.exp(d.sigma * rng.normal());
  const make = (thread: string): JournalWriter =>
    new JournalWriter({ dir, runId: "synthetic", thread, wallBaseMs: START_MS, monoBaseNs: 0 });
  const frames: {
    atMs: number;
    thread: "main" | "ingest";
    kind: JournalKind;
    stream: number;
    text: string;
  }[] = [];
  const put = (
    thread: "main" | "ingest",
    kind: JournalKind,
    stream: number,
    atMs: number,
    value: unknown,
  ): void => {
    frames.push({
      atMs,
      thread,
      kind,
      stream,
      text: typeof value === "string" ? value : JSON.stringify(value),
    });
  };
  let lastFeedMs = 0;
  const feed = (exchMs: number, channel: string, data: unknown, delayMs = draw(truth.feed)): void => {
    // In order, as a connection delivers.
    const atMs = Math.max(lastFeedMs, exchMs + truth.offsetMs + delayMs);
    lastFeedMs = atMs;
    put("ingest", JournalKind.InboundFrame, JournalStream.Public, atMs, { channel, data });
  };
  const book = (exchMs: number, shown: number, delayMs?: number): void =>
    feed(
      exchMs,
      "l2Book",
      {
        coin: "BTC",
        time: exchMs,
        levels: [
          [
            { px: String(PX), sz: lots(shown), n: 9 },
            { px: String(PX - 1), sz: "5", n: 3 },
          ],
          [
            { px: String(PX + 1), sz: "3", n: 4 },
            { px: String(PX + 2), sz: "4", n: 2 },
          ],
        ],
      },
      delayMs,
    );
  const isPaper = truth.isPaper === true;
  const meanFeedMs = truth.feed.medianMs * Math.exp(truth.feed.sigma ** 2 / 2);
  const model = queueModel({ kind: "power", n: truth.power });
  let exchMs = START_MS + 1000;
  let tid = 1;
  // The fastest message of all: the clock offset is then what it is.
  book(exchMs, 100_000, 0);
  for (let i = 0; i < truth.orders; i++) {
    let others = 100_000 + rng.below(200_000);
    exchMs += 2_000;
    book(exchMs, others);
    // On our clock, well after the book was stamped.
    const sentMs = exchMs + 500 + truth.offsetMs + rng.uniform();
    const cloid = `0x${(i + 1).toString(16).padStart(32, "0")}`;
    const oid = 1000 + i;
    const order = (sz: number): unknown => ({
      coin: "BTC",
      side: "B",
      limitPx: String(PX),
      sz: lots(sz),
      oid,
      timestamp: exchMs,
      origSz: lots(20_000),
      cloid,
    });
    put(
      "main",
      JournalKind.OutboundBytes,
      JournalStream.Private,
      sentMs,
      isPaper
        ? `{"type":"order","orders":[{"a":0,"c":"${cloid}"}],"grouping":"na"}`
        : `{"method":"post","id":${i + 1},"request":{"type":"action","payload":{"action":{"type":"order","orders":[{"a":0,"c":"${cloid}"}]}}}}`,
    );
    const thereMs = sentMs + draw(truth.order);
    exchMs = Math.floor(thereMs - truth.offsetMs);
    const update = (status: string, sz: number, atMs: number): void =>
      put("main", JournalKind.InboundFrame, JournalStream.Private, atMs, {
        channel: "orderUpdates",
        data: [
          {
            order: order(sz),
            status,
            statusTimestamp: isPaper ? Math.floor(exchMs + truth.offsetMs + meanFeedMs) : exchMs,
          },
        ],
      });
    const ackMs = draw(truth.ack);
    update("open", 20_000, thereMs + ackMs);
    const answer = {
      status: "ok",
      response: { type: "order", data: { statuses: [{ resting: { oid, cloid } }] } },
    };
    const answered = { channel: "post", data: { id: i + 1, response: { type: "action", payload: answer } } };
    const stream = JournalStream.Private;
    put("main", JournalKind.InboundFrame, stream, thereMs + ackMs, isPaper ? answer : answered);
    let ahead = others;
    let ours = 20_000;
    for (let step = 0; step < 12 && ours > 0; step++) {
      exchMs += 100;
      if (step % 3 < 2) {
        // Others join behind us, then leave from anywhere: who stands where is what the models differ about.
        const share = step % 3 === 0 ? 1.2 + 0.8 * rng.uniform() : 0.5 + 0.3 * rng.uniform();
        const next = Math.round(others * share);
        ahead = model.afterChange(ahead, others, next);
        others = next;
      } else {
        const print = Math.round(ahead * 0.5 + rng.below(40_000));
        const filled = Math.max(0, Math.min(ours, Math.floor(print - ahead)));
        feed(exchMs, "trades", [
          {
            coin: "BTC",
            side: "A",
            px: String(PX),
            sz: lots(print),
            time: exchMs,
            tid,
            hash: "0x0",
            users: ["0x1", "0x2"],
          },
        ]);
        if (filled > 0) {
          put("main", JournalKind.InboundFrame, JournalStream.Private, exchMs + truth.offsetMs + 20, {
            channel: "userFills",
            data: {
              user: "0x0",
              fills: [
                {
                  coin: "BTC",
                  px: String(PX),
                  sz: lots(filled),
                  side: "B",
                  time: isPaper ? Math.floor(exchMs + truth.offsetMs) : exchMs,
                  startPosition: String(tid),
                  oid,
                  crossed: false,
                  fee: "0.1",
                  tid,
                },
              ],
            },
          });
        }
        tid++;
        ahead = filled > 0 ? 0 : Math.max(0, ahead - print);
        others = Math.max(0, others - (print - filled));
        ours -= filled;
      }
      book(exchMs, Math.max(1, isPaper ? others : others + ours));
    }
    exchMs += 100;
    update(ours === 0 ? "filled" : "canceled", ours, exchMs + truth.offsetMs + 20);
  }
  const writers = { main: make("main"), ingest: make("ingest") };
  writers.main.append(JournalKind.Session, 0, Buffer.from(packed(setup(truth))));
  frames.sort((a, b) => a.atMs - b.atMs);
  for (const f of frames) {
    const writer = writers[f.thread];
    writer.append(f.kind, (f.atMs - START_MS) * 1e6, Buffer.from(f.text), f.stream);
    writer.flushSync();
  }
  await writers.main.close();
  await writers.ingest.close();
  return findRunJournal(join(dir, "synthetic"));
}

function setup(truth: Truth): SessionSetup {
  const instrument = {
    asset: 0,
    venueAssetId: 0,
    coin: "BTC",
    pxDecimals: 1,
    szDecimals: 5,
    maxSigFigs: 5,
    minNotionalUsd: 10,
    maxLeverage: 40,
  };
  const given: Partial<SessionSetup> = {
    layoutHash: LAYOUT_HASH,
    version: "test",
    startedAtMs: START_MS,
    config: loadConfig(undefined, {}).config,
    endpoints: {
      name: "localhost",
      source: "b",
      infoUrl: "http://127.0.0.1/info",
      exchangeUrl: "http://127.0.0.1/exchange",
      wsUrl: "ws://127.0.0.1/ws",
    },
    instruments: [instrument],
    ...(truth.isPaper === true
      ? {
          paper: {
            equityUsd: 100_000,
            queue: { kind: "power", n: truth.power },
            latency: {
              feed: { kind: "tape", floorMs: 5 },
              order: { kind: "lognormal", ...truth.order },
              ack: { kind: "lognormal", ...truth.ack },
            },
            fees: { makerBps: 1.5, takerBps: 4.5 },
          },
        }
      : {}),
  };
  return given as SessionSetup;
}
