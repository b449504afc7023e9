/**
 * From a verified envelope to the venue's answer: signer, expiry, nonce, weight, then the action itself.
 *
 * Texts are those of reference/hyperliquid-api.md 4.11; batches run strictly in array order.
 */
import type { Account, SimOrder } from "./account.js";
import { AccountActions } from "./account-actions.js";
import { USER_SIGNED } from "./action-fields.js";
import { type Action, actionLength, type Envelope, isUserSigned, type OrderWire } from "./actions.js";
import { type ExchangeResponse, err, ok } from "./answers.js";
import type { Exchange, OrderSpec, OrderStatusWire } from "./exchange.js";
import { NonceSet } from "./nonces.js";

const WEIGHT_MAX = 200;
const MISSING_ORDER = "Order was never placed, already canceled, or filled.";
const DAY_MS = 86_400_000;
const SCHEDULED_CANCELS_A_DAY = 10;

export class ActionExecutor {
  private readonly nonces = new Map<string, NonceSet>();

  private readonly accountActions: AccountActions;

  constructor(private readonly exchange: Exchange) {
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
    const isL1 = !isUserSigned(envelope.action);
    if (isL1 && envelope.vaultAddress !== undefined)
      return err(`Vault not registered: ${envelope.vaultAddress}`);
    if (isL1 && envelope.expiresAfter !== undefined && envelope.expiresAfter < wallMs) {
      signing.requestsUsed += 5;
      return err("Action already expired");
    }
    const refusal = this.noncesOf(signer).take(envelope.nonce, wallMs);
    if (refusal !== undefined) return err(refusal);
    const length = actionLength(envelope.action);
    if (length > WEIGHT_MAX) return err(`Signed action over weight limit of ${WEIGHT_MAX}.`);
    signing.requestsUsed += Math.max(1, length);
    return this.exchange.inTransaction(() =>
      this.carryOut(signing, envelope.action, Math.floor(exchMs), wallMs),
    );
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
        return this.orderAction(account, action.orders, exchMs);
      case "cancel": {
        if (action.cancels.length === 0) return err("Cancels are empty.");
        const statuses = action.cancels.map((c) =>
          this.cancelOne(account, account.openOrders.get(c.o), c.a, exchMs),
        );
        return ok("cancel", statuses);
      }
      case "cancelByCloid": {
        if (action.cancels.length === 0) return err("Cancels are empty.");
        const statuses = action.cancels.map((c) =>
          this.cancelOne(account, account.byCloid.get(c.cloid), c.asset, exchMs),
        );
        return ok("cancel", statuses);
      }
      case "modify": {
        const status = this.modifyOne(account, action.oid, action.order, action.a === true, exchMs);
        return "error" in status ? err(status.error) : ok("default");
      }
      case "batchModify": {
        if (action.modifies.length === 0) return err("Modifies are empty.");
        const refusal = this.firstPayloadError(action.modifies.map((m) => m.order));
        if (refusal !== undefined) return ok("order", [{ error: refusal }]);
        const statuses = action.modifies.map((m) =>
          this.modifyOne(account, m.oid, m.order, action.a === true, exchMs),
        );
        return ok("order", statuses);
      }
      case "updateLeverage":
        return this.updateLeverage(account, action.asset, action.isCross, action.leverage);
      case "scheduleCancel":
        return this.scheduleCancel(account, action.time, wallMs);
      case "noop":
        return ok("default");
      default:
        return this.accountActions.carryOut(account, action, wallMs);
    }
  }

  private firstPayloadError(orders: readonly OrderWire[]): string | undefined {
    for (const wire of orders) {
      const spec = this.exchange.parseOrder(wire);
      if (typeof spec === "string") return spec;
    }
    return undefined;
  }

  private orderAction(account: Account, orders: readonly OrderWire[], exchMs: number): ExchangeResponse {
    if (orders.length === 0) return ok("order", [{ error: "Orders are empty." }]);
    const refusal = this.firstPayloadError(orders);
    if (refusal !== undefined) return ok("order", [{ error: refusal }]);
    const statuses = orders.map(
      (wire) => this.exchange.place(account, this.exchange.parseOrder(wire) as OrderSpec, exchMs).status,
    );
    return ok("order", statuses);
  }

  private cancelOne(
    account: Account,
    order: SimOrder | undefined,
    asset: number,
    exchMs: number,
  ): "success" | { error: string } {
    if (order === undefined || order.market.venueAssetId !== asset || !account.openOrders.has(order.oid)) {
      return { error: `${MISSING_ORDER} asset=${asset}` };
    }
    this.exchange.cancel(order, exchMs);
    return "success";
  }

  /** Cancel, then place at the tail, in one step (reference 4.4). */
  private modifyOne(
    account: Account,
    target: number | string,
    wire: OrderWire,
    isAlways: boolean,
    exchMs: number,
  ): OrderStatusWire {
    const spec = this.exchange.parseOrder(wire);
    if (typeof spec === "string") return { error: spec };
    const old = typeof target === "number" ? account.openOrders.get(target) : account.byCloid.get(target);
    const isLive = old !== undefined && account.openOrders.has(old.oid);
    if (!isLive && !isAlways) return { error: `Cannot modify canceled or filled order asset=${wire.a}` };
    if (!isAlways && spec.tif !== "Alo" && spec.tif !== "Gtc") {
      return { error: `Modified order must be Alo or Gtc asset=${wire.a}` };
    }
    if (isLive) this.exchange.cancel(old, exchMs);
    const placement = this.exchange.place(account, isAlways ? spec : { ...spec, tif: "Alo" }, exchMs);
    if (!("error" in placement.status)) return placement.status;
    if (!isLive) return placement.status;
    return { error: `Error placing new order during modify: ${placement.status.error}` };
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

  /** Fires every dead man's switch that is due. */
  runScheduledCancels(exchMs: number, wallMs: number): void {
    for (const account of this.exchange.allAccounts()) {
      if (account.scheduledCancelMs === undefined || account.scheduledCancelMs > wallMs) continue;
      account.scheduledCancelMs = undefined;
      account.scheduledCancelsToday++;
      for (const order of [...account.openOrders.values()])
        this.exchange.cancel(order, Math.floor(exchMs), "scheduledCancel");
    }
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
