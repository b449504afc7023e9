/** A simulator with a perp of the first dex, one of a HIP-3 dex and a spot pair, and two clients: for tests of its surface. */
import { Wallet } from "ethers";
import { OpenMarket, type SimOptions, type SimServer, startSimServer } from "../../src/sim/index.js";
import { order, SimClient } from "./client.js";
import { realClock, realTimers } from "./real-time.js";

export const alice = new Wallet(`0x${"11".repeat(32)}`);
export const bob = new Wallet(`0x${"22".repeat(32)}`);
export const ALICE = alice.address.toLowerCase();
export const BOB = bob.address.toLowerCase();
export const SPOT = "PURR/USDC";
export const HIP3 = "hyna:BTC";

const market = (coin: string, szDecimals: number, maxLeverage: number): OpenMarket =>
  new OpenMarket({ coin, szDecimals, maxLeverage, blockMs: 20, l2BookMs: 40 });

export interface Rig {
  readonly server: SimServer;
  readonly a: SimClient;
  readonly b: SimClient;
  close(): Promise<void>;
}

export async function openRig(options: Partial<SimOptions> = {}): Promise<Rig> {
  const server = await startSimServer({
    port: 0,
    speed: 1,
    markets: [market("BTC", 5, 40), market(HIP3, 5, 40), market(SPOT, 0, 1)],
    funding: { [ALICE]: 100_000, [BOB]: 50_000 },
    clock: realClock,
    timers: realTimers,
    log: () => {},
    ...options,
  });
  const { exchange } = server;
  exchange.deposit(ALICE, 1000e6, 1);
  exchange.deposit(BOB, 1000e6, 1);
  exchange.depositSpot(ALICE, exchange.token("USDC")!, 1000e8);
  exchange.depositSpot(BOB, exchange.token("PURR")!, 5000e5);
  const a = await new SimClient(server.port, alice).connect();
  const b = await new SimClient(server.port, bob).connect();
  const close = async (): Promise<void> => {
    a.close();
    b.close();
    await server.close();
  };
  return { server, a, b, close };
}

/** Both sides of a quote from Alice, and a taker's trade of Bob in the middle of it. */
export async function tradeOnce({ a, b }: Rig, asset = 0, px = 100_000): Promise<void> {
  const sz = asset >= 10_000 && asset < 100_000 ? "200" : "0.01";
  await a.act(order({ asset, isBuy: true, px: String(px), sz, tif: "Alo" }));
  await b.act(order({ asset, isBuy: false, px: String(px), sz, tif: "Ioc" }));
  if (asset >= 10_000 && asset < 100_000) return;
  await a.act(order({ asset, isBuy: true, px: String(px - 10), sz, tif: "Alo" }));
  await a.act(order({ asset, isBuy: false, px: String(px + 10), sz, tif: "Alo" }));
}
