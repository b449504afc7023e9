import * as abi from "../abi/layout.js";
import {
  createCell,
  createDoorbell,
  createHeartbeats,
  createHistogram,
  createLatch,
  createRing,
} from "../rings/index.js";
import { ASSET_SLOTS, Board, ENGINE_SLOTS } from "../telemetry/board.js";
import { createFeedCounters, StreamTimes } from "../venues/hyperliquid/feed-counters.js";

/** Books are about 1 KiB: room for some thousands while a worker is off its core. */
const MARKET_RING_BYTES = 8 * 2 ** 20;
const ACCOUNT_RING_BYTES = 256 * 2 ** 10;

/** Stages whose latencies are measured, in path order. Each histogram has one writing thread. */
export const STAGES = ["decode", "kernel", "executor", "sign", "tickToWire"] as const;
export type Stage = (typeof STAGES)[number];

export interface KernelSegments {
  readonly assets: readonly number[];
  readonly marketRing: SharedArrayBuffer;
  readonly accountRing: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
}

/** Every piece of shared memory of one engine, made once by the main thread before any other thread starts. */
export interface SharedSegments {
  readonly latch: SharedArrayBuffer;
  readonly mainDoorbell: SharedArrayBuffer;
  readonly heartbeats: SharedArrayBuffer;
  /** Names by heartbeat index: feed, gateway, kernel-0, … */
  readonly threadNames: readonly string[];
  readonly kernels: readonly KernelSegments[];
  /** Asset → kernel worker. */
  readonly kernelOf: readonly number[];
  readonly ladders: readonly SharedArrayBuffer[];
  readonly gatewayEstimates: readonly SharedArrayBuffer[];
  readonly assetBoards: readonly SharedArrayBuffer[];
  readonly engineBoard: SharedArrayBuffer;
  readonly stages: Readonly<Record<Exclude<Stage, "kernel">, SharedArrayBuffer>>;
  /** The kernel stage: a histogram has one writer, so each worker has its own and the reader merges. */
  readonly kernelLatency: readonly SharedArrayBuffer[];
  readonly feedCounters: SharedArrayBuffer;
  readonly streamTimes: SharedArrayBuffer;
}

export const HEARTBEAT = { feed: 0, gateway: 1, firstKernel: 2 } as const;

/** @param hasRecorder a recorder's thread beats too, after the kernels. */
export function createSegments(
  assetCount: number,
  kernelCount: number,
  { hasRecorder = false, marketRingBytes = MARKET_RING_BYTES } = {},
): SharedSegments {
  const workers = Math.min(kernelCount, assetCount);
  const kernelOf = Array.from({ length: assetCount }, (_, asset) => asset % workers);
  const perAsset = <T>(make: () => T): T[] => Array.from({ length: assetCount }, make);
  return {
    latch: createLatch(),
    mainDoorbell: createDoorbell(),
    heartbeats: createHeartbeats(HEARTBEAT.firstKernel + workers + (hasRecorder ? 1 : 0)),
    threadNames: [
      "feed",
      "gateway",
      ...Array.from({ length: workers }, (_, i) => `kernel-${i}`),
      ...(hasRecorder ? ["recorder"] : []),
    ],
    kernels: Array.from({ length: workers }, (_, worker) => ({
      assets: kernelOf.flatMap((w, asset) => (w === worker ? [asset] : [])),
      marketRing: createRing(marketRingBytes),
      accountRing: createRing(ACCOUNT_RING_BYTES),
      doorbell: createDoorbell(),
      control: new SharedArrayBuffer(8),
    })),
    kernelOf,
    ladders: perAsset(() => createCell(abi.LADDER_SIZE)),
    gatewayEstimates: perAsset(() => createCell(abi.ESTIMATES_SIZE)),
    assetBoards: perAsset(() => Board.bytes(ASSET_SLOTS)),
    engineBoard: Board.bytes(ENGINE_SLOTS),
    stages: {
      decode: createHistogram(),
      executor: createHistogram(),
      sign: createHistogram(),
      tickToWire: createHistogram(),
    },
    kernelLatency: Array.from({ length: workers }, () => createHistogram()),
    feedCounters: createFeedCounters(),
    streamTimes: StreamTimes.bytes(assetCount),
  };
}
