/**
 * `tickToWire`: a 20-level book frame in, a signed batch of modified orders at a real socket, through the program's own parts:
 * decoder → market ring → kernel worker (a thread, default wait mode) → ladder cell → executor → encoder → signer → WebSocket.
 * The feed's and the executor's parts share the main thread and poll while they wait. The venue is a third process on the same
 * host, so the write to the socket includes waking it up: `tickToWire.ready` is the same path up to the signed bytes, before
 * that write.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { CloidSequence, Rng } from "../src/domain/index.js";
import { AccountFeed } from "../src/engine/account-feed.js";
import { compiledUrl, kernelBytes } from "../src/engine/artifacts.js";
import { createSegments, HEARTBEAT } from "../src/engine/shared.js";
import { Executor, LadderView } from "../src/execution/index.js";
import { DEFAULT_KERNEL_PARAMS, KernelHost } from "../src/kernels/index.js";
import { CellReader, Doorbell, KillLatch, RingProducer } from "../src/rings/index.js";
import { riskLimits } from "../src/risk/index.js";
import type { KernelInit } from "../src/threads/kernel-protocol.js";
import { startClock, systemTimers } from "../src/threads/system-clock.js";
import { FrameDecoder } from "../src/venues/hyperliquid/decode.js";
import { DEV_PRIVATE_KEY } from "../src/venues/hyperliquid/keys.js";
import { networkEndpoints } from "../src/venues/hyperliquid/network.js";
import { HyperliquidGateway } from "../src/venues/hyperliquid/orders.js";
import { L1Signer } from "../src/venues/hyperliquid/sign.js";
import { type BenchContext, type BenchResult, BTC, Samples } from "./harness.js";

const MAX_POS_LOTS = 20_000;
/** Frames before the measured ones: the code's first thousands of runs are the compiler's. */
const WARM_UP = 400;

/** Books whose mid steps by a few dollars each time, so that every one moves all orders. */
function bookFrames(rng: Rng, count: number, startMs: number): Buffer[] {
  let mid = 110_000;
  return Array.from({ length: count }, (_, i) => {
    mid += (rng.uniform() < 0.5 ? -1 : 1) * (15 + rng.below(10));
    if (Math.abs(mid - 110_000) > 200) mid = 110_000;
    const side = (sign: number): string =>
      Array.from({ length: 20 }, (_unused, l) => {
        const sz = (0.05 + rng.uniform() * 3).toFixed(5);
        return `{"px":"${mid + sign * (l + 1)}.0","sz":"${sz}","n":${1 + rng.below(20)}}`;
      }).join(",");
    const text = `{"channel":"l2Book","data":{"coin":"BTC","time":${startMs + i * 500},"levels":[[${side(-1)}],[${side(1)}]]}}`;
    return Buffer.from(text);
  });
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

export async function frameToSocket(ctx: BenchContext): Promise<BenchResult[]> {
  const { clock, baseNs } = startClock();
  const signer = new L1Signer(Uint8Array.from(DEV_PRIVATE_KEY), "b");
  const venue = fork(fileURLToPath(new URL("./workers/open-venue.js", import.meta.url)), [signer.address]);
  const [{ port }] = (await once(venue, "message")) as [{ port: number }];
  const segments = createSegments(1, 1);
  const worker = startKernel(segments, baseNs);
  await once(worker, "message");
  new AccountFeed(segments, [BTC]).configure(0, {
    ...DEFAULT_KERNEL_PARAMS,
    minTrades: 0,
    minBuckets: 0,
    maxPosLots: MAX_POS_LOTS,
    sideSzLots: 2000,
  });
  const gateway = new HyperliquidGateway({
    endpoints: networkEndpoints("localhost", { port }),
    signer,
    instruments: [BTC],
    clock,
    timers: systemTimers,
    rng: new Rng(ctx.seed),
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const executor = new Executor({
    gateway,
    latch: new KillLatch(segments.latch),
    clock,
    timers: systemTimers,
    cloids: new CloidSequence(Math.floor(clock.wallMs())),
    assets: [
      {
        instrument: BTC,
        maxBpsDiff: 0,
        limits: riskLimits({ maxPosLots: MAX_POS_LOTS, maxPositionValueUsd: 1e6 }),
      },
    ],
    log: () => {},
  });
  await gateway.connect(executor);
  await executor.recover();
  try {
    return await measure(ctx, { clock, segments, gateway, executor });
  } finally {
    await executor.stop();
    await gateway.close();
    Atomics.store(new Int32Array(segments.kernels[0]!.control), 0, 1);
    await once(worker, "exit");
    await stopVenue(venue);
  }
}

function startKernel(segments: ReturnType<typeof createSegments>, clockBaseNs: bigint): Worker {
  const k = segments.kernels[0]!;
  const init: KernelInit = {
    module: KernelHost.compile(kernelBytes()),
    assets: [0],
    marketRing: k.marketRing,
    accountRing: k.accountRing,
    doorbell: k.doorbell,
    mainDoorbell: segments.mainDoorbell,
    latch: segments.latch,
    heartbeats: segments.heartbeats,
    heartbeatIndex: HEARTBEAT.firstKernel,
    control: k.control,
    ladderCells: segments.ladders,
    gatewayEstimates: segments.gatewayEstimates,
    latency: segments.kernelLatency[0]!,
    clockBaseNs,
    wait: "hybrid",
    requoteBps: 0,
    requoteMs: 1,
  };
  return new Worker(compiledUrl("threads/kernel.js"), { workerData: init });
}

interface Path {
  readonly clock: ReturnType<typeof startClock>["clock"];
  readonly segments: ReturnType<typeof createSegments>;
  readonly gateway: HyperliquidGateway;
  readonly executor: Executor;
}

async function measure(
  ctx: BenchContext,
  { clock, segments, gateway, executor }: Path,
): Promise<BenchResult[]> {
  const count = ctx.isSmoke ? 20 : 2000;
  const warmUp = ctx.isSmoke ? 10 : WARM_UP;
  const frames = bookFrames(new Rng(ctx.seed), warmUp + count, clock.wallMs());
  const k = segments.kernels[0]!;
  const producer = new RingProducer(k.marketRing);
  const bell = new Doorbell(k.doorbell);
  const decoder = new FrameDecoder([BTC], () => producer);
  const cell = new CellReader(segments.ladders[0]!);
  const view = new LadderView(cell);
  const samples = new Samples(count);
  const ready = new Samples(count);
  let orders = 0;
  for (const [i, frame] of frames.entries()) {
    const sent = gateway.counters.postsSent;
    const startNs = clock.monoNs();
    decoder.decode(frame, startNs);
    producer.publish();
    bell.ring();
    while (!cell.poll());
    executor.onLadder(0, view.at(cell.offset));
    if (gateway.counters.postsSent > sent && i >= warmUp) {
      samples.add(gateway.lastSend.wireMonoNs - startNs);
      ready.add(gateway.lastSend.signEndMonoNs - startNs);
      orders++;
    }
    // Every answer before the next frame: the executor holds back while too many batches are unanswered.
    for (let spins = 0; gateway.counters.postsInFlight > 0 && spins < 1e5; spins++) await turn();
    executor.onTick();
  }
  const c = executor.counters;
  const note = `${orders} of ${count} frames moved orders, ${c.ordersModified} modified, ${c.ordersRejected} refused`;
  return [
    samples.result("tickToWire", "us", {
      budgetP50: 75,
      note: `frame → bytes handed to the socket; ${note}`,
    }),
    ready.result("tickToWire.ready", "us", { note: "the same frames → signed, before the socket write" }),
  ];
}

async function stopVenue(venue: ChildProcess): Promise<void> {
  const exited = once(venue, "exit");
  venue.disconnect();
  await exited;
}
