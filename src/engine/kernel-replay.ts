import * as abi from "../abi/layout.js";
import type { Instrument } from "../domain/index.js";
import { KernelHost, KernelPump } from "../kernels/index.js";
import { CellReader, createRing, LatencyHistogram, RingConsumer, RingProducer } from "../rings/index.js";
import {
  IntakeNote,
  JournalKind,
  type JournalRecord,
  JournalStream,
  type KernelPass,
} from "../store/index.js";
import { FrameDecoder } from "../venues/hyperliquid/decode.js";
import { createFeedCounters, FeedCounters } from "../venues/hyperliquid/feed-counters.js";
import { FeedIntake, FeedSource } from "../venues/hyperliquid/intake.js";
import { kernelBytes } from "./artifacts.js";
import { createSegments } from "./shared.js";
import { packLadder } from "./turns.js";

/** A ring record by itself: 8-aligned body. */
export interface RecordCopy {
  readonly kind: abi.RecordKind;
  readonly body: Float64Array;
}

const SCRATCH_RING_BYTES = 8 * 2 ** 20;

/** Reads every record that waits in a ring. */
export function takeAll(ring: RingConsumer): RecordCopy[] {
  const out: RecordCopy[] = [];
  for (let at = ring.poll(); at >= 0; at = ring.poll())
    out.push({ kind: ring.kind, body: ring.f64.slice(at >> 3, (at + ring.bodyBytes) >> 3) });
  ring.release();
  return out;
}

/** One of the journal's frames, or what happened between two, through the production intake. */
export class IntakeReplay {
  /** The market as the kernels' rings had it. */
  readonly records: RecordCopy[][];
  /** Why the journal does not tell the market any more; empty: it does. */
  gap = "";
  private nowNs = 0;
  private isFutureNext = false;
  private readonly intake: FeedIntake;
  private readonly decoder: FrameDecoder;
  private readonly consumers: readonly RingConsumer[];

  constructor(
    instruments: readonly Instrument[],
    kernelOf: readonly number[],
    kernels: number,
    options: { readonly staleAfterMs: number; readonly hasStandby: boolean },
  ) {
    const rings = Array.from({ length: kernels }, () => createRing(SCRATCH_RING_BYTES));
    const producers = rings.map((sab) => new RingProducer(sab));
    this.consumers = rings.map((sab) => new RingConsumer(sab));
    this.records = rings.map(() => []);
    this.decoder = new FrameDecoder(instruments, (asset) => producers[kernelOf[asset]!]!);
    this.intake = new FeedIntake(instruments, this.decoder, options, {
      // Whether a pushed frame was from the future is in the journal; the clock that said so is not.
      clock: {
        monoNs: () => this.nowNs,
        wallMs: () => (this.isFutureNext ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY),
      },
      log: () => {},
      counters: new FeedCounters(createFeedCounters()),
    });
  }

  take(record: JournalRecord): void {
    this.nowNs = record.monoNs;
    if (record.kind === JournalKind.Intake) this.note(record.stream);
    else if (record.kind === JournalKind.InboundFrame) {
      const source =
        record.stream === JournalStream.Relay
          ? FeedSource.Pushed
          : record.stream === JournalStream.Standby
            ? FeedSource.Standby
            : FeedSource.Own;
      this.intake.accept(record.bytes, source);
      this.isFutureNext = false;
    } else if (record.kind === JournalKind.Lost) this.gap = "the disk was too slow: frames are missing";
    for (const [i, ring] of this.consumers.entries()) this.records[i]!.push(...takeAll(ring));
  }

  private note(note: number): void {
    const { intake } = this;
    if (note === IntakeNote.Up) intake.onConnected(FeedSource.Own);
    else if (note === IntakeNote.StandbyUp) intake.onConnected(FeedSource.Standby);
    else if (note === IntakeNote.Down) intake.onDisconnected(FeedSource.Own);
    else if (note === IntakeNote.StandbyDown) intake.onDisconnected(FeedSource.Standby);
    else if (note === IntakeNote.Tick) intake.tick();
    else if (note === IntakeNote.Backlog) intake.expectBacklog();
    else if (note === IntakeNote.Future) this.isFutureNext = true;
    else if (note === IntakeNote.NoRoom)
      this.gap = "a ring was full: part of the market never reached its kernel";
  }
}

/** One kernel worker's passes again, in this thread. */
export class KernelReplay {
  private nowAt = 0;
  private readings: Float64Array = new Float64Array(0);
  private readonly pump: KernelPump;
  private readonly market: RingProducer;
  private readonly account: RingProducer;
  private readonly cells: readonly CellReader[];
  private readonly packedLadder = new Uint8Array(abi.LADDER_SIZE);

  constructor(
    private readonly assets: readonly number[],
    options: { readonly requoteBps: number; readonly requoteMs: number },
  ) {
    const segments = createSegments(assets.length, 1);
    const kernel = segments.kernels[0]!;
    this.market = new RingProducer(kernel.marketRing);
    this.account = new RingProducer(kernel.accountRing);
    this.cells = segments.ladders.map((sab) => new CellReader(sab));
    this.pump = new KernelPump({
      host: new KernelHost(KernelHost.compile(kernelBytes())),
      assets,
      marketRing: kernel.marketRing,
      accountRing: kernel.accountRing,
      ladderCells: segments.ladders,
      gatewayEstimates: segments.gatewayEstimates,
      clock: { monoNs: () => this.readings[this.nowAt++] ?? this.readings.at(-1) ?? 0, wallMs: () => 0 },
      ...options,
      latency: new LatencyHistogram(segments.kernelLatency[0]!),
      onRejected: () => {},
    });
  }

  /** @param onLadder told of each ladder that the pass published, packed as the journal has it; the bytes are lent. */
  pass(
    pass: KernelPass,
    account: readonly RecordCopy[],
    market: readonly RecordCopy[],
    onLadder: (asset: number, seq: number, packed: Uint8Array) => void,
  ): void {
    this.readings = pass.mono;
    this.nowAt = 0;
    for (const record of account) writeRecord(this.account, record);
    for (const record of market) writeRecord(this.market, record);
    this.pump.drain();
    if (!this.pump.quoteDirty()) return;
    this.cells.forEach((cell, i) => {
      if (!cell.poll()) return;
      const bytes = packLadder(cell.u8, cell.offset, this.packedLadder);
      const seq = cell.u32[(cell.offset + abi.LADDER_SEQ) >> 2]!;
      onLadder(this.assets[i]!, seq, this.packedLadder.subarray(0, bytes));
    });
  }
}

/** Writes and publishes one record. @throws {Error} When the ring is full. */
export function writeRecord(ring: RingProducer, { kind, body }: RecordCopy): void {
  const at = ring.reserve(kind, body.byteLength);
  if (at < 0) throw new Error("replay: a pass took more than its ring holds");
  ring.f64.set(body, at >> 3);
  ring.commit();
  ring.publish();
}
