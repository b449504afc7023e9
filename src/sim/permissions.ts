/**
 * Who may act for an account, and what it has allowed: API wallets (agents), builder fees, and a few settings that the
 * simulator keeps but does not act on.
 *
 * Source: reference/hyperliquid-api.md 4.8, 4.9, 5.5. UNVERIFIED there and chosen here: the default validity of an agent
 * (90 days), and the texts for a bad name and for a validity beyond 180 days.
 */
import type { Account } from "./account.js";

const DAY_MS = 86_400_000;
const DEFAULT_VALIDITY_MS = 90 * DAY_MS;
const VALIDITY_MS_MAX = 180 * DAY_MS;
const NAME_CHARS_MAX = 16;
const NAMED_AGENTS = 3;
const NAMED_AGENTS_PER_SUB_ACCOUNT = 2;
export const ZERO_ADDRESS = `0x${"0".repeat(40)}`;

export interface Agent {
  readonly address: string;
  readonly account: Account;
  /** Empty: the one unnamed agent. */
  readonly name: string;
  /** Wall-clock ms; Infinity for agents of the configuration. */
  readonly validUntilMs: number;
}

/** Thread: any (single owner). */
export class Agents {
  private readonly byAddress = new Map<string, Agent>();
  /** Called with the address of every agent that is gone: its nonces may be forgotten. */
  onRemoved: (address: string) => void = () => {};

  /** Registers without rules: an agent that the configuration names. */
  add(address: string, account: Account): void {
    this.byAddress.set(address, { address, account, name: "", validUntilMs: Number.POSITIVE_INFINITY });
  }

  /** The agent of this address, whether still valid or not. */
  get(address: string): Agent | undefined {
    return this.byAddress.get(address);
  }

  of(account: Account): Agent[] {
    return [...this.byAddress.values()].filter((agent) => agent.account === account);
  }

  /**
   * Carries out `approveAgent`. The name may end in ` valid_until <ms>`; the zero address takes the name's agent away.
   * @param isAccount whether an address has an account of its own: such a one can't be an agent.
   * @returns the venue's error text, or undefined.
   */
  approve(
    account: Account,
    address: string,
    nameText: string,
    wallMs: number,
    subAccountCount: number,
    isAccount: (address: string) => boolean,
  ): string | undefined {
    const match = /^(.*?)(?: ?valid_until (\d{1,15}))?$/s.exec(nameText)!;
    const name = match[1]!;
    const validUntilMs = match[2] === undefined ? wallMs + DEFAULT_VALIDITY_MS : Number(match[2]);
    if (name.length > NAME_CHARS_MAX) return `Agent name must be at most ${NAME_CHARS_MAX} characters.`;
    const mine = this.of(account);
    const old = mine.find((agent) => agent.name === name);
    if (address === ZERO_ADDRESS) {
      if (old !== undefined) this.remove(old);
      return undefined;
    }
    if (validUntilMs <= wallMs) return "Agent valid_until already expired.";
    if (validUntilMs > wallMs + VALIDITY_MS_MAX) return "Agent valid_until is too far in the future.";
    if (this.byAddress.has(address) || isAccount(address)) return "Extra agent already used.";
    const limit = NAMED_AGENTS + NAMED_AGENTS_PER_SUB_ACCOUNT * subAccountCount;
    const named = mine.filter((agent) => agent.name !== "" && agent.validUntilMs > wallMs);
    if (name !== "" && old === undefined && named.length >= limit) {
      return `Too many extra agents for cumulative volume traded. Current limit is ${limit}`;
    }
    if (old !== undefined) this.remove(old);
    this.byAddress.set(address, { address, account, name, validUntilMs });
    return undefined;
  }

  private remove(agent: Agent): void {
    this.byAddress.delete(agent.address);
    this.onRemoved(agent.address);
  }
}

export type Abstraction = "default" | "disabled" | "unifiedAccount" | "portfolioMargin" | "dexAbstraction";

/** What an account has set that nothing here depends on. */
export class Settings {
  abstraction: Abstraction = "default";
  referrerCode: string | undefined;
  ownReferralCode: string | undefined;
  displayName: string | undefined;
  optsOutOfSpotDusting = false;
  usesBigBlocks = false;
  /** Largest fee a builder may charge, tenths of a basis point. */
  readonly builderFees = new Map<string, number>();
}

export class SettingsBook {
  private readonly byAccount = new Map<Account, Settings>();

  of(account: Account): Settings {
    let settings = this.byAccount.get(account);
    if (settings === undefined) {
      settings = new Settings();
      this.byAccount.set(account, settings);
    }
    return settings;
  }
}

/** `"0.001%"` in tenths of a basis point: 0.001 % is 0.1 bp, so 1. @returns undefined when it is no such rate. */
export function builderRate(text: string): number | undefined {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent === undefined) return undefined;
  const tenthsOfBp = Math.round(Number(percent) * 1000);
  return Math.abs(tenthsOfBp - Number(percent) * 1000) < 1e-6 ? tenthsOfBp : undefined;
}
