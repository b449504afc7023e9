import type { DataDir } from "../store/index.js";

/** A tripped kill switch outlives its run: this is what the next one finds. */
export interface KillRecord {
  readonly network: string;
  readonly account: string;
  readonly reason: string;
  readonly atIso: string;
  readonly runId: string;
  /** Set by the explicit command that clears it. */
  readonly cleared?: { readonly who: string; readonly why: string; readonly atIso: string };
}

/** The kill switch of an earlier run has not been cleared: one line that says why, and how. */
export class KilledError extends Error {
  override readonly name = "KilledError";
  readonly code = "Killed";
}

const nameOf = (network: string, account: string): string => `kill.${network}.${account.toLowerCase()}`;

export function writeKill(dir: DataDir, record: KillRecord): void {
  dir.writeCheckpoint(nameOf(record.network, record.account), `${JSON.stringify(record)}\n`);
}

/** The latest record of an account, cleared or not; a damaged one counts as not cleared. */
export function readKill(dir: DataDir, network: string, account: string): KillRecord | undefined {
  const text = dir.readCheckpoint(nameOf(network, account));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as KillRecord;
  } catch {
    return { network, account, reason: "unreadable record", atIso: "unknown", runId: "unknown" };
  }
}

/**
 * Lets a start pass only when the last kill has been cleared. On the simulated exchange, where an account lives as long as the
 * simulator, and on paper it only warns.
 * @throws {KilledError} naming the command that clears it.
 */
export function checkKill(
  dir: DataDir,
  network: string,
  account: string,
  warn: (text: string, fields: Readonly<Record<string, unknown>>) => void,
): void {
  const record = readKill(dir, network, account);
  if (record === undefined || record.cleared !== undefined) return;
  // A paper run's account is new each time, and nobody's money.
  if (network === "localhost" || network.startsWith("paper-")) {
    warn("The last run was ended by the kill switch", { reason: record.reason, at: record.atIso });
    return;
  }
  throw new KilledError(
    `the kill switch of ${account} on ${network} was tripped at ${record.atIso} (${record.reason}): find out why, then clear it with: market-maker clear-kill --network ${network} --account ${account} --why "…"`,
  );
}

/**
 * Clears a kill and keeps the record of who did it and why.
 * @throws {KilledError} When there is nothing to clear.
 */
export function clearKill(
  dir: DataDir,
  network: string,
  account: string,
  by: NonNullable<KillRecord["cleared"]>,
): KillRecord {
  const record = readKill(dir, network, account);
  if (record === undefined || record.cleared !== undefined) {
    throw new KilledError(`nothing to clear: no kill of ${account} on ${network} stands in ${dir.path}`);
  }
  const cleared = { ...record, cleared: by };
  writeKill(dir, cleared);
  return cleared;
}
