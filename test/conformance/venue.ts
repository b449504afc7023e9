/** A simulator with a lively market, the SDK on it, and the words that the conformance tests share. */
import type { ISubscription } from "@nktkas/hyperliquid";
import { formatPrice } from "@nktkas/hyperliquid/utils";
import { Wallet } from "ethers";
import {
  BTC_LIKE,
  DEV_KEY,
  demoParams,
  type SimServer,
  SyntheticMarket,
  startSimServer,
} from "../../src/sim/index.js";
import { realClock, realTimers } from "../sim/real-time.js";
import { isKnownBeyondSdk } from "./known.js";
import { openSdk, type Sdk } from "./sdk.js";

export const wallet = new Wallet(DEV_KEY);
export const user = wallet.address as `0x${string}`;
/** The SDK takes a hex text that is a small number for an oid: its own random ones are large, as these are. */
export const cloid = (n: number): `0x${string}` => `0x${(0xabc00000 + n).toString(16).padEnd(32, "1")}`;

/** Two perps of the first dex, one of a HIP-3 dex, two spot pairs. */
const COINS = ["BTC", "ETH", "hyna:BTC", "PURR/USDC", "@107"];
const EVENT_TIMEOUT_MS = 5000;

export class Venue {
  private constructor(
    readonly server: SimServer,
    readonly sdk: Sdk,
    private readonly bid: number,
  ) {}

  static async open(): Promise<Venue> {
    const server = await startSimServer({
      port: 0,
      speed: 1,
      markets: COINS.map((coin, i) => new SyntheticMarket(demoParams(coin, BTC_LIKE)!, 5 + i)),
      clock: realClock,
      timers: realTimers,
      log: () => {},
    });
    const sdk = await openSdk(server.port, isKnownBeyondSdk);
    const book = await sdk.info.l2Book({ coin: "BTC" });
    return new Venue(server, sdk, Number(book!.levels[0][0]!.px));
  }

  async close(): Promise<void> {
    await this.sdk.close();
    await this.server.close();
  }

  /** A price of BTC so many percent from the market, on the SDK's grid. */
  px(percent: number): string {
    return formatPrice(this.bid * (1 + percent / 100), 5);
  }

  /** A BTC order: buys below the market and when immediate, sells above. */
  limit(percent: number, tif: "Gtc" | "Alo" | "Ioc" = "Gtc", s = "0.001", c?: `0x${string}`) {
    return {
      a: 0,
      b: percent < 0 || tif === "Ioc",
      p: this.px(percent),
      s,
      r: false,
      t: { limit: { tif } },
      ...(c === undefined ? {} : { c }),
    };
  }

  /** Subscribes, brings about the cause, waits for an event that fits, unsubscribes. */
  async event<T>(
    subscribe: (listener: (data: T) => void) => Promise<ISubscription>,
    fits: (data: T) => boolean = () => true,
    cause: () => Promise<unknown> = async () => {},
  ): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let subscription: ISubscription | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        timer = setTimeout(
          () => reject(this.sdk.broken[0] ?? new Error("no such event in time")),
          EVENT_TIMEOUT_MS,
        );
        subscribe((data) => {
          if (fits(data)) resolve(data);
        })
          .then((s) => {
            subscription = s;
            return cause();
          })
          .catch(reject);
      });
    } finally {
      clearTimeout(timer);
      await subscription?.unsubscribe();
    }
  }
}
