/**
 * Everything that reaches the engine's main thread from outside, as seams that can be recorded and played again.
 */
import * as abi from "../abi/layout.js";
import type { Clock, Timers } from "../domain/index.js";
import type { KillSwitch } from "../execution/index.js";
import type { KillReason, TripReason } from "../rings/index.js";
import { type JournalWriter, packed, type TurnEntry, TurnKind, TurnWriter } from "../store/index.js";
import { VenueError } from "../venues/hyperliquid/errors.js";
import { type HttpAnswer, type HttpPost, overNetwork } from "../venues/hyperliquid/http.js";
import {
  type OpenSocket,
  openSocket,
  type SocketHandlers,
  type VenueSocket,
} from "../venues/hyperliquid/private-stream.js";

/** What an engine's main thread is handed instead of clock, timers, network and shared memory. Thread: main. */
export interface TurnSeams {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly post: HttpPost;
  readonly openSocket: OpenSocket;
  killSwitch(latch: KillSwitch): KillSwitch;
  /** Calls `act` for a ladder that was read from its board, at `offset` of `u8`. */
  ladder(asset: number, u8: Uint8Array, offset: number, act: () => void): void;
  /** Market records are handed to an exchange in this process. @returns how many `take` says it took. */
  market(take: () => number): number;
  /** Bytes left the process. */
  outbound(stream: "private" | "http" | "public", bytes: Uint8Array): void;
  /** A step of the life cycle. */
  enter<T>(entry: TurnEntry, step: () => Promise<T>): Promise<T>;
  /** A question to something that is not the venue; its answer must survive `packed`. */
  ask<T>(question: () => Promise<T>): Promise<T>;
}

export interface TurnRecorderOptions {
  readonly journal: JournalWriter;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Runs a function as an event of its own: `setImmediate`. */
  readonly defer: (fn: () => void) => unknown;
}

/** A failure of a question as the journal keeps it. */
export interface FailureRecord {
  readonly code?: string;
  readonly retryable?: boolean;
  readonly message: string;
}

const EMPTY_LADDER = abi.LADDER_BIDS;

/** Bytes of a ladder without its empty levels. */
export const packedLadderBytes = (u8: Uint8Array, offset: number): number =>
  EMPTY_LADDER + (u8[offset + abi.LADDER_BID_COUNT]! + u8[offset + abi.LADDER_ASK_COUNT]!) * abi.QUOTE_SIZE;

/** Copies a ladder without its empty levels. @returns the bytes written. Allocates: nothing. */
export function packLadder(u8: Uint8Array, offset: number, into: Uint8Array): number {
  const bids = u8[offset + abi.LADDER_BID_COUNT]! * abi.QUOTE_SIZE;
  const asks = u8[offset + abi.LADDER_ASK_COUNT]! * abi.QUOTE_SIZE;
  let to = 0;
  for (let at = offset, end = offset + EMPTY_LADDER + bids; at < end; ) into[to++] = u8[at++]!;
  for (let at = offset + abi.LADDER_ASKS, end = at + asks; at < end; ) into[to++] = u8[at++]!;
  return to;
}

/** The record of which `packLadder` made `from`. */
export function unpackLadder(from: Uint8Array, u8: Uint8Array, offset: number): void {
  u8.fill(0, offset, offset + abi.LADDER_SIZE);
  u8.set(from.subarray(0, EMPTY_LADDER), offset);
  const bids = from[abi.LADDER_BID_COUNT]! * abi.QUOTE_SIZE;
  u8.set(from.subarray(EMPTY_LADDER, EMPTY_LADDER + bids), offset + abi.LADDER_BIDS);
  u8.set(from.subarray(EMPTY_LADDER + bids), offset + abi.LADDER_ASKS);
}

/**
 * The seams of a live run, each telling the journal what it let in. What happens outside of a turn (status line, metrics) must
 * use the clock and the timers behind, not these.
 *
 * Thread: main. Allocates: one microtask per turn.
 */
export class TurnRecorder implements TurnSeams {
  readonly clock: Clock;
  readonly timers: Timers;
  private readonly turns: TurnWriter;
  private timerCount = 0;
  private socketCount = 0;
  private requestCount = 0;
  private questionCount = 0;
  private isDrained = true;
  private latchReadings = 0;
  private isLatchSeen = false;

  constructor(private readonly o: TurnRecorderOptions) {
    const turns = new TurnWriter(o.journal);
    this.turns = turns;
    this.clock = {
      monoNs: () => {
        const ns = o.clock.monoNs();
        turns.tookMono(ns);
        return ns;
      },
      wallMs: () => {
        const ms = o.clock.wallMs();
        turns.tookWall(ms);
        return ms;
      },
    };
    this.timers = {
      after: (delayMs, fn) => {
        const id = this.timerCount++;
        return o.timers.after(delayMs, () => this.turn(TurnKind.Timer, id, fn));
      },
      every: (periodMs, fn) => {
        const id = this.timerCount++;
        return o.timers.every(periodMs, () => this.turn(TurnKind.Timer, id, fn));
      },
    };
  }

  /** Turns that have ended, to the journal: from a timer tick. */
  handOn(): void {
    this.turns.handOn();
  }

  /** Before the journal is closed. */
  finish(): void {
    this.turns.finish();
  }

  readonly post: HttpPost = (url, body, timeoutMs) => {
    const id = this.requestCount++;
    return new Promise<HttpAnswer>((resolve, reject) => {
      overNetwork(url, body, timeoutMs, { timers: this.o.timers }).then(
        (answer) =>
          this.later(TurnKind.HttpAnswer, id, answerBytes(answer), () => {
            resolve(answer);
          }),
        (error: unknown) =>
          this.later(TurnKind.HttpFailure, id, textBytes(packed(failureOf(error))), () => {
            reject(error instanceof Error ? error : new Error(String(error)));
          }),
      );
    });
  };

  readonly openSocket: OpenSocket = (url, handlers) => {
    const id = this.socketCount++;
    const socket = openSocket(url, this.told(id, handlers));
    const { turns } = this;
    const recorded: VenueSocket = {
      get isWritable() {
        const { isWritable } = socket;
        turns.tookWritable(isWritable);
        return isWritable;
      },
      send: (frame) => socket.send(frame),
      close: () => socket.close(),
      cut: () => socket.cut(),
    };
    return recorded;
  };

  private told(id: number, handlers: SocketHandlers): SocketHandlers {
    return {
      onOpen: () => this.turn(TurnKind.SocketOpen, id, () => handlers.onOpen()),
      onMessage: (data) => this.turn(TurnKind.SocketMessage, id, () => handlers.onMessage(data)),
      onError: (text) => this.turn(TurnKind.SocketError, id, () => handlers.onError(text), textBytes(text)),
      onClose: (code, reason) =>
        this.turn(
          TurnKind.SocketClose,
          id,
          () => handlers.onClose(code, reason),
          numbered(code, textBytes(reason)),
        ),
    };
  }

  killSwitch(latch: KillSwitch): KillSwitch {
    return {
      isTripped: () => {
        this.latchReadings++;
        const isTripped = latch.isTripped();
        if (isTripped && !this.isLatchSeen) {
          this.isLatchSeen = true;
          this.turns.sawLatch(this.latchReadings, latch.reason());
        }
        return isTripped;
      },
      trip: (reason: TripReason) => latch.trip(reason),
      reason: () => latch.reason() as KillReason,
    };
  }

  ladder(asset: number, u8: Uint8Array, offset: number, act: () => void): void {
    this.open(TurnKind.Ladder, asset);
    this.run(act);
    // The board keeps the record until the next reading: the copy need not stand between a price and its orders.
    packLadder(u8, offset, this.turns.room(packedLadderBytes(u8, offset)));
  }

  market(take: () => number): number {
    this.open(TurnKind.Market, 0);
    let count = 0;
    this.run(() => {
      count = take();
    });
    new DataView(this.turns.room(4).buffer).setUint32(0, count, true);
    return count;
  }

  outbound(): void {
    this.turns.tookOutbound();
  }

  async enter<T>(entry: TurnEntry, step: () => Promise<T>): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      this.o.defer(() => {
        this.turn(TurnKind.Enter, entry, () => {
          step().then(resolve, reject);
        });
      });
    });
  }

  ask<T>(question: () => Promise<T>): Promise<T> {
    const id = this.questionCount++;
    return new Promise<T>((resolve, reject) => {
      question().then(
        (value) =>
          this.later(TurnKind.Answer, id, textBytes(packed({ value })), () => {
            resolve(value);
          }),
        (error: unknown) =>
          this.later(TurnKind.Answer, id, textBytes(packed({ failure: failureOf(error) })), () => {
            reject(error instanceof Error ? error : new Error(String(error)));
          }),
      );
    });
  }

  /** An event of its own: nothing else's promises run between it and what it causes. */
  private later(kind: TurnKind, id: number, payload: Uint8Array, act: () => void): void {
    this.o.defer(() => this.turn(kind, id, act, payload));
  }

  private turn(kind: TurnKind, id: number, act: () => void, payload?: Uint8Array): void {
    this.open(kind, id);
    if (payload !== undefined) this.turns.lend(payload);
    this.run(act);
  }

  private open(kind: TurnKind, id: number): void {
    this.turns.begin(kind, id, this.isDrained);
    this.latchReadings = 0;
  }

  private run(act: () => void): void {
    this.isDrained = false;
    try {
      act();
    } finally {
      queueMicrotask(this.onDrained);
    }
  }

  private readonly onDrained = (): void => {
    this.isDrained = true;
  };
}

const encoder = new TextEncoder();
const textBytes = (text: string): Uint8Array => encoder.encode(text);

function numbered(n: number, rest: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + rest.length);
  new DataView(bytes.buffer).setUint32(0, n, true);
  bytes.set(rest, 4);
  return bytes;
}

const answerBytes = (answer: HttpAnswer): Uint8Array => numbered(answer.status, answer.bytes);

export function failureOf(error: unknown): FailureRecord {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof VenueError)) return { message };
  return { code: error.code, retryable: error.retryable, message };
}
