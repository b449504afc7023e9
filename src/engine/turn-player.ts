import { type Clock, settled, type Timers } from "../domain/index.js";
import type { KillSwitch } from "../execution/index.js";
import type { TripReason } from "../rings/index.js";
import { type Turn, TurnEntry, TurnKind, unpacked } from "../store/index.js";
import { VenueError, type VenueErrorCode } from "../venues/hyperliquid/errors.js";
import type { HttpAnswer, HttpPost } from "../venues/hyperliquid/http.js";
import type { OpenSocket, SocketHandlers } from "../venues/hyperliquid/private-stream.js";
import type { FailureRecord, TurnSeams } from "./turns.js";

/** Something sent, as the journal has it or as the replay made it. */
export interface Sent {
  readonly stream: string;
  readonly bytes: Uint8Array;
}

/** One turn of the journal with what came in and went out in it. */
export interface PlayedTurn {
  readonly turn: Turn;
  /** Of a SocketMessage. */
  readonly frame: Uint8Array | undefined;
  readonly sent: readonly Sent[];
}

/** What the player calls for the turns that are not its own. */
export interface PlayerHost {
  enter(entry: TurnEntry): void;
  /** A ladder to be put on the asset's board and acted upon. */
  ladder(asset: number, packed: Uint8Array): void;
  /** So many market records, as the frames tell them, to the exchange in this process. */
  market(count: number): void;
}

interface Reply<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

/**
 * The seams of a run whose world is a journal: clocks say what they said, timers fire, sockets speak and questions are answered
 * in the recorded order, each promise with the progress it had.
 *
 * A build that reads a clock more often than the recorded one is told the last reading again; what it then sends is compared all
 * the same. A timer, socket or request that the replayed build never made is counted in `strays`.
 *
 * Thread: any, cold.
 */
export class TurnPlayer implements TurnSeams {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Turns that found nobody to call. */
  strays = 0;
  /** What the replay has sent in the turn at hand. */
  sent: Sent[] = [];
  /** Time of the turn at hand, ns since engine start. */
  nowNs = 0;
  private turn: Turn | undefined;
  private monoAt = 0;
  private wallAt = 0;
  private writableAt = 0;
  private latchReadings = 0;
  private lastWallMs = 0;
  private wasWritable = true;
  private timerCount = 0;
  private readonly timerOf = new Map<number, { readonly fn: () => void; readonly isOnce: boolean }>();
  private readonly sockets: SocketHandlers[] = [];
  private requestCount = 0;
  private readonly requests = new Map<number, Reply<HttpAnswer>>();
  private questionCount = 0;
  private readonly questions = new Map<number, Reply<unknown>>();
  private readonly steps = new Map<TurnEntry, () => void>();

  constructor() {
    this.clock = { monoNs: () => this.readMono(), wallMs: () => this.readWall() };
    this.timers = {
      after: (_delayMs, fn) => this.addTimer(fn, true),
      every: (_periodMs, fn) => this.addTimer(fn, false),
    };
  }

  /** The readings of a turn are told from now on. */
  open(turn: Turn): void {
    this.turn = turn;
    this.monoAt = 0;
    this.wallAt = 0;
    this.writableAt = 0;
    this.latchReadings = 0;
    this.sent = [];
    const first = turn.mono[0];
    if (first !== undefined) this.nowNs = first;
  }

  /** Calls what the turn called. */
  call({ turn, frame }: PlayedTurn, host: PlayerHost): void {
    const { kind, id, payload } = turn;
    switch (kind) {
      case TurnKind.Enter:
        if (id !== TurnEntry.Made) this.enterNow(id as TurnEntry, host);
        return;
      case TurnKind.Timer: {
        const timer = this.timerOf.get(id);
        if (timer === undefined) this.strays++;
        else {
          if (timer.isOnce) this.timerOf.delete(id);
          timer.fn();
        }
        return;
      }
      case TurnKind.SocketOpen:
        this.socket(id)?.onOpen();
        return;
      case TurnKind.SocketMessage:
        this.socket(id)?.onMessage(Buffer.from(frame!));
        return;
      case TurnKind.SocketError:
        this.socket(id)?.onError(text(payload));
        return;
      case TurnKind.SocketClose:
        this.socket(id)?.onClose(numberOf(payload), text(payload.subarray(4)));
        return;
      case TurnKind.HttpAnswer:
        this.reply(this.requests, id)?.resolve({ status: numberOf(payload), bytes: payload.slice(4) });
        return;
      case TurnKind.HttpFailure:
        this.reply(this.requests, id)?.reject(errorOf(unpacked(text(payload)) as FailureRecord));
        return;
      case TurnKind.Ladder:
        host.ladder(id, payload);
        return;
      case TurnKind.Market:
        host.market(numberOf(payload));
        return;
      case TurnKind.Answer: {
        const answer = unpacked(text(payload)) as { value?: unknown; failure?: FailureRecord };
        const reply = this.reply(this.questions, id);
        if (answer.failure === undefined) reply?.resolve(answer.value);
        else reply?.reject(errorOf(answer.failure));
      }
    }
  }

  /** Lets every promise run to its end. */
  drain(): Promise<void> {
    return settled();
  }

  readonly post: HttpPost = () =>
    new Promise<HttpAnswer>((resolve, reject) => {
      this.requests.set(this.requestCount++, { resolve, reject });
    });

  readonly openSocket: OpenSocket = (_url, handlers) => {
    this.sockets.push(handlers);
    const isWritable = (): boolean => {
      const said = this.turn?.writable[this.writableAt++];
      if (said !== undefined) this.wasWritable = said === 1;
      return this.wasWritable;
    };
    return {
      get isWritable() {
        return isWritable();
      },
      send: () => {},
      close: () => {},
      cut: () => {},
    };
  };

  killSwitch(latch: KillSwitch): KillSwitch {
    return {
      isTripped: () => {
        this.latchReadings++;
        const { turn } = this;
        if (turn !== undefined && turn.latchAt === this.latchReadings)
          latch.trip(turn.latchReason as TripReason);
        return latch.isTripped();
      },
      trip: (reason) => latch.trip(reason),
      reason: () => latch.reason(),
    };
  }

  ladder(_asset: number, _u8: Uint8Array, _offset: number, act: () => void): void {
    act();
  }

  market(take: () => number): number {
    return take();
  }

  outbound(stream: "private" | "http" | "public", bytes: Uint8Array): void {
    this.sent.push({ stream, bytes: Uint8Array.from(bytes) });
  }

  /** Waits for the turn of this name. */
  enter<T>(entry: TurnEntry, step: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.steps.set(entry, () => {
        step().then(resolve, reject);
      });
    });
  }

  ask<T>(_question: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.questions.set(this.questionCount++, { resolve: resolve as (value: unknown) => void, reject });
    });
  }

  private enterNow(entry: TurnEntry, host: PlayerHost): void {
    host.enter(entry);
    const step = this.steps.get(entry);
    if (step === undefined) this.strays++;
    else step();
  }

  private addTimer(fn: () => void, isOnce: boolean): () => void {
    const id = this.timerCount++;
    this.timerOf.set(id, { fn, isOnce });
    return () => {
      this.timerOf.delete(id);
    };
  }

  private socket(id: number): SocketHandlers | undefined {
    const socket = this.sockets[id];
    if (socket === undefined) this.strays++;
    return socket;
  }

  private reply<T>(of: Map<number, Reply<T>>, id: number): Reply<T> | undefined {
    const reply = of.get(id);
    of.delete(id);
    if (reply === undefined) this.strays++;
    return reply;
  }

  private readMono(): number {
    const said = this.turn?.mono[this.monoAt++];
    if (said !== undefined) this.nowNs = said;
    return this.nowNs;
  }

  private readWall(): number {
    const said = this.turn?.wall[this.wallAt++];
    if (said !== undefined) this.lastWallMs = said;
    return this.lastWallMs;
  }
}

const numberOf = (payload: Uint8Array): number =>
  new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);

function errorOf(f: FailureRecord): Error {
  if (f.code === undefined) return new Error(f.message);
  return new VenueError(f.code as VenueErrorCode, f.message, { retryable: f.retryable === true });
}
