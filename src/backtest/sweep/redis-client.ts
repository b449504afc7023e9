import type { Redis } from "ioredis";
import { redisHost, SweepQueueError } from "./redis-names.js";

const CONNECT_MS = 5_000;

/**
 * A connected client that keeps trying once it has been connected. Loads the libraries: only for sweeps over Redis.
 * @throws {SweepQueueError} `bad_url`, `no_redis`.
 */
export async function connectRedis(url: string): Promise<Redis> {
  const host = redisHost(url);
  const { Redis: Client } = await import("ioredis");
  let said = "";
  const client = new Client(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    // BullMQ asks for it: a command waits for the connection instead of failing.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(1_000, 50 * times),
  });
  // Without a listener an error would be printed; the connection is made again.
  client.on("error", (error: Error) => {
    said = error.message;
  });
  try {
    const ended = new Promise<never>((_, reject) =>
      client.once("close", () => reject(new Error(said || "the connection was closed"))),
    );
    ended.catch(() => {});
    await Promise.race([client.connect().then(() => client.ping()), ended]);
  } catch (cause) {
    client.disconnect();
    throw new SweepQueueError(
      "no_redis",
      `${host}: no Redis answers there (${said || (cause as Error).message})`,
      {
        cause,
      },
    );
  }
  return client;
}

/** The clock that all machines share, ms since the epoch. */
export async function redisNowMs(client: Redis): Promise<number> {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}
