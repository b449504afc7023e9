import { userInfo } from "node:os";
import { Command, Option } from "commander";
import { NETWORKS } from "../config/index.js";
import { defaultDataDir } from "../engine/data-dir.js";
import { clearKill } from "../engine/kill-record.js";
import { openDataDir } from "../store/index.js";

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
    .action((o: { network: string; account: string; why: string; who: string; dataDir?: string }) => {
      const dir = openDataDir(o.dataDir ?? defaultDataDir(process.env));
      const record = clearKill(dir, o.network, o.account, {
        who: o.who,
        why: o.why,
        atIso: new Date().toISOString(),
      });
      process.stdout.write(`cleared: ${record.reason} at ${record.atIso}, by ${o.who}\n`);
    });
}
