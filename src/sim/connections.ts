/**
 * The WebSocket connections of the simulated exchange: who is there, who listens to what, and every frame that goes out.
 *
 * Markets wait for a client that reads slowly, but only so long: one that hangs is cut off.
 */
import type { WebSocket } from "uWebSockets.js";
import type { Clock } from "../domain/index.js";
import type { FaultCarrier, Wire } from "./fault-carrier.js";
import { type Subscription, Topics } from "./subscriptions.js";

export interface Connection {
  readonly ip: string;
  readonly wire: Wire;
  ws: WebSocket<Connection> | undefined;
  readonly subscriptions: Map<string, Subscription>;
  lastSentNs: number;
  /** Since when more than it should is buffered; undefined while all is well. */
  congestedSinceNs: number | undefined;
}

/** What a server counts; one object, shared by its parts. */
export class Counts {
  frames = 0;
  bytes = 0;
  actions = 0;
  rejected = 0;
  malformed = 0;
  internal = 0;
  slow = 0;
}

/** A socket with more than this is congested: "max" waits. */
const CONGESTED_BYTES = 256 * 1024;

/** Thread: main. */
export class Connections {
  private readonly open = new Set<Connection>();
  readonly topics = new Topics<Connection>();
  private created = 0;

  constructor(
    private readonly clock: Clock,
    private readonly counts: Counts,
    private readonly carrier: FaultCarrier,
  ) {}

  /** For limits per minute. */
  nowMs(): number {
    return this.clock.monoNs() / 1e6;
  }

  get size(): number {
    return this.open.size;
  }

  create(ip: string): Connection {
    return {
      ip,
      wire: this.carrier.wire(++this.created),
      ws: undefined,
      subscriptions: new Map(),
      lastSentNs: this.clock.monoNs(),
      congestedSinceNs: undefined,
    };
  }

  add(connection: Connection, ws: WebSocket<Connection>): void {
    connection.ws = ws;
    this.open.add(connection);
  }

  remove(connection: Connection): void {
    connection.ws = undefined;
    connection.wire.outbound.clear();
    this.open.delete(connection);
  }

  send(c: Connection, frame: string): void {
    if (c.ws === undefined) return;
    this.carrier.push(
      c.wire,
      frame,
      (text) => this.transmit(c, text),
      () => this.cut(c),
    );
  }

  /** Ends a connection without a word, as a broken line does. */
  cut(c: Connection): void {
    c.ws?.close();
  }

  private transmit(c: Connection, frame: string): void {
    if (c.ws === undefined) return;
    this.counts.frames++;
    this.counts.bytes += frame.length;
    c.lastSentNs = this.clock.monoNs();
    if (c.ws.send(frame) !== 2) return;
    // Dropped for backpressure: a gap that the protocol cannot tell. The native side closes the connection.
    this.counts.slow++;
    c.ws?.close();
  }

  /** Sends one frame to the listeners of every topic of a group. */
  publish(group: string, frame: string): void {
    for (const topic of this.topics.inGroup(group)) for (const c of topic.listeners) this.send(c, frame);
  }

  /** The venue closes a connection to which it has sent nothing for so long. */
  closeIdle(idleMs: number): void {
    const oldestNs = this.clock.monoNs() - idleMs * 1e6;
    for (const c of [...this.open]) if (c.lastSentNs < oldestNs) c.ws?.end(1000, "Inactive");
  }

  isCongested(): boolean {
    let isAny = false;
    for (const c of this.open) {
      if (c.ws === undefined || c.ws.getBufferedAmount() <= CONGESTED_BYTES) {
        c.congestedSinceNs = undefined;
        continue;
      }
      isAny = true;
      c.congestedSinceNs ??= this.clock.monoNs();
    }
    return isAny;
  }

  cutOffStuck(stuckMs: number): void {
    const limitNs = this.clock.monoNs() - stuckMs * 1e6;
    this.isCongested();
    for (const c of [...this.open]) {
      if (c.congestedSinceNs === undefined || c.congestedSinceNs > limitNs) continue;
      this.counts.slow++;
      c.ws?.close();
    }
  }

  /** Ends every connection without a word. @returns how many there were. */
  cutAll(): number {
    const all = [...this.open];
    for (const c of all) this.cut(c);
    return all.length;
  }

  closeAll(): void {
    for (const c of [...this.open]) c.ws?.end(1001, "Server closed");
  }
}
