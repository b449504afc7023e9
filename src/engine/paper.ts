/**
 * Paper trading: an account of play money at an exchange in this process, whose markets are the live feed's. Everything else of a
 * run is the same; this file is what stands in for the venue's account.
 */
import type { Approved, CancelOrder, Clock, Cloid, ModifyOrder, NewOrder, Timers } from "../domain/index.js";
import { createRing, isLossMark, RingConsumer, ringFill } from "../rings/index.js";
import {
  type LatencySpec,
  type PaperListing,
  PaperVenue,
  type QueueModelSpec,
  SimGateway,
} from "../sim/index.js";
import { assetOfRecord } from "../store/index.js";
import { marketFees } from "../venues/hyperliquid/fees.js";
import { type HttpPost, overNetwork } from "../venues/hyperliquid/http.js";
import { InfoClient } from "../venues/hyperliquid/info.js";
import type { IpBudget } from "../venues/hyperliquid/limits.js";
import type { NetworkEndpoints } from "../venues/hyperliquid/network.js";
import { HyperliquidReader } from "../venues/hyperliquid/reader.js";
import type {
  AccountSnapshot,
  FillEvent,
  FundingEvent,
  GatewayEvents,
  OrderUpdate,
  RequestQuota,
} from "../venues/port.js";
import { type MarketFacts, resolveMarkets } from "./markets.js";
import { wallBaseNs } from "./tape-plan.js";
import type { VenueFacts, VenueRequest } from "./venue.js";
import type { AccountGateway, AccountParts, OpenAccount } from "./venue-account.js";

export interface PaperPlan {
  /** In each clearinghouse of the run. */
  readonly equityUsd: number;
  readonly queue: QueueModelSpec;
  /** Of orders and answers; the feed's own is what it is. */
  readonly latency: LatencySpec;
  readonly fees: { readonly makerBps: number; readonly takerBps: number };
}

/** "paper" in hex: nobody's. */
export const PAPER_ADDRESS = "0x7061706572000000000000000000000000000000";
const RING_BYTES = 8 * 2 ** 20;

/** What a paper run knows of the venue: its markets, and an account that nobody had to fund. No key, no address. */
export async function paperFacts(
  r: VenueRequest,
  endpoints: NetworkEndpoints,
  plan: PaperPlan,
): Promise<VenueFacts> {
  const { clock, timers, rng, limits } = r;
  const info = new InfoClient({ endpoints, clock, timers, rng, limits });
  const markets = await resolveMarkets(info, r.config.trading);
  const rates = {
    maker: plan.fees.makerBps / 1e4,
    taker: plan.fees.takerBps / 1e4,
    referralDiscount: 0,
  };
  const byDex = new Map(markets.map((m) => [m.dex.name, m]));
  return {
    endpoints,
    signer: undefined,
    account: PAPER_ADDRESS,
    vaultAddress: undefined,
    instruments: markets.map((m) => m.instrument),
    midPx: markets.map((m) => m.midPx),
    markets,
    fees: markets.map((m) =>
      marketFees(rates, { deployerScale: m.dex.deployerFeeScale, isGrowth: m.isGrowth }),
    ),
    funds: [...byDex.values()].map(({ dex, collateral }) => ({
      dex: dex.name,
      collateral,
      accountValueUsd: plan.equityUsd,
      withdrawableUsd: plan.equityUsd,
      isolatedUsd: new Map(),
    })),
  };
}

const listingOf = (m: MarketFacts): PaperListing => ({
  instrument: m.instrument,
  collateral: m.collateral,
  deployerFeeScale: m.dex.deployerFeeScale,
  marginMode: m.isStrictIsolated ? "strictIsolated" : m.isIsolatedOnly ? "noCross" : "normal",
  isGrowth: m.isGrowth,
  tiers: m.tiers.map((t) => ({ lowerBoundUsd: t.fromUsd, maxLeverage: t.maxLeverage })),
});

/** The paper account of a plan. */
export function paperAccount(plan: PaperPlan): OpenAccount {
  return (parts) => {
    const { clock, timers, facts } = parts;
    const time: Clock & Timers = {
      monoNs: () => clock.monoNs(),
      wallMs: () => clock.wallMs(),
      after: timers.after,
      every: timers.every,
    };
    const paper = new PaperVenue({
      time,
      baseWallNs: wallBaseNs(clock),
      seed: parts.rng.fork("paper").u32(),
      address: PAPER_ADDRESS,
      listings: facts.markets.map(listingOf),
      equityUsd: plan.equityUsd,
      fees: {
        makerPpm: Math.round(plan.fees.makerBps * 100),
        takerPpm: Math.round(plan.fees.takerBps * 100),
      },
      queue: plan.queue,
      latency: plan.latency,
    });
    const ring = createRing(RING_BYTES);
    const consumer = new RingConsumer(ring);
    const gateway = new PaperGateway(paper, time, parts);
    const take = (): number => {
      let records = 0;
      for (let at = consumer.poll(); at >= 0; at = consumer.poll()) {
        records++;
        const { kind } = consumer;
        if (isLossMark(kind, consumer.i32, at)) {
          parts.log("warn", "The paper exchange does not keep up: books are void until the next");
          paper.noteLoss();
        } else paper.take(kind, assetOfRecord(kind, consumer.u8, at), consumer, at, consumer.bodyBytes);
      }
      consumer.release();
      return records;
    };
    return {
      gateway,
      marketRing: ring,
      drain() {
        // An empty ring is no event: the journal would fill with them.
        if (ringFill(ring) === 0) return false;
        return (parts.turns?.market(take) ?? take()) > 0;
      },
      async close() {
        await gateway.close();
        paper.close();
      },
    };
  };
}

/** The gateway in process, with what an engine asks of a venue besides: the account's questions are answered here, all others there. */
class PaperGateway implements AccountGateway {
  readonly info: InfoClient;
  readonly user = PAPER_ADDRESS;
  readonly limits: IpBudget;
  readonly nonces = { last: 0 };
  private readonly sim: SimGateway;
  private stopListening: () => void = () => {};

  constructor(
    private readonly paper: PaperVenue,
    time: Clock & Timers,
    parts: AccountParts,
  ) {
    const { facts, rng } = parts;
    this.limits = parts.limits;
    this.sim = new SimGateway({
      venue: paper.venue,
      address: PAPER_ADDRESS,
      instruments: paper.instruments,
      time,
      rng: rng.fork("paper gateway"),
      reader: new HyperliquidReader(paper.instruments),
      network: paper.network,
      tap: parts.tap,
    });
    this.info = new InfoClient({
      endpoints: facts.endpoints,
      clock: parts.clock,
      timers: parts.timers,
      rng: rng.fork("paper info"),
      limits: parts.limits,
      tap: parts.tap,
      post: accountAnswers(paper, parts),
    });
    this.stopListening = paper.venue.listenPrivate(PAPER_ADDRESS, {
      onOrderUpdates() {},
      onFills(fills) {
        const forced = fills.find((f) => f.liquidation?.liquidatedUser === PAPER_ADDRESS);
        if (forced === undefined) return;
        parts.onAccountEvent({
          kind: "liquidation",
          liquidatedUser: PAPER_ADDRESS,
          notionalUsd: Number(forced.px) * Number(forced.sz),
          accountValueUsd: Number.NaN,
        });
      },
    });
  }

  get counters(): AccountGateway["counters"] {
    return {
      heldByLimits: 0,
      ipWeightLastMinute: this.limits.weightUsed,
      messagesLastMinute: 0,
      httpRefusals: this.limits.refusals,
    };
  }

  connect(events: GatewayEvents): Promise<void> {
    this.paper.start();
    return this.sim.connect(events);
  }
  async close(): Promise<void> {
    this.stopListening();
    await this.sim.close();
  }
  get isConnected(): boolean {
    return this.sim.isConnected;
  }
  get lastSend(): SimGateway["lastSend"] {
    return this.sim.lastSend;
  }
  place(orders: readonly Approved<NewOrder>[]): number {
    return this.sim.place(orders);
  }
  modify(modifies: readonly Approved<ModifyOrder>[]): number {
    return this.sim.modify(modifies);
  }
  cancel(cancels: readonly CancelOrder[]): number {
    return this.sim.cancel(cancels);
  }
  openOrders(): Promise<readonly OrderUpdate[]> {
    return this.sim.openOrders();
  }
  orderStatus(cloid: Cloid): Promise<OrderUpdate | undefined> {
    return this.sim.orderStatus(cloid);
  }
  account(): Promise<AccountSnapshot> {
    return this.sim.account();
  }
  fillsSince(exchMs: number): Promise<readonly FillEvent[]> {
    return this.sim.fillsSince(exchMs);
  }
  fundingsSince(exchMs: number): Promise<readonly FundingEvent[]> {
    return this.sim.fundingsSince(exchMs);
  }
  requestQuota(): Promise<RequestQuota> {
    return this.sim.requestQuota();
  }
  scheduleCancel(atMs: number | undefined): Promise<void> {
    return this.sim.scheduleCancel(atMs);
  }
  buyRequests(requests: number): Promise<void> {
    return this.sim.buyRequests(requests);
  }
  updateLeverage(asset: number, isCross: boolean, leverage: number): Promise<void> {
    return this.sim.updateLeverage(asset, isCross, leverage);
  }
  addIsolatedMargin(asset: number, usd: number): Promise<void> {
    return this.sim.addIsolatedMargin(asset, usd);
  }
}

/** Requests that name a user are about the paper account, which the venue does not know. */
function accountAnswers(paper: PaperVenue, { turns, timers }: AccountParts): HttpPost {
  const elsewhere: HttpPost =
    turns?.post ?? ((url, body, timeoutMs) => overNetwork(url, body, timeoutMs, { timers }));
  return async (url, body, timeoutMs) => {
    const request = JSON.parse(Buffer.from(body).toString("utf8")) as Readonly<Record<string, unknown>>;
    if (request["user"] === undefined) return await elsewhere(url, body, timeoutMs);
    return { status: 200, bytes: Buffer.from(JSON.stringify(paper.venue.info(request))) };
  };
}
