import { homedir } from "node:os";
import { join } from "node:path";

/** The user's state directory, where journal, checkpoints and locks live unless `--data-dir` says otherwise. */
export function defaultDataDir(env: Readonly<Record<string, string | undefined>>): string {
  return join(env["XDG_STATE_HOME"] || join(homedir(), ".local", "state"), "market-maker");
}
