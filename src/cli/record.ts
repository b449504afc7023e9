import { Command, Option } from "commander";
import { LOG_FORMATS, LOG_LEVELS, NETWORKS } from "../config/names.js";
import type { LogFormat, LogLevel } from "../telemetry/log.js";
import { integer, number } from "./arguments.js";

interface RecordFlags {
  network: string;
  asset: string;
  dex?: string;
  port: number;
  out: string;
  prefix?: string;
  rotateMib: number;
  rotateMinutes: number;
  duration?: number;
  standby?: boolean;
  deepBook?: boolean;
  metricsPort: number;
  metricsHost: string;
  logLevel: LogLevel;
  logFormat: LogFormat;
}

/** A second Ctrl+C within this is the same key press, forwarded once more by npm. */
const SAME_SIGNAL_MS = 500;

/** `market-maker record`: markets into tape files, without a key. */
export function recordCommand(): Command {
  return new Command("record")
    .description("record markets into tape files (.mmt)")
    .addOption(new Option("--network <name>", "what to record").choices(NETWORKS).default("mainnet"))
    .option(
      "--asset <coins>",
      "coins, separated by commas; hyna:BTC for one of a builder-deployed DEX",
      "BTC",
    )
    .option("--dex <name>", "builder-deployed DEX (HIP-3) of the assets")
    .option("--port <port>", "the simulator's port (localhost)", integer(1, 65535), 3001)
    .option("--out <dir>", "folder of the tapes", "tapes")
    .option("--prefix <name>", "first part of the file names (default: network and coins)")
    .option("--rotate-mib <n>", "next file at this size, 0: never", number(0, 1e6), 256)
    .option("--rotate-minutes <n>", "next file after this long, 0: never", number(0, 1e6), 60)
    .option("--duration <seconds>", "stop after this long", number(0.1, 1e9))
    .option("--standby", "a second connection: the first frame wins, no gap when one dies")
    .option("--deep-book", "20 levels every few seconds instead of 5 levels twice a second")
    .option("--metrics-port <port>", "Prometheus port, 0: off", integer(0, 65535), 9090)
    .option("--metrics-host <address>", "where Prometheus may ask", "127.0.0.1")
    .addOption(new Option("--log-level <level>", "verbosity").choices(LOG_LEVELS).default("info"))
    .addOption(
      new Option("--log-format <format>", "terminal log form").choices(LOG_FORMATS).default("pretty"),
    )
    .addHelpText(
      "after",
      "\nExit codes: 0 recorded whole; 1 it could not start, or the feed died; 2 recorded, but records were lost (a full disk).",
    )
    .action(async (flags: RecordFlags) => {
      const { recordMarkets } = await import("../engine/record.js");
      const { asset, out, duration, standby, deepBook, metricsPort, metricsHost, ...same } = flags;
      const options = {
        ...same,
        dex: flags.dex,
        prefix: flags.prefix,
        assets: asset,
        dir: out,
        durationS: duration,
        hasStandby: standby ?? false,
        isDeepBook: deepBook ?? false,
        metrics: { host: metricsHost, port: metricsPort },
      };
      const rssBytes = (): number => process.memoryUsage.rss();
      process.exit(await recordMarkets(options, { terminal: process.stdout, rssBytes, onStopRequest }));
    });
}

/** The first signal ends the recording in order, a later one at once: the tape then ends at its last whole block. */
function onStopRequest(stop: (reason: string) => void): void {
  let firstMs: number | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      const now = performance.now();
      if (firstMs === undefined) {
        firstMs = now;
        stop(signal);
      } else if (now - firstMs > SAME_SIGNAL_MS) process.exit(130);
    });
  }
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}
