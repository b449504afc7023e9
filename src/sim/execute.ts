/**
 * From a verified envelope to the venue's answer: signer, expiry, nonce, weight, then the action itself.
 *
 * Texts are those of reference/hyperliquid-api.md 4.11; batches run strictly in array order.
 */
import type { Account } from "./account.js";
import { AccountActions } from "./account-actions.js";
import { USER_SIGNED } from "./action-fields.js";
import { type Action, actionLength, type Envelope, isUserSigned } from "./actions.js";
import { type ExchangeResponse, err, ok, okWith } from "./answers.js";
import type { Exchange } from "./exchange.js";
import { budgetKind, EXPIRED_ACTION_WEIGHT, INITIAL_BUFFER, RESERVED_REQUEST_MICRO_USD } from "./limits.js";
import { freeMargin } from "./margin.js";
import { NonceSet } from "./nonces.js";
import { OrderActions } from "./order-actions.js";
import { Triggers } from "./triggers.js";
import { Twaps } from "./twap.js";

const WEIGHT_MAX = 200;
const DAY_MS = 86_400_000;
const SCHEDULED_CANCELS_A_DAY = 10;

export interface ExecutorOptions {
  /** "off" counts requests without ever refusing one. */
  readonly addressLimit: "venue" | "off";
  /** Actions an address may send before it has traded. */
  readonly initialRequests: number;
  /** Seed of what TWAPs randomize. */
  readonly seed: number;
}

export const DEFAULT_EXECUTOR_OPTIONS: ExecutorOptions = {
  addressLimit: "off",
  initialRequests: INITIAL_BUFFER,
  seed: 1,
};

export class ActionExecutor {
  private readonly nonces = new Map<string, NonceSet>();
  readonly triggers: Triggers;
  readonly twaps: Twaps;
  readonly orders: OrderActions;
  private readonly accountActions: AccountActions;
  private readonly options: ExecutorOptions;

  constructor(
    private readonly exchange: Exchange,
    options: Partial<ExecutorOptions> = {},
  ) {
    this.options = { ...DEFAULT_EXECUTOR_OPTIONS, ...options };
    this.triggers = new Triggers(exchange);
    this.twaps = new Twaps(exchange, this.options.seed);
    this.orders = new OrderActions(exchange, this.triggers);
    this.accountActions = new AccountActions(exchange);
    // A deregistered agent's nonces are pruned; its key must not be used again (reference 5.5).
    exchange.agents.onRemoved = (address) => this.nonces.delete(address);
  }

  /**
   * Carries out a verified action.
   * @param signer lower-case address recovered from the signature.
   */
  execute(signer: string, envelope: Envelope, exchMs: number, wallMs: number): ExchangeResponse {
    const signing = this.signingAccount(signer, envelope.action, wallMs);
    if (typeof signing === "string") return err(signing);
    const mismatch = nonceMismatch(envelope);
    if (mismatch !== undefined) return err(mismatch);
    // Of user-signed actions neither is signed, so neither counts.
    const isL1 = !isUserSigned(envelope.action);
    const vaultAddress = isL1 ? envelope.vaultAddress : undefined;
    const account = this.exchange.accountFor(signing, vaultAddress);
    if (account === undefined) return err(`Vault not registered: ${vaultAddress}`);
    if (isL1 && envelope.expiresAfter !== undefined && envelope.expiresAfter < wallMs) {
      account.requests.charge(EXPIRED_ACTION_WEIGHT);
      return err("Action already expired");
    }
    const badNonce = this.noncesOf(signer).take(envelope.nonce, wallMs);
    if (badNonce !== undefined) return err(badNonce);
    const { requests } = account;
    const length = actionLength(envelope.action);
    if (length > WEIGHT_MAX) return err(`Signed action over weight limit of ${WEIGHT_MAX}.`);
    if (this.options.addressLimit === "venue") {
      const kind = budgetKind(envelope.action.type);
      const spent = requests.refusal(kind, account.cumVolumeUsd, wallMs, this.options.initialRequests);
      if (spent !== undefined) return err(spent);
    }
    requests.charge(Math.max(1, length));
    return this.exchange.inTransaction(() =>
      this.carryOut(account, envelope.action, Math.floor(exchMs), wallMs),
    );
  }

  /** Exchange time at which `advance` has something to do by itself; Infinity when nothing. */
  get nextDueMs(): number {
    return this.twaps.nextDueMs;
  }

  /**
   * Does what time and marks have brought about: TWAP slices, triggers, dead man's switches. To be called after every step
   * of a market and after every block.
   * @returns true when it did anything to an order.
   */
  advance(exchMs: number, wallMs: number): boolean {
    const slices = this.twaps.run(exchMs);
    const fired = this.triggers.run(Math.floor(exchMs));
    const canceled = this.runScheduledCancels(exchMs, wallMs);
    return slices + fired + canceled > 0;
  }

  /**
   * The account whose key or valid agent signed, or the venue's error text. Only its own key signs user-signed actions: an
   * agent's address is to them just an address without money.
   */
  private signingAccount(signer: string, action: Action, wallMs: number): Account | string {
    const own = this.exchange.account(signer);
    if (own !== undefined) return own;
    if (isUserSigned(action)) return `Must deposit before performing actions. User: ${signer}`;
    const agent = this.exchange.agents.get(signer);
    if (agent !== undefined && agent.validUntilMs > wallMs) return agent.account;
    return `User or API Wallet ${signer} does not exist.`;
  }

  /** Kept per signing key: an agent's nonces are its own, whatever account it acts for. */
  private noncesOf(signer: string): NonceSet {
    let nonces = this.nonces.get(signer);
    if (nonces === undefined) {
      nonces = new NonceSet();
      this.nonces.set(signer, nonces);
    }
    return nonces;
  }

  private carryOut(account: Account, action: Action, exchMs: number, wallMs: number): ExchangeResponse {
    switch (action.type) {
      case "order":
      case "cancel":
      case "cancelByCloid":
      case "modify":
      case "batchModify":
        return this.orders.carryOut(account, action, exchMs);
      case "twapOrder": {
        if (action.details !== undefined && (action.details.t !== null || action.details.s !== null))
          return err("This exchange does not simulate TWAPs with a trigger or a stop price.");
        const status = this.twaps.place(account, action.twap, exchMs);
        return okWith("twapOrder", { status });
      }
      case "twapCancel":
        return okWith("twapCancel", { status: this.twaps.cancel(account, action.a, action.t, exchMs) });
      case "reserveRequestWeight":
        return this.reserveRequestWeight(account, action.weight, action.destination);
      case "updateLeverage":
        return this.updateLeverage(account, action.asset, action.isCross, action.leverage);
      case "scheduleCancel":
        return this.scheduleCancel(account, action.time, wallMs);
      case "noop":
        return ok("default");
      default:
        return this.accountActions.carryOut(account, action, exchMs, wallMs);
    }
  }

  /** Bought from the perp balance; the weight goes to `destination` when one is named. */
  private reserveRequestWeight(account: Account, weight: number, destination?: string): ExchangeResponse {
    const receiver = destination === undefined ? account : this.exchange.account(destination);
    if (receiver === undefined) return err(`User does not exist: ${destination}`);
    const priceMicroUsd = weight * RESERVED_REQUEST_MICRO_USD;
    const cash = account.clearinghouse(0);
    if (freeMargin(cash) < priceMicroUsd) return err("Insufficient balance to reserve request weight.");
    cash.balanceMicroUsd -= priceMicroUsd;
    this.exchange.dexPot(0).fees += priceMicroUsd;
    receiver.requests.reserved += weight;
    return ok("default");
  }

  private updateLeverage(
    account: Account,
    asset: number,
    isCross: boolean,
    leverage: number,
  ): ExchangeResponse {
    const market = this.exchange.marketOfAsset(asset);
    if (market === undefined) return err(`Asset ${asset} does not exist.`);
    const refusal = this.exchange.transfers.updateLeverage(account, market, isCross, leverage);
    return refusal === undefined ? ok("default") : err(refusal);
  }

  /** The dead man's switch runs on the client's clock, not on accelerated exchange time. */
  private scheduleCancel(account: Account, time: number | undefined, wallMs: number): ExchangeResponse {
    const required = this.exchange.options.scheduleCancelMinVolumeUsd;
    if (account.cumVolumeUsd < required) {
      const traded = Math.floor(account.cumVolumeUsd * 100) / 100;
      return err(
        `Cannot set scheduled cancel time until enough volume traded. Required: $${required}. Traded: $${traded}.`,
      );
    }
    if (time !== undefined && time < wallMs + 5000) {
      return err("Scheduled cancel time too early, must be at least 5 seconds from now.");
    }
    const day = Math.floor(wallMs / DAY_MS);
    if (account.scheduledCancelDay !== day) {
      account.scheduledCancelDay = day;
      account.scheduledCancelsToday = 0;
    }
    if (time !== undefined && account.scheduledCancelsToday >= SCHEDULED_CANCELS_A_DAY)
      return err("Scheduled cancel limit reached for today.");
    account.scheduledCancelMs = time;
    return ok("default");
  }

  /** Fires every dead man's switch that is due. @returns how many. */
  runScheduledCancels(exchMs: number, wallMs: number): number {
    let count = 0;
    for (const account of this.exchange.allAccounts()) {
      if (account.scheduledCancelMs === undefined || account.scheduledCancelMs > wallMs) continue;
      account.scheduledCancelMs = undefined;
      const day = Math.floor(wallMs / DAY_MS);
      if (account.scheduledCancelDay !== day) account.scheduledCancelsToday = 0;
      account.scheduledCancelDay = day;
      account.scheduledCancelsToday++;
      count++;
      for (const order of [...account.openOrders.values()])
        this.exchange.cancel(order, Math.floor(exchMs), "scheduledCancel");
    }
    return count;
  }
}

/** A user-signed action repeats the request's nonce inside what is signed. The venue's text for a difference is not known. */
function nonceMismatch({ action, nonce }: Envelope): string | undefined {
  if (!isUserSigned(action)) return undefined;
  const field = USER_SIGNED[action.type].nonceField;
  const signed = (action as unknown as Readonly<Record<string, number>>)[field];
  return signed === nonce
    ? undefined
    : `Invalid nonce: signed ${field} ${signed} is not the request's ${nonce}`;
}
