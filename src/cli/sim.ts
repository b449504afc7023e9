import { Command, InvalidArgumentError, Option } from "commander";
import { integer, number, speed } from "./arguments.js";
import type { SimFlags } from "./serve-sim.js";
import { simulatorOptions } from "./simulator-options.js";

/** `market-maker sim`: the simulated exchange as a server of its own. */
export function simCommand(): Command {
  const command = new Command("sim")
    .description("simulated Hyperliquid exchange: /info, /exchange and /ws on one port")
    .option("--port <port>", "port, 0: any free one", integer(0, 65535), 3001)
    .option("--host <host>", "address to listen on", "127.0.0.1")
    .option(
      "--seed <n>",
      "seed of the synthetic markets (default: from the clock, printed)",
      integer(0, 2 ** 31 - 1),
    )
    .option("--speed <n|max>", "exchange time per wall time", speed, 1)
    .option("--tape <path>", "recorded market: a file, folder or prefix of files that belong together")
    .option(
      "--asset <coins>",
      "coins, separated by commas (synthetic: BTC, ETH, SOL; also XRP, HYPE, DOGE, ARB, spot PURR/USDC and @107, hyna:BTC, hyna:ETH, flx:BTC, flx:ETH)",
    )
    .option("--fund <address=usd>", "fund an account (repeatable)", fundOption, {})
    .option("--book-ms <ms>", "period of order book pushes of synthetic markets", number(10, 60_000), 500)
    .option("--maker <bps>", "maker fee", number(-10, 100), 1.5)
    .option("--taker <bps>", "taker fee", number(-10, 100), 4.5)
    .addOption(new Option("--embedded").hideHelp())
    .action(async (flags: SimFlags) => {
      // Loaded on demand: the market maker itself runs without the simulator's libraries.
      const { serveSimulator } = await import("./serve-sim.js");
      await serveSimulator(flags);
    });
  for (const option of simulatorOptions()) command.addOption(option);
  return command;
}

function fundOption(text: string, into: Record<string, number>): Record<string, number> {
  const m = /^(0x[0-9a-fA-F]{40})=(\d+(?:\.\d+)?)$/.exec(text);
  if (!m) throw new InvalidArgumentError("want 0x<40 hex digits>=<usd>.");
  return { ...into, [m[1]!.toLowerCase()]: Number(m[2]) };
}
