import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { FeedState } from "../../src/abi/layout.js";
import {
  createDoorbell,
  createHeartbeats,
  createHistogram,
  createLatch,
  createRing,
  Doorbell,
  Heartbeats,
  KillLatch,
  KillReason,
  LatencyHistogram,
} from "../../src/rings/index.js";
import { JournalKind, JournalReader, JournalStream, listJournals } from "../../src/store/index.js";
import type { IngestInit, IngestMessage } from "../../src/threads/ingest.js";
import { createFeedCounters, FeedCounters, StreamTimes } from "../../src/venues/hyperliquid/feed-counters.js";
import {
  BBO_FRAME,
  BOOK_FRAME,
  INSTRUMENTS,
  RingReader,
  reference,
  TRADE_FRAME,
} from "../venues/feed-fixture.js";
import { compiled } from "./compiled.js";

let entry: URL;
beforeAll(() => {
  entry = compiled("src/threads/ingest.ts");
});
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never happened: ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A venue that sends a book and a bbo of BTC to whoever subscribes. */
async function venue(): Promise<{ url: string; server: WebSocketServer; subscriptions: string[] }> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  const subscriptions: string[] = [];
  server.on("connection", (socket) => {
    socket.send("Websocket connection established.");
    socket.on("message", (data: Buffer) => {
      const { subscription } = JSON.parse(data.toString()) as {
        subscription?: { type: string; coin: string };
      };
      if (subscription === undefined) return;
      subscriptions.push(`${subscription.type} ${subscription.coin}`);
      if (subscription.coin !== "BTC") return;
      if (subscription.type === "l2Book") socket.send(BOOK_FRAME);
      if (subscription.type === "bbo") socket.send(BBO_FRAME);
    });
  });
  await once(server, "listening");
  cleanups.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, server, subscriptions };
}

class Thread {
  readonly messages: IngestMessage[] = [];
  readonly init: IngestInit;
  readonly worker: Worker;
  readonly exited: Promise<number>;
  readonly readers: readonly RingReader[];
  exitCode: number | undefined;

  constructor(overrides: Partial<IngestInit>) {
    const rings = [createRing(1 << 18), createRing(1 << 18)];
    this.init = {
      wsUrl: undefined,
      instruments: INSTRUMENTS,
      rings,
      doorbells: [createDoorbell(), createDoorbell()],
      kernelOf: [0, 1, 1],
      mainDoorbell: createDoorbell(),
      latch: createLatch(),
      heartbeats: createHeartbeats(1),
      heartbeatIndex: 0,
      counters: createFeedCounters(),
      streamTimes: StreamTimes.bytes(INSTRUMENTS.length),
      histogram: createHistogram(),
      clockBaseNs: process.hrtime.bigint(),
      seed: 1,
      staleAfterMs: 5000,
      ...overrides,
    };
    this.readers = rings.map((sab) => new RingReader(sab));
    this.worker = new Worker(entry, { workerData: this.init });
    this.worker.on("message", (message: IngestMessage) => this.messages.push(message));
    this.exited = once(this.worker, "exit").then(([code]) => {
      this.exitCode = code as number;
      return this.exitCode;
    });
    cleanups.push(() => this.stop());
  }

  async message<T extends IngestMessage["type"]>(type: T): Promise<Extract<IngestMessage, { type: T }>> {
    const found = (): IngestMessage | undefined => this.messages.find((m) => m.type === type);
    await until(() => found() !== undefined);
    return found() as Extract<IngestMessage, { type: T }>;
  }

  async stop(): Promise<number> {
    if (this.exitCode === undefined) this.worker.postMessage({ type: "stop" });
    return this.exited;
  }

  get counters(): FeedCounters {
    return new FeedCounters(this.init.counters);
  }
}

describe("feed thread", () => {
  it("brings venue frames into the right ring, rings the bell, beats its heart, and ends by message", async () => {
    const { url, server, subscriptions } = await venue();
    const thread = new Thread({ wsUrl: url });
    const bells = thread.init.doorbells.map((sab) => new Doorbell(sab));
    await thread.message("ready");
    await thread.message("connected");
    await until(() => thread.counters.get("bbos") === 1);
    expect(subscriptions.length).toBeGreaterThanOrEqual(2);
    expect(thread.readers[0]!.take()).toEqual([
      ...reference(BOOK_FRAME),
      { kind: "status", asset: 0, state: FeedState.Live },
      ...reference(BBO_FRAME),
    ]);
    expect(thread.readers[1]!.take()).toEqual([]);
    expect([bells[0]!.epoch() > 0, bells[1]!.epoch()]).toEqual([true, 0]);

    // One clock for all threads: the receive stamp lies between our own readings.
    const nowNs = Number(process.hrtime.bigint() - thread.init.clockBaseNs);
    for (const recv of thread.readers[0]!.recvMonoNs) {
      expect(recv).toBeGreaterThan(0);
      expect(recv).toBeLessThan(nowNs);
    }
    const heartbeats = new Heartbeats(thread.init.heartbeats);
    const beatNs = (): number => heartbeats.ageNs(0, nowNs);
    const first = beatNs();
    await until(() => beatNs() < first || beatNs() === 0);

    for (const client of server.clients) client.send("garbage");
    await until(() => thread.messages.some((m) => m.type === "log" && m.event === "feed.malformed"));
    expect(new LatencyHistogram(thread.init.histogram).snapshot().count).toBe(2);

    expect(await thread.stop()).toBe(0);
    expect(thread.messages.at(-1)).toEqual({ type: "stopped" });
    await until(() => server.clients.size === 0);
    expect(new KillLatch(thread.init.latch).isTripped()).toBe(false);
  });

  it("relays its own feed, and takes pushed frames into the ring, also without a venue", async () => {
    const thread = new Thread({ relay: { port: 0 } });
    const { relayPort } = await thread.message("ready");
    const subscriber = new WebSocket(`ws://127.0.0.1:${relayPort}/ws`);
    const pusher = new WebSocket(`ws://127.0.0.1:${relayPort}/push`);
    cleanups.push(() => subscriber.terminate());
    cleanups.push(() => pusher.terminate());
    const received: string[] = [];
    subscriber.on("message", (data: Buffer) => received.push(data.toString()));
    await Promise.all([once(subscriber, "open"), once(pusher, "open")]);
    for (const type of ["l2Book", "trades"]) {
      subscriber.send(JSON.stringify({ method: "subscribe", subscription: { type, coin: "ETH" } }));
    }
    await until(() => received.length === 2);
    pusher.send(BOOK_FRAME.replace("BTC", "ETH"));
    pusher.send(TRADE_FRAME);
    pusher.send("junk");
    await until(() => received.length === 4 && thread.counters.get("relayPushErrors") === 1);
    expect(received.slice(2)).toEqual([BOOK_FRAME.replace("BTC", "ETH"), TRADE_FRAME]);
    expect(thread.readers[1]!.take().map((r) => r.kind)).toEqual(["book", "status", "trade", "trade"]);
    expect(thread.counters.snapshot()).toMatchObject({ pushedFrames: 3, relayClients: 1 });
    // The clients are still connected: stopping does not wait for them.
    expect(await thread.stop()).toBe(0);
  });

  it("journals every inbound frame and outbound message, with where it came from", async () => {
    const dir = mkdtempSync(join(tmpdir(), "mm-ingest-"));
    cleanups.unshift(() => rmSync(dir, { recursive: true }));
    const { url } = await venue();
    const thread = new Thread({ wsUrl: url, relay: { port: 0 }, journal: { dir, runId: "run-1" } });
    const { relayPort } = await thread.message("ready");
    await until(() => thread.counters.get("bbos") === 1);
    const pusher = new WebSocket(`ws://127.0.0.1:${relayPort}/push`);
    cleanups.push(() => pusher.terminate());
    await once(pusher, "open");
    pusher.send(TRADE_FRAME);
    await until(() => thread.counters.get("pushedFrames") === 1);
    expect(await thread.stop()).toBe(0);

    const records = readJournal(dir);
    const texts = (kind: number, stream: number): string[] =>
      records.filter((r) => r.kind === kind && r.stream === stream).map((r) => r.text);
    expect(texts(JournalKind.InboundFrame, JournalStream.Public)).toEqual([
      "Websocket connection established.",
      BOOK_FRAME,
      BBO_FRAME,
    ]);
    expect(texts(JournalKind.InboundFrame, JournalStream.Relay)).toEqual([TRADE_FRAME]);
    expect(texts(JournalKind.OutboundBytes, JournalStream.Public)).toHaveLength(12);
    expect(records.at(-1)!.kind).toBe(JournalKind.End);
  });

  it("says in one line why it cannot start, and ends", async () => {
    const first = new Thread({ relay: { port: 0 } });
    const { relayPort } = await first.message("ready");
    const second = new Thread({ relay: { port: relayPort! } });
    expect((await second.message("failed")).message).toContain(`cannot listen on 127.0.0.1:${relayPort}`);
    expect(await second.exited).toBe(1);
    const third = new Thread({ wsUrl: "nonsense" });
    expect((await third.message("failed")).message).toContain("not a WebSocket address");
    expect(await third.exited).toBe(1);
  });

  it("stops while the venue is out of reach", async () => {
    const thread = new Thread({ wsUrl: "ws://127.0.0.1:1" });
    await thread.message("ready");
    await until(() => thread.counters.get("connectFailures") > 0);
    expect(await thread.stop()).toBe(0);
  });
});

function readJournal(dir: string): { kind: number; stream: number; text: string }[] {
  const [files] = listJournals(dir);
  const reader = new JournalReader(files!.files);
  const records: { kind: number; stream: number; text: string }[] = [];
  for (const { kind, stream, bytes } of reader) {
    records.push({ kind, stream, text: Buffer.from(bytes).toString() });
  }
  return records;
}

describe("an error that nobody caught", () => {
  interface Death {
    readonly signal: NodeJS.Signals | null;
    readonly exitCode: number | null;
    readonly seen:
      | { code: number; latchReason: number; messages: { type: string; message?: string }[] }
      | undefined;
  }

  async function die(scenario: string): Promise<Death> {
    const script = fileURLToPath(new URL("./workers/death.mjs", import.meta.url));
    const child = spawn(process.execPath, [script, scenario, new URL("../", entry).href], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [exitCode, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    return {
      exitCode,
      signal,
      seen: output === "" ? undefined : (JSON.parse(output) as Death["seen"] & object),
    };
  }

  it("ends the thread, not the process: relay closed, latch tripped, reported", async () => {
    const { exitCode, signal, seen } = await die("ingest");
    expect([exitCode, signal]).toEqual([0, null]);
    expect(seen!.messages.find((m) => m.type === "fatal")).toMatchObject({ message: "staged failure" });
    expect(seen!.code).toBe(1);
    expect(seen!.latchReason).toBe(KillReason.UnhandledError);
  });

  it("also when it is thrown inside a socket's callback", async () => {
    const { exitCode, signal, seen } = await die("guarded-callback");
    expect([exitCode, signal]).toEqual([0, null]);
    expect(seen!.messages.find((m) => m.type === "fatal")).toMatchObject({
      message: "thrown inside a socket callback",
    });
  });

  it("canary: without the handler the whole process is aborted", async () => {
    expect((await die("unguarded")).signal).toBe("SIGABRT");
  });
});
