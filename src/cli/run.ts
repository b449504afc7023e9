import { Command, Option } from "commander";
import { LOG_FORMATS, LOG_LEVELS, NETWORKS, WAIT_MODES } from "../config/names.js";
import type { PaperPlan } from "../engine/paper.js";
import type { RunHost, RunOptions } from "../engine/run.js";
import { integer, number, speed } from "./arguments.js";
import { terminalSecret } from "./secret-input.js";
import { type SimulatorFlags, simulatorArguments, simulatorOptions } from "./simulator-options.js";

interface RunFlags extends SimulatorFlags {
  config?: string;
  asset?: string;
  targetLiquidity?: number;
  riskAversion?: number;
  maxBpsDiff?: number;
  maxPosition?: number;
  leverage?: number;
  decimals?: number;
  network?: string;
  privateKey?: string;
  keystore?: string;
  passwordFile?: string;
  logLevel?: string;
  logFormat?: string;
  logFile?: string;
  metricsPort?: number;
  dryRun?: boolean;
  tape?: string;
  speed?: number | "max";
  seed?: number;
  duration?: number;
  threads?: number;
  wait?: string;
  port?: number;
  dataDir?: string;
  summary?: string;
  relayPort?: number;
  dex?: string;
  listDexs?: boolean;
  initialIsolatedMargin?: number;
  forceIsolated?: boolean;
  multiStreamLogs?: boolean;
  logDir?: string;
  standby?: boolean;
  record?: string | true;
  paper?: boolean;
  paperEquity: number;
  queueModel: string;
  orderLatency: string;
  ackLatency: string;
  feedLatency: string;
  makerBps: number;
  takerBps: number;
}

/** `market-maker run`: quotes a market until stopped (SOP §4.3, §5.1, §5.2). */
export function runCommand(): Command {
  const command = new Command("run")
    .description("quote a market until stopped (the default command)")
    .option("-c, --config <path>", "configuration file (default: market_maker.toml if it exists)")
    .option("--asset <coin>", "coin to trade, or several separated by commas")
    .option("--target-liquidity <size>", "size per side in asset units", number(1e-9, 1e12))
    .option("--risk-aversion <gamma>", "gamma per bps: 0.1 aggressive to 1.0 conservative", number(0.01, 10))
    .option("--max-bps-diff <bps>", "requote threshold", number(0, 10_000))
    .option("--max-position <size>", "position limit in asset units", number(1e-9, 1e12))
    .option("--leverage <n>", "leverage setting (default: the asset's maximum)", integer(1, 100))
    .option("--decimals <n>", "finest price decimals (default: from the venue)", integer(0, 8))
    .addOption(new Option("--network <name>", "where to trade").choices(NETWORKS))
    .option("--private-key <hex>", "signing key (prefer HYPERLIQUID_PRIVATE_KEY)")
    .option("--keystore <path>", "encrypted key file (made by: market-maker key import)")
    .option("--password-file <path>", "file with the keystore's password (default: asked at the terminal)")
    .addOption(new Option("--log-level <level>", "verbosity").choices(LOG_LEVELS))
    .addOption(new Option("--log-format <format>", "terminal log form").choices(LOG_FORMATS))
    .option("--log-file <path>", "also log JSON lines to this file")
    .option("--multi-stream-logs", "log to a folder: everything, and one file a stream")
    .option("--log-dir <dir>", "that folder (default: logs)")
    .option("--metrics-port <port>", "Prometheus port, 0: off", integer(0, 65535))
    .option("--dry-run", "validate everything and show the first ladder, without placing an order")
    .option("--tape <path>", "recorded market for the simulator: a file, folder or prefix (localhost)")
    .option("--speed <n|max>", "pace of the simulated market (localhost)", speed)
    .option("--seed <n>", "seed of the simulated market and of back-off jitter", integer(0, 2 ** 31 - 1))
    .option("--duration <seconds>", "stop gracefully after this long", number(0.1, 1e9))
    .option("--threads <n>", "kernel workers", integer(1, 64))
    .addOption(new Option("--wait <mode>", "how threads wait for work").choices(WAIT_MODES))
    .option("--port <port>", "the simulator's port (localhost)", integer(1, 65535))
    .option("--data-dir <dir>", "journal, checkpoints and locks")
    .option("--relay-port <port>", "republish the feed and accept pushed frames, 0: off", integer(0, 65535))
    .option("--dex <name>", "builder-deployed DEX (HIP-3) of the assets")
    .option("--list-dexs", "list the builder-deployed DEXs and exit")
    .option(
      "--initial-isolated-margin <usd>",
      "margin of each isolated market (default: 1000)",
      number(1, 1e12),
    )
    .option("--force-isolated", "isolated margin also where cross is allowed")
    .option("--standby", "a second market-data connection: the first frame wins, no gap when one dies")
    .option("--summary <file>", "write a JSON summary of the run")
    .option("--record [dir]", "write a tape of the market and of our own orders (default: tapes)")
    .option("--paper", "play money: the network's real market, orders matched in this process; no key")
    .option("--paper-equity <usd>", "account value of a paper run", number(1, 1e12), 100_000)
    .option("--queue-model <model>", "queues on paper: risk-averse, log, power:N", "risk-averse")
    .option(
      "--feed-latency <dist>",
      "on paper: tape:FLOOR_MS (as measured beyond its fastest), or 0",
      "tape:5",
    )
    .option("--order-latency <dist>", "on paper: ms, lognormal:MEDIAN:SIGMA", "lognormal:40:0.4")
    .option("--ack-latency <dist>", "on paper: answers and fills to us", "lognormal:20:0.4")
    .option("--maker-bps <bps>", "maker fee on paper; negative: a rebate", number(-10, 100), 1.5)
    .option("--taker-bps <bps>", "taker fee on paper", number(-10, 100), 4.5)
    .action(async (flags: RunFlags) => {
      const options = await toOptions(flags);
      if (flags.listDexs === true) {
        const { printDexes } = await import("./dexs.js");
        await printDexes(options.config.network.base_url, flags.port);
        return;
      }
      const { runEngine } = await import("../engine/run.js");
      process.exit(await runEngine(options, host()));
    });
  for (const option of simulatorOptions()) command.addOption(option);
  return command;
}

/** What a run that failed inside has left to take its orders off the book. */
const CRASH_DEADLINE_MS = 30_000;
/** A second Ctrl+C within this is the same key press, forwarded once more by npm. */
const SAME_SIGNAL_MS = 500;

/** The process's terminal and signals: the first SIGINT or SIGTERM asks for a graceful stop, a later one forces the end. */
function host(): RunHost {
  return {
    terminal: process.stdout,
    env: process.env,
    askSecret: terminalSecret(),
    memory: () => {
      const m = process.memoryUsage();
      return { rssMiB: m.rss / 2 ** 20, heapMiB: m.heapUsed / 2 ** 20 };
    },
    onCrash(report) {
      let isReported = false;
      const onError = (error: unknown): void => {
        if (isReported) return;
        isReported = true;
        const isTrading = report(error instanceof Error ? error : new Error(String(error)));
        if (!isTrading) process.exit(1);
        // Cancelling goes on; should the bug keep it from ending, the process ends all the same.
        setTimeout(() => process.exit(1), CRASH_DEADLINE_MS).unref();
      };
      process.on("uncaughtException", onError);
      process.on("unhandledRejection", onError);
    },
    onStopRequest(stop) {
      let firstMs: number | undefined;
      const onSignal = (signal: string): void => {
        const now = performance.now();
        if (firstMs === undefined) {
          firstMs = now;
          stop(signal);
        } else if (now - firstMs > SAME_SIGNAL_MS) {
          process.stderr.write("forced: orders may still rest, check with the venue\n");
          process.exit(130);
        }
      };
      // SIGHUP: the terminal was closed.
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, onSignal);
      // Nobody reads the terminal any more (a closed pipe, a lost session): that is no reason to stop quoting, nor to fail.
      for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
    },
  };
}

/** @throws {RangeError} A latency or queue model that is none. */
async function paperPlan(flags: RunFlags): Promise<PaperPlan | undefined> {
  if (flags.paper !== true) return undefined;
  const { parseDist, parseFeed, parseQueue } = await import("../sim/index.js");
  const feed = parseFeed(flags.feedLatency);
  const queue = parseQueue(flags.queueModel);
  if (queue.kind === "l3") {
    throw new RangeError(
      "--queue-model l3: this venue does not tell single orders: want risk-averse, log or power:N",
    );
  }
  if (feed.kind !== "tape" && !(feed.kind === "constant" && feed.ms === 0)) {
    throw new RangeError(
      `--feed-latency ${flags.feedLatency}: on paper the feed is real: want tape:FLOOR_MS (what it takes at its fastest), or 0`,
    );
  }
  return {
    equityUsd: flags.paperEquity,
    queue,
    latency: {
      feed,
      order: parseDist(flags.orderLatency),
      ack: parseDist(flags.ackLatency),
    },
    fees: { makerBps: flags.makerBps, takerBps: flags.takerBps },
  };
}

async function toOptions(flags: RunFlags): Promise<RunOptions> {
  const { loadConfig } = await import("../config/index.js");
  const { config, origins, path } = loadConfig(flags.config, {
    "network.base_url": flags.network,
    "network.password_file": flags.passwordFile,
    "trading.asset": flags.asset,
    "trading.target_liquidity": flags.targetLiquidity,
    "trading.risk_aversion": flags.riskAversion,
    "trading.max_bps_diff": flags.maxBpsDiff,
    "trading.max_absolute_position_size": flags.maxPosition,
    "trading.leverage": flags.leverage,
    "trading.decimals": flags.decimals,
    "logging.level": flags.logLevel,
    "logging.format": flags.logFormat,
    "logging.file": flags.logFile,
    "monitoring.metrics_port": flags.metricsPort,
    "engine.threads": flags.threads,
    "engine.wait": flags.wait,
    "engine.data_dir": flags.dataDir,
    "engine.relay_port": flags.relayPort,
    "engine.standby": flags.standby,
    "trading.dex": flags.dex,
    "trading.initial_isolated_margin": flags.initialIsolatedMargin,
    "trading.force_isolated": flags.forceIsolated,
    "logging.multi_stream": flags.multiStreamLogs,
    "logging.dir": flags.logDir,
  });
  return {
    config,
    origins,
    configPath: path,
    privateKeyOption: flags.privateKey,
    keystoreOption: flags.keystore,
    isDryRun: flags.dryRun ?? false,
    tape: flags.tape,
    speed: flags.speed,
    seed: flags.seed,
    durationS: flags.duration,
    simPort: flags.port,
    simulatorArguments: simulatorArguments(flags),
    summaryPath: flags.summary,
    recordDir: flags.record === true ? "tapes" : flags.record,
    paper: await paperPlan(flags),
  };
}
