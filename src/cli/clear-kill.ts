import { userInfo } from "node:os";
import { Command, Option } from "commander";
import { NETWORKS } from "../config/names.js";

/** `market-maker clear-kill`: the only way back after the kill switch, with a name and a reason. */
export function clearKillCommand(): Command {
  return new Command("clear-kill")
    .description("clear a tripped kill switch, recording who did it and why")
    .addOption(
      new Option("--network <name>", "network of the account").choices(NETWORKS).makeOptionMandatory(),
    )
    .requiredOption("--account <address>", "account whose kill is cleared")
    .requiredOption("--why <text>", "what was found and what was changed")
    .option("--who <name>", "who clears it", userInfo().username)
    .option("--data-dir <dir>", "data folder of the run that was killed")
    .action(async (o: { network: string; account: string; why: string; who: string; dataDir?: string }) => {
      const { defaultDataDir } = await import("../engine/data-dir.js");
      const { clearKill } = await import("../engine/kill-record.js");
      const { openDataDir } = await import("../store/index.js");
      const dir = openDataDir(o.dataDir ?? defaultDataDir(process.env));
      const record = clearKill(dir, o.network, o.account, {
        who: o.who,
        why: o.why,
        atIso: new Date().toISOString(),
      });
      process.stdout.write(`cleared: ${record.reason} at ${record.atIso}, by ${o.who}\n`);
    });
}
