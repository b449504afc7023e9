import { LAYOUT_HASH } from "../abi/layout.js";
import { Rng } from "../domain/index.js";
import type { SimulatorMessage } from "../engine/simulator.js";
import {
  BTC_LIKE,
  DEMO_COINS,
  DEV_ADDRESS,
  demoParams,
  Faults,
  IP_WEIGHT_PER_MINUTE,
  type LatencyModel,
  NO_LATENCY,
  type SimMarket,
  type SimOptions,
  type SimServer,
  SyntheticMarket,
  type SyntheticParams,
  startSimServer,
  TapeMarket,
  VENUE_LATENCY,
  VENUE_SOCKET_LIMITS,
} from "../sim/index.js";
import { openTape } from "../store/tape/index.js";
import { startClock, systemTimers } from "../threads/system-clock.js";
import { DEV_PRIVATE_KEY } from "../venues/hyperliquid/keys.js";
import { L1Signer } from "../venues/hyperliquid/sign.js";
import { faultRules, type LatencyFlag, type SimulatorFlags } from "./simulator-options.js";

/** Options of the `sim` command. */
export interface SimFlags extends SimulatorFlags {
  port: number;
  host: string;
  seed?: number;
  speed: number | "max";
  tape?: string;
  asset?: string;
  fund: Record<string, number>;
  bookMs: number;
  maker: number;
  taker: number;
  embedded?: boolean;
}

/**
 * The calibrated market with more large orders that sweep far and revert, so that a maker several bps from the touch is filled within
 * seconds and not within minutes: what one comes to see. Profits in it say nothing about a real market.
 */
const LIVELY: SyntheticParams = { ...BTC_LIKE, sweepsPerMin: 40, sweepBps: 6, sweepImpact: 0.1 };

/** What runs when no coin is named; the others of the demo universe cost as much processor time each. */
const DEFAULT_COINS: readonly string[] = ["BTC", "ETH", "SOL"];

const FUNDING_USD = 100_000;
/** A simulator whose maker died stays this long for its restart, then ends by itself. */
const ORPHAN_LIFE_MS = 60_000;

/** Serves until a signal or the parent's word. @throws what keeps it from starting, told to the parent too. */
export async function serveSimulator(flags: SimFlags): Promise<void> {
  const isEmbedded = flags.embedded === true && process.send !== undefined;
  const tell = (message: SimulatorMessage): void => {
    if (isEmbedded && process.connected) process.send!(message);
  };
  const say = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  try {
    const { clock } = startClock();
    const seed = flags.seed ?? Math.floor(clock.wallMs()) % 2 ** 31;
    const rules = faultRules(flags);
    const markets = await openMarkets(flags, seed, say);
    const devKey = new L1Signer(Uint8Array.from(DEV_PRIVATE_KEY), "b");
    const server = await startSimServer({
      port: flags.port,
      host: flags.host,
      speed: flags.speed,
      markets,
      funding: { [DEV_ADDRESS]: FUNDING_USD, [devKey.address]: FUNDING_USD, ...flags.fund },
      feeRates: { makerPpm: Math.round(flags.maker * 100), takerPpm: Math.round(flags.taker * 100) },
      ...behaviour(flags, seed),
      faults: new Faults(rules, new Rng(seed).fork("faults")),
      clock,
      timers: systemTimers,
      log: say,
    });
    const coins = markets.map((m) => m.coin);
    say(
      `simulated exchange on http://${flags.host}:${server.port}, ${coins.join(", ")}, seed ${seed}, speed ${flags.speed}, layout 0x${LAYOUT_HASH.toString(16)}`,
    );
    for (const rule of rules) say(`fault: ${JSON.stringify(rule)}`);
    tell({ type: "listening", port: server.port, seed, coins });
    await untilStopped(server, isEmbedded);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    tell({ type: "failed", code: (error as { code?: string }).code ?? "failed", message });
    throw error;
  }
}

/** Blocks, delays, funding and limits as asked for. */
function behaviour(flags: SimFlags, seed: number): Partial<SimOptions> {
  const { blockMs, latencyMs, fundingInterval, addressLimit, switchVolume, ipLimits } = flags;
  return {
    latencySeed: seed,
    ...(blockMs === undefined ? {} : { blockMs }),
    ...(latencyMs === undefined ? {} : { latency: latencyModel(latencyMs.range) }),
    exchange: {
      ...(fundingInterval === undefined ? {} : { fundingIntervalMs: fundingInterval * 1000 }),
      ...(switchVolume === undefined ? {} : { scheduleCancelMinVolumeUsd: switchVolume }),
    },
    executor: { seed, ...(addressLimit === undefined ? {} : { addressLimit }) },
    ...(ipLimits === true
      ? { ipWeightPerMinute: IP_WEIGHT_PER_MINUTE, socketLimits: VENUE_SOCKET_LIMITS }
      : {}),
  };
}

function latencyModel(range: LatencyFlag["range"]): LatencyModel {
  if (range === "venue") return VENUE_LATENCY;
  return { ...NO_LATENCY, netOut: { minMs: range[0], maxMs: range[1] } };
}

/** The coins of `--dexs`: of HIP-3 dexs by name, "spot", or everything. */
function coinsOfDexs(names: string | undefined): string[] {
  const wanted = (names ?? "").split(",").map((n) => n.trim());
  const known = new Set(DEMO_COINS.map(dexOf));
  for (const name of wanted) {
    if (name === "" || name === "all" || known.has(name)) continue;
    const among = [...known].filter((n) => n !== "").join(", ");
    throw new Error(`--dexs ${names}: no dex "${name}"; choose among ${among}, all`);
  }
  return DEMO_COINS.filter((c) => dexOf(c) !== "" && (wanted.includes("all") || wanted.includes(dexOf(c))));
}

/** "" for the first dex. */
function dexOf(coin: string): string {
  if (coin.includes("/") || coin.startsWith("@")) return "spot";
  return coin.includes(":") ? coin.slice(0, coin.indexOf(":")) : "";
}

async function openMarkets(flags: SimFlags, seed: number, say: (line: string) => void): Promise<SimMarket[]> {
  if (flags.tape !== undefined) {
    const source = await openTape(flags.tape, flags.asset === undefined ? {} : { coin: flags.asset });
    say(`tape: ${source.description}`);
    for (const note of source.notes) say(`tape: ${note}`);
    return [
      new TapeMarket({
        source,
        maxLeverage: demoParams(source.coin, LIVELY)?.maxLeverage ?? 10,
        contextMs: 1000,
      }),
    ];
  }
  const named = flags.asset === undefined ? DEFAULT_COINS : flags.asset.split(",").map((c) => c.trim());
  const coins = [...new Set([...named, ...coinsOfDexs(flags.dexs)])];
  return coins.map((coin) => {
    const params = demoParams(coin, LIVELY);
    if (params === undefined) {
      throw new Error(`no synthetic market for "${coin}": choose among ${DEMO_COINS.join(", ")}`);
    }
    return new SyntheticMarket({ ...params, l2BookMs: flags.bookMs }, seed);
  });
}

/** Resolves after a signal, the parent's word, or a minute without parent and client. */
function untilStopped(server: SimServer, isEmbedded: boolean): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = (): void => {
      if (isStopping) return;
      isStopping = true;
      void server.close().then(() => {
        resolve();
        process.exit(0);
      });
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    if (!isEmbedded) return;
    process.on("message", (message: { type: string }) => {
      if (message.type === "stop") stop();
    });
    process.on("disconnect", () => {
      let idleSinceMs = performance.now();
      systemTimers.every(1000, () => {
        if (server.stats().connections > 0) idleSinceMs = performance.now();
        if (performance.now() - idleSinceMs > ORPHAN_LIFE_MS) stop();
      });
    });
  });
}
