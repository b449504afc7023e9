import type { Clock, Rng, Timers } from "../domain/index.js";
import type { LogFn } from "../telemetry/log.js";
import type { InfoClient } from "../venues/hyperliquid/info.js";
import type { IpBudget } from "../venues/hyperliquid/limits.js";
import { NonceSequence } from "../venues/hyperliquid/nonce.js";
import { type GatewayCounters, HyperliquidGateway } from "../venues/hyperliquid/orders.js";
import type { AccountEvent } from "../venues/hyperliquid/user-events.js";
import type { OrderGateway, WireTap } from "../venues/port.js";
import type { TurnSeams } from "./turns.js";
import type { VenueFacts } from "./venue.js";

/** The port, and what an engine needs of a venue besides. */
export interface AccountGateway extends OrderGateway {
  /** Read requests: public ones, and those of this account. */
  readonly info: InfoClient;
  /** Lower-case address whose orders and fills these are. */
  readonly user: string;
  readonly limits: IpBudget;
  readonly nonces: { readonly last: number };
  readonly counters: Pick<
    GatewayCounters,
    "heldByLimits" | "ipWeightLastMinute" | "messagesLastMinute" | "httpRefusals"
  >;
  scheduleCancel(atMs: number | undefined): Promise<void>;
  updateLeverage(asset: number, isCross: boolean, leverage: number): Promise<void>;
  addIsolatedMargin(asset: number, usd: number): Promise<void>;
  buyRequests(requests: number): Promise<void>;
}

/** Where orders go and money is: the venue's account, or a paper one in this process. */
export interface VenueAccount {
  readonly gateway: AccountGateway;
  /** The feed thread copies every market record here; undefined: nobody wants them. */
  readonly marketRing: SharedArrayBuffer | undefined;
  /** Takes what that ring holds. @returns true when there was something. Thread: main. */
  drain(): boolean;
  close(): Promise<void>;
}

export interface AccountParts {
  readonly facts: VenueFacts;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly rng: Rng;
  readonly log: LogFn;
  readonly tap: WireTap;
  /** The world through a recorder or a player; undefined: as it is. */
  readonly turns: TurnSeams | undefined;
  readonly limits: IpBudget;
  readonly lastNonce: number;
  readonly nonceLane: number | undefined;
  /** 0: orders do not expire on their way. */
  readonly orderExpiryMs: number;
  readonly onAccountEvent: (event: AccountEvent) => void;
}

export type OpenAccount = (parts: AccountParts) => VenueAccount;

/** The account at the venue itself. */
export const liveAccount: OpenAccount = (p) => {
  const { facts, clock, timers, log } = p;
  const { signer } = facts;
  if (signer === undefined) throw new Error("a live account needs a signer");
  const gateway = new HyperliquidGateway({
    endpoints: facts.endpoints,
    signer,
    instruments: facts.instruments,
    clock,
    timers,
    rng: p.rng.fork("gateway"),
    log: {
      debug: (fields, text) => log("debug", text, fields as Readonly<Record<string, unknown>>),
      info: (fields, text) => log("info", text, fields as Readonly<Record<string, unknown>>),
      warn: (fields, text) => log("warn", text, fields as Readonly<Record<string, unknown>>),
      error: (fields, text) => log("error", text, fields as Readonly<Record<string, unknown>>),
    },
    accountAddress: facts.account,
    ...(facts.vaultAddress === undefined ? {} : { vaultAddress: facts.vaultAddress }),
    ...(p.orderExpiryMs === 0 ? {} : { expiresAfterMs: p.orderExpiryMs }),
    limits: p.limits,
    nonces: new NonceSequence(clock, { last: p.lastNonce, lane: p.nonceLane }),
    tap: p.tap,
    post: p.turns?.post,
    openSocket: p.turns?.openSocket,
    onAccountEvent: p.onAccountEvent,
  });
  return {
    gateway,
    marketRing: undefined,
    drain: () => false,
    close: () => gateway.close(),
  };
};
