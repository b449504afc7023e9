// A process of its own whose worker dies with an open uWebSockets.js app. argv: scenario, URL of the compiled dist/src.
// Prints one JSON line of what main saw; how the process itself ends is judged by the parent.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const [scenario, dist] = isMainThread ? process.argv.slice(2) : [workerData.scenario, workerData.dist];

if (isMainThread) await main();
else await work();

async function main() {
  const rings = await import(`${dist}rings/index.js`);
  const { createFeedCounters, StreamTimes } = await import(`${dist}venues/hyperliquid/feed-counters.js`);
  const latch = rings.createLatch();
  const init = {
    scenario,
    dist,
    wsUrl: undefined,
    instruments: [
      {
        asset: 0,
        venueAssetId: 0,
        coin: "BTC",
        pxDecimals: 1,
        szDecimals: 5,
        maxSigFigs: 5,
        minNotionalUsd: 10,
        maxLeverage: 40,
      },
    ],
    rings: [rings.createRing(1 << 16)],
    doorbells: [rings.createDoorbell()],
    kernelOf: [0],
    mainDoorbell: rings.createDoorbell(),
    latch,
    heartbeats: rings.createHeartbeats(1),
    heartbeatIndex: 0,
    counters: createFeedCounters(),
    streamTimes: StreamTimes.bytes(1),
    histogram: rings.createHistogram(),
    clockBaseNs: process.hrtime.bigint(),
    seed: 1,
    staleAfterMs: 1000,
    relay: { port: 0 },
  };
  const entry = scenario === "ingest" ? new URL(`${dist}threads/ingest.js`) : new URL(import.meta.url);
  const worker = new Worker(entry, { workerData: init });
  const messages = [];
  worker.on("message", async (message) => {
    messages.push(message);
    if (message.type !== "ready") return;
    // A client is connected and talking when the worker dies.
    const { WebSocket } = await import("ws");
    const socket = new WebSocket(`ws://127.0.0.1:${message.relayPort}/push`);
    socket.on("error", () => {});
    socket.on("open", () => {
      socket.send("boom");
      if (scenario === "ingest") worker.postMessage({ type: "fail", message: "staged failure" });
    });
  });
  worker.on("error", () => {});
  worker.on("exit", (code) => {
    const latchReason = new rings.KillLatch(latch).reason();
    console.log(JSON.stringify({ code, messages, latchReason }));
  });
}

async function work() {
  const { Relay, DEFAULT_RELAY_OPTIONS } = await import(`${dist}threads/relay.js`);
  const { FeedCounters } = await import(`${dist}venues/hyperliquid/feed-counters.js`);
  const relay = new Relay(
    workerData.instruments,
    { ...DEFAULT_RELAY_OPTIONS, port: 0 },
    {
      counters: new FeedCounters(workerData.counters),
      log: () => {},
      push: () => {
        throw new Error("thrown inside a socket callback");
      },
    },
  );
  const relayPort = await relay.listen();
  if (scenario === "guarded-callback") {
    process.on("uncaughtException", (error) => {
      relay.close();
      parentPort.postMessage({ type: "fatal", message: error.message });
      process.exit(1);
    });
  }
  parentPort.postMessage({ type: "ready", relayPort });
  // Unguarded: dies of an error with the app open, outside of any socket callback.
  if (scenario === "unguarded")
    setTimeout(() => {
      throw new Error("nobody closes the app");
    }, 20);
}
