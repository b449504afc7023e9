/**
 * What the journal keeps beyond frames and bytes, so that a run can be replayed: turns of the main thread and passes of the
 * kernels. See docs/journal.md.
 *
 * A turn is one call from outside into the engine on the main thread (a timer, a socket's message, an answer, a ladder read from
 * its board) with everything that the engine learned in it: clock readings in their order, whether the socket could be written,
 * the kill latch. Turns are packed into one journal record until a timer hands them on.
 */
import { JournalKind, type JournalWriter } from "./journal.js";

/** Who called. Numbers are part of the format: never reuse one. */
export const TurnKind = {
  /** The life cycle; `id` is a `TurnEntry`. */
  Enter: 1,
  /** `id` counts the timers made. */
  Timer: 2,
  /** `id` counts the sockets opened. */
  SocketOpen: 3,
  /** The frame is the next private inbound record. */
  SocketMessage: 4,
  SocketError: 5,
  /** Payload: u32 code, reason. */
  SocketClose: 6,
  /** `id` counts the requests. Payload: u32 status, body. */
  HttpAnswer: 7,
  /** Payload: `packed` failure. */
  HttpFailure: 8,
  /** `id` is the asset. Payload: the ladder without its empty levels, see `packLadder`. */
  Ladder: 9,
  /** `id` counts the questions to the outside. Payload: `packed` answer or failure. */
  Answer: 10,
  /** The exchange of a paper run took market records. Payload: u32 how many. */
  Market: 11,
} as const;
export type TurnKind = (typeof TurnKind)[keyof typeof TurnKind];

/** `Made`: what was read while the engine was put together. */
export const TurnEntry = { Made: 0, Start: 1, Stop: 2, Close: 3 } as const;
export type TurnEntry = (typeof TurnEntry)[keyof typeof TurnEntry];

export interface Turn {
  readonly kind: TurnKind;
  readonly id: number;
  /** Every promise of the turn before had run to its end. */
  readonly isDrained: boolean;
  /** Outbound records that were written in it. */
  readonly outbound: number;
  readonly mono: Float64Array;
  readonly wall: Float64Array;
  readonly writable: Uint8Array;
  /** The latch was seen tripped at this reading of it (1, 2, …), for this reason; 0: not in this turn. */
  readonly latchAt: number;
  readonly latchReason: number;
  readonly payload: Uint8Array;
}

const HEAD_BYTES = 40;
const DRAINED = 0x100;
const BATCH_BYTES = 48 * 1024;
const aligned = (bytes: number): number => (bytes + 7) & ~7;
const NONE = new Uint8Array(0);

/**
 * Packs turns into journal records. `begin` closes the turn before.
 * Thread: main. Allocates: nothing in steady state.
 */
export class TurnWriter {
  private mono = new Float64Array(256);
  private wall = new Float64Array(64);
  private writable = new Uint8Array(64);
  private monos = 0;
  private walls = 0;
  private writables = 0;
  private kind: TurnKind | 0 = TurnKind.Enter;
  private id: number = TurnEntry.Made;
  private isDrained = true;
  private outbound = 0;
  private latchAt = 0;
  private latchReason = 0;
  private payload: Uint8Array = NONE;
  private payloadBytes = 0;
  private readonly own = new Uint8Array(4096);
  private readonly ownWords = new Uint32Array(this.own.buffer);
  private batch = new Uint8Array(BATCH_BYTES);
  private u32 = new Uint32Array(this.batch.buffer);
  private f64 = new Float64Array(this.batch.buffer);
  private used = 0;
  private lastMonoNs = 0;

  constructor(private readonly journal: JournalWriter) {}

  begin(kind: TurnKind, id: number, isDrained: boolean): void {
    this.end();
    this.kind = kind;
    this.id = id;
    this.isDrained = isDrained;
  }

  /** Room for a small payload of the turn, to be filled at once; a large one is handed over with `lend`. */
  room(bytes: number): Uint8Array {
    this.payload = this.own;
    this.payloadBytes = bytes;
    return this.own;
  }

  /** The bytes must stay as they are until the next turn. */
  lend(payload: Uint8Array): void {
    this.payload = payload;
    this.payloadBytes = payload.length;
  }

  tookMono(ns: number): void {
    this.lastMonoNs = ns;
    if (this.monos === this.mono.length) this.mono = grown(this.mono);
    this.mono[this.monos++] = ns;
  }

  tookWall(ms: number): void {
    if (this.walls === this.wall.length) this.wall = grown(this.wall);
    this.wall[this.walls++] = ms;
  }

  tookWritable(isWritable: boolean): void {
    if (this.writables === this.writable.length) {
      const more = new Uint8Array(2 * this.writables);
      more.set(this.writable);
      this.writable = more;
    }
    this.writable[this.writables++] = isWritable ? 1 : 0;
  }

  tookOutbound(): void {
    this.outbound++;
  }

  sawLatch(reading: number, reason: number): void {
    this.latchAt = reading;
    this.latchReason = reason;
  }

  /** Everything so far to the journal. Between two events only: promises that still run would be counted to nobody. */
  finish(): void {
    this.end();
    this.handOn();
  }

  /** The turns that have ended, to the journal. */
  handOn(): void {
    if (this.used === 0) return;
    this.journal.append(JournalKind.Turns, this.lastMonoNs, this.batch.subarray(0, this.used));
    this.used = 0;
  }

  private end(): void {
    if (this.kind === 0) return;
    const { monos, walls, writables, payloadBytes } = this;
    const bytes = HEAD_BYTES + 8 * (monos + walls) + aligned(writables) + aligned(payloadBytes);
    if (this.used + bytes > this.batch.length) this.makeRoom(bytes);
    const { u32, f64, batch } = this;
    let word = this.used >> 2;
    u32[word] = this.kind | (this.isDrained ? DRAINED : 0);
    u32[word + 1] = this.outbound;
    u32[word + 2] = this.id;
    u32[word + 3] = monos;
    u32[word + 4] = walls;
    u32[word + 5] = writables;
    u32[word + 6] = payloadBytes;
    u32[word + 7] = this.latchAt;
    u32[word + 8] = this.latchReason;
    u32[word + 9] = 0;
    let at = (this.used + HEAD_BYTES) >> 3;
    for (let i = 0; i < monos; i++) f64[at++] = this.mono[i]!;
    for (let i = 0; i < walls; i++) f64[at++] = this.wall[i]!;
    at *= 8;
    for (let i = 0; i < writables; i++) batch[at + i] = this.writable[i]!;
    at += aligned(writables);
    if (this.payload === this.own) {
      word = at >> 2;
      for (let i = 0, n = (payloadBytes + 3) >> 2; i < n; i++) u32[word + i] = this.ownWords[i]!;
    } else batch.set(this.payload, at);
    this.used = at + aligned(payloadBytes);
    this.kind = 0;
    this.monos = 0;
    this.walls = 0;
    this.writables = 0;
    this.outbound = 0;
    this.latchAt = 0;
    this.latchReason = 0;
    this.payload = NONE;
    this.payloadBytes = 0;
  }

  private makeRoom(bytes: number): void {
    this.handOn();
    if (bytes <= this.batch.length) return;
    this.batch = new Uint8Array(aligned(bytes));
    this.u32 = new Uint32Array(this.batch.buffer);
    this.f64 = new Float64Array(this.batch.buffer);
  }
}

function grown(from: Float64Array): Float64Array<ArrayBuffer> {
  const more = new Float64Array(2 * from.length);
  more.set(from);
  return more;
}

/** The turns of a `Turns` record. @throws {RangeError} When the record is not one. */
export function readTurns(bytes: Uint8Array): Turn[] {
  const turns: Turn[] = [];
  // A copy: aligned, and independent of the segment it was read from.
  const own = Uint8Array.from(bytes);
  const view = new DataView(own.buffer);
  for (let at = 0; at < own.length; ) {
    const [head, outbound, id, monos, walls, writables, payloadBytes, latchAt, latchReason] = Array.from(
      { length: 9 },
      (_, i) => view.getUint32(at + 4 * i, true),
    ) as [number, number, number, number, number, number, number, number, number];
    at += HEAD_BYTES;
    const mono = new Float64Array(own.buffer, at, monos);
    at += 8 * monos;
    const wall = new Float64Array(own.buffer, at, walls);
    at += 8 * walls;
    const writable = own.subarray(at, at + writables);
    at += aligned(writables);
    const payload = own.subarray(at, at + payloadBytes);
    at += aligned(payloadBytes);
    turns.push({
      kind: (head & 0xff) as TurnKind,
      id,
      isDrained: (head & DRAINED) !== 0,
      outbound,
      mono,
      wall,
      writable,
      latchAt,
      latchReason,
      payload,
    });
  }
  return turns;
}

/** One pass of a kernel: how many records it took of each ring, and its clock readings in their order. */
export interface KernelPass {
  readonly account: number;
  readonly market: number;
  /** Passes before this one of which the journal knows nothing, for the ring to it was full. */
  readonly lost: number;
  readonly mono: Float64Array;
}

const PASS_HEAD_BYTES = 16;
export const passBytes = (readings: number): number => PASS_HEAD_BYTES + 8 * readings;

/** The passes of a `KernelPasses` record: u32 account, u32 market, u32 lost, u32 readings, then the readings. */
export function readPasses(bytes: Uint8Array): KernelPass[] {
  const passes: KernelPass[] = [];
  const own = Uint8Array.from(bytes);
  const view = new DataView(own.buffer);
  for (let at = 0; at < own.length; ) {
    const readings = view.getUint32(at + 12, true);
    passes.push({
      account: view.getUint32(at, true),
      market: view.getUint32(at + 4, true),
      lost: view.getUint32(at + 8, true),
      mono: new Float64Array(own.buffer, at + PASS_HEAD_BYTES, readings),
    });
    at += passBytes(readings);
  }
  return passes;
}

const SPECIAL = "$number";
const MAP = "$map";

/** JSON that brings back what JSON loses: numbers that are not finite, minus zero, maps. */
export const packed = (value: unknown): string =>
  JSON.stringify(value, (_key, v: unknown) => {
    if (typeof v === "number" && (!Number.isFinite(v) || Object.is(v, -0)))
      return { [SPECIAL]: Object.is(v, -0) ? "-0" : String(v) };
    return v instanceof Map ? { [MAP]: [...v.entries()] } : v;
  }) ?? "null";

export const unpacked = (text: string): unknown =>
  JSON.parse(text, (_key, v: unknown) => {
    if (typeof v !== "object" || v === null) return v;
    if (SPECIAL in v) return Number(v[SPECIAL]);
    return MAP in v ? new Map(v[MAP] as [unknown, unknown][]) : v;
  });
