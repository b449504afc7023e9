import { Counter, Gauge, type Registry } from "prom-client";

/** What the feed and its process tell, whoever listens to them. */
export interface FeedSources {
  /** Monotonic counts of the feed thread by name, e.g. frames, malformed. */
  readonly feed: () => Iterable<readonly [name: string, value: number]>;
  readonly feedClockOffsetMs: () => number;
  /** Seconds since each stream last spoke; the account's has no asset. Infinity before its first word. */
  readonly streamAges: () => Iterable<readonly [coin: string, stream: string, ageS: number]>;
  /** 1 while a public connection is open. */
  readonly feedGauges: () => Iterable<readonly [connection: string, isOpen: number]>;
  readonly ringDrops: () => number;
  readonly threads: () => Iterable<readonly [name: string, heartbeatAgeS: number]>;
  readonly rssBytes: () => number;
}

/** A number that is absent while it is NaN. */
export function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      const value = read();
      if (Number.isNaN(value)) this.remove();
      else this.set(value);
    },
  });
}

/** A total that somebody else counts. */
export function counter(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(Math.max(0, read()));
    },
  });
}

export function registerFeed(registry: Registry, sources: FeedSources): void {
  gauge(
    registry,
    "mm_feed_clock_offset_ms",
    "Least receive minus exchange time seen",
    sources.feedClockOffsetMs,
  );
  gauge(registry, "mm_rss_bytes", "Resident memory of the process", sources.rssBytes);
  counter(registry, "mm_ring_drops_total", "Records refused by a full ring", sources.ringDrops);
  new Counter({
    name: "mm_feed_events_total",
    help: "What the feed thread counted, by kind",
    labelNames: ["kind"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [kind, value] of sources.feed()) this.inc({ kind }, Math.max(0, value));
    },
  });
  new Gauge({
    name: "mm_stream_age_seconds",
    help: "Time since each stream last spoke; a quiet market sends neither trades nor changes",
    labelNames: ["asset", "stream"],
    registers: [registry],
    collect() {
      for (const [asset, stream, age] of sources.streamAges()) {
        if (Number.isFinite(age)) this.set({ asset, stream }, age);
      }
    },
  });
  new Gauge({
    name: "mm_feed_connected",
    help: "1 while a public connection is open",
    labelNames: ["connection"],
    registers: [registry],
    collect() {
      for (const [connection, value] of sources.feedGauges()) this.set({ connection }, value);
    },
  });
  new Gauge({
    name: "mm_thread_heartbeat_age_secs",
    help: "Age of each thread's last heartbeat",
    labelNames: ["thread"],
    registers: [registry],
    collect() {
      for (const [thread, age] of sources.threads()) this.set({ thread }, age);
    },
  });
}
