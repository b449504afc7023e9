/**
 * Agents (API wallets): keys that may trade for an account but not move its money out. One per process, never used again
 * after it was replaced. Source: reference §4.8, §5.5.
 */
import type { Timers } from "../../domain/index.js";
import { VenueError } from "./errors.js";
import type { ExchangeClient } from "./exchange.js";
import { user } from "./exchange-actions.js";
import type { InfoClient } from "./info.js";

export const AGENT_VALID_DAYS_MAX = 180;

/** The venue counts 1 to 16 characters; spaces would be confused with the validity that may follow. */
export const isAgentName = (name: string): boolean => /^[\x21-\x7e]{1,16}$/.test(name);

export interface AgentApproval {
  /** Signs with the account's own key. */
  readonly exchange: ExchangeClient;
  readonly info: InfoClient;
  readonly account: string;
  readonly agent: string;
  readonly name: string;
  /** Unix ms; the venue's default (about 90 days) without. */
  readonly validUntilMs?: number | undefined;
  /** An agent of the same name may be replaced: it can no longer trade then. */
  readonly isReplacing: boolean;
  readonly timers: Timers;
}

/** The request may have been carried out. */
const UNKNOWN: ReadonlySet<string> = new Set(["Timeout", "ConnectionLost", "BadResponse"]);

/** A registration takes a block or two. */
const VERIFY_TIMES = 20;
const VERIFY_EVERY_MS = 500;

/**
 * Approves an agent and asks the venue until it knows it.
 * @throws {VenueError} Refused when the key is itself an agent's, the account is unknown, the name is taken or the venue says
 *   no: the agent is not approved then. Timeout when the venue does not show it: it may be approved.
 */
export async function approveAgent(a: AgentApproval): Promise<void> {
  const role = await a.info.userRole(a.account);
  if (role.role === "agent") {
    const master = role.data?.user ?? "another account";
    throw new VenueError(
      "Refused",
      `${a.account} is an agent of ${master}: only the account's own key can approve an agent`,
    );
  }
  if (role.role === "missing") {
    throw new VenueError(
      "Refused",
      `account ${a.account} is not known to this network: check the key, or deposit first`,
    );
  }
  const old = (await a.info.extraAgents(a.account)).find(({ name }) => name === a.name);
  if (old !== undefined && !a.isReplacing) {
    throw new VenueError(
      "Refused",
      `agent ${a.name} exists (${old.address}): choose another name, or replace it with --force, which ends the old one`,
    );
  }
  const validity = a.validUntilMs === undefined ? "" : ` valid_until ${Math.floor(a.validUntilMs)}`;
  let doubt: VenueError | undefined;
  try {
    await a.exchange.userSigned(user.approveAgent(a.agent, a.name + validity));
  } catch (error) {
    if (!(error instanceof VenueError && UNKNOWN.has(error.code))) throw error;
    doubt = error;
  }
  for (let i = 0; i < VERIFY_TIMES; i++) {
    // A question that fails is asked again: what matters is already done.
    const seen = await a.info.userRole(a.agent).catch(() => undefined);
    if (seen?.role === "agent" && seen.data?.user === a.account) return;
    await new Promise<void>((resolve) => {
      a.timers.after(VERIFY_EVERY_MS, resolve);
    });
  }
  throw new VenueError(
    "Timeout",
    `the venue does not show agent ${a.agent} after ${(VERIFY_TIMES * VERIFY_EVERY_MS) / 1000} s: it may still be approved`,
    doubt === undefined ? {} : { cause: doubt },
  );
}
