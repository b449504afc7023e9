/**
 * The simulator's own door: what a test or a person may do to a running exchange that no client of the venue can.
 *
 *     curl localhost:3001/control                                              state, faults and their counts, commands
 *     curl localhost:3001/control -d '{"type":"setFaults","faults":["loss:rate=0.01,stream=private"]}'
 *     curl localhost:3001/control -d '{"type":"moveMarket","coin":"BTC","bps":-50}'
 *
 * Loopback only, and not from a web page.
 */
import { wireToDecimal } from "../domain/index.js";
import { parseAddress } from "./action-fields.js";
import type { Connections } from "./connections.js";
import type { Exchange } from "./exchange.js";
import type { FaultCarrier } from "./fault-carrier.js";
import { FaultRuleError, parseFaultRules } from "./fault-rules.js";
import { isPerp, type Market } from "./listed-market.js";
import type { SimMarket } from "./market.js";

/** A command that can't be carried out; the message says what is wrong and what is accepted. */
export class ControlError extends Error {
  readonly code = "control";
  constructor(message: string) {
    super(message);
    this.name = "ControlError";
  }
}

/** What the door opens to. */
export interface ControlTarget {
  readonly exchange: Exchange;
  readonly carrier: FaultCarrier;
  readonly connections: Connections;
  readonly simMarkets: readonly SimMarket[];
  /** Exchange time. */
  nowMs(): number;
  /** Until this exchange time only post-only orders are taken, as after an upgrade of the venue. */
  setPostOnlyUntil(exchMs: number): void;
  /** Passes on what a command has caused. */
  flush(): void;
  stats(): object;
}

type Fields = Readonly<Record<string, unknown>>;
interface Command {
  /** Field names and what they hold; all are needed unless they end in "?". */
  readonly fields: Readonly<Record<string, string>>;
  readonly run: (target: ControlTarget, f: Fields) => object;
}

const MOVE_BPS_MAX = 5000;
const CASCADE_MS_MAX = 600_000;

const COMMANDS: Readonly<Record<string, Command>> = {
  setFaults: {
    fields: { faults: "rules, as text or objects; they replace those in force" },
    run: (t, f) => {
      t.carrier.faults.set(parseFaultRules(f["faults"], "setFaults"));
      return { faults: t.carrier.faults.rules() };
    },
  },
  clearFaults: {
    fields: {},
    run: (t) => {
      t.carrier.faults.set([]);
      return { counts: t.carrier.faults.counts() };
    },
  },
  disconnectAll: { fields: {}, run: (t) => ({ disconnected: t.connections.cutAll() }) },
  moveMarket: {
    fields: { coin: "coin of a synthetic market", bps: `-${MOVE_BPS_MAX}..${MOVE_BPS_MAX}` },
    run: (t, f) => {
      const market = simMarketOf(t, f);
      if (market.jump === undefined) throw new ControlError(`${market.coin} has no price of its own to move`);
      market.jump(numberOf(f, "bps", -MOVE_BPS_MAX, MOVE_BPS_MAX));
      return {};
    },
  },
  cascade: {
    fields: {
      coin: "coin of a synthetic market",
      bps: `how far in all, -${MOVE_BPS_MAX}..${MOVE_BPS_MAX}`,
      ms: `over which exchange time, 1..${CASCADE_MS_MAX}`,
    },
    run: (t, f) => {
      const market = simMarketOf(t, f);
      if (market.cascade === undefined) throw new ControlError(`${market.coin} knows no cascades`);
      market.cascade(numberOf(f, "bps", -MOVE_BPS_MAX, MOVE_BPS_MAX), numberOf(f, "ms", 1, CASCADE_MS_MAX));
      return {};
    },
  },
  settleFunding: {
    fields: {},
    run: (t) => {
      t.exchange.settleFunding(t.nowMs());
      return {};
    },
  },
  setOracle: {
    fields: { coin: "coin", px: "price as text" },
    run: (t, f) => {
      const market = marketOf(t, f);
      t.exchange.setOracle(market, ticksOf(market, f));
      return {};
    },
  },
  setMark: {
    fields: { coin: "coin", px: "price as text; holds until the market's own next mark" },
    run: (t, f) => {
      const market = marketOf(t, f);
      t.exchange.setMark(market, ticksOf(market, f), t.nowMs());
      return {};
    },
  },
  postOnly: {
    fields: { ms: "exchange time for which only post-only orders are taken, 0..3600000; 0 ends it" },
    run: (t, f) => {
      t.setPostOnlyUntil(t.nowMs() + numberOf(f, "ms", 0, 3_600_000));
      return {};
    },
  },
  setOpenInterestCap: {
    fields: { coin: "coin of a perpetual", usd: "notional; null: none" },
    run: (t, f) => {
      const market = marketOf(t, f);
      if (!isPerp(market)) throw new ControlError(`${market.coin} is no perpetual`);
      market.oiCapUsd = f["usd"] === null ? Number.POSITIVE_INFINITY : numberOf(f, "usd", 0, 1e15);
      t.exchange.updateMark(market, t.nowMs());
      return {};
    },
  },
  fund: {
    fields: { user: "address", usd: "amount", "dex?": "name; default: the first" },
    run: (t, f) => {
      const user = parseAddress(f["user"]);
      if (user === undefined) {
        throw new ControlError(`fund: user is ${JSON.stringify(f["user"])}; want 0x and 40 hex digits`);
      }
      const dex = t.exchange.dex(typeof f["dex"] === "string" ? f["dex"] : "");
      if (dex === undefined) throw new ControlError(`fund: no dex named ${JSON.stringify(f["dex"])}`);
      t.exchange.deposit(user, Math.round(numberOf(f, "usd", 0, 1e12) * 1e6), dex.index);
      return {};
    },
  },
};

/**
 * Carries out one command.
 * @returns what to answer.
 * @throws {ControlError | FaultRuleError} When it is unknown or wrong.
 */
export function runControl(target: ControlTarget, body: unknown): object {
  const names = Object.keys(COMMANDS).join(", ");
  if (typeof body !== "object" || body === null || Array.isArray(body) || !("type" in body)) {
    throw new ControlError(`want a JSON object such as {"type":"clearFaults"}; types: ${names}`);
  }
  const { type, ...fields } = body as Record<string, unknown>;
  const command = typeof type === "string" && Object.hasOwn(COMMANDS, type) ? COMMANDS[type] : undefined;
  if (command === undefined) {
    throw new ControlError(`unknown command ${JSON.stringify(type)}; want one of ${names}`);
  }
  const known = Object.keys(command.fields);
  const stranger = Object.keys(fields).find((key) => !known.includes(key) && !known.includes(`${key}?`));
  if (stranger !== undefined) {
    const want = known.length === 0 ? "it takes none" : `want ${known.join(", ")}`;
    throw new ControlError(`${type}: unknown field "${stranger}"; ${want}`);
  }
  const missing = known.find((key) => !key.endsWith("?") && !(key in fields));
  if (missing !== undefined) {
    throw new ControlError(`${type}: ${missing} is missing (${command.fields[missing]})`);
  }
  const answer = command.run(target, fields);
  target.flush();
  return { ok: true, ...answer };
}

/** The state for `GET /control`. */
export function controlState(target: ControlTarget): object {
  const { faults } = target.carrier;
  return {
    exchMs: target.nowMs(),
    sinceStartMs: Math.round(target.carrier.nowMs()),
    connections: target.connections.size,
    faults: faults.rules(),
    counts: faults.counts(),
    stats: target.stats(),
    usage:
      'POST here {"type":"one of commands", and its fields}, as {"type":"moveMarket","coin":"BTC","bps":-50}',
    commands: Object.fromEntries(Object.entries(COMMANDS).map(([name, c]) => [name, c.fields])),
  };
}

/** True for what `runControl` throws at the caller's address. */
export const isControlError = (error: unknown): error is Error =>
  error instanceof ControlError || error instanceof FaultRuleError;

function simMarketOf(t: ControlTarget, f: Fields): SimMarket {
  const found = t.simMarkets.find((m) => m.coin === f["coin"]);
  if (found !== undefined) return found;
  const coins = t.simMarkets.map((m) => m.coin).join(", ");
  throw new ControlError(`no market ${JSON.stringify(f["coin"])}; want one of ${coins}`);
}

function marketOf(t: ControlTarget, f: Fields): Market {
  const market = t.exchange.market(simMarketOf(t, f).coin);
  if (market === undefined) throw new ControlError(`${JSON.stringify(f["coin"])} is not listed`);
  return market;
}

function numberOf(f: Fields, key: string, min: number, max: number): number {
  const value = f[key];
  if (typeof value === "number" && value >= min && value <= max) return value;
  throw new ControlError(`${key} is ${JSON.stringify(value)}; want a number from ${min} to ${max}`);
}

function ticksOf(market: Market, f: Fields): number {
  const px = f["px"];
  const ticks = typeof px === "string" ? wireToDecimal(px, market.pxDecimals) : undefined;
  if (ticks !== undefined && ticks > 0) return ticks;
  throw new ControlError(
    `px is ${JSON.stringify(px)}; want a positive price as text with at most ${market.pxDecimals} decimals`,
  );
}
