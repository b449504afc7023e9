import { afterEach, expect, test } from "vitest";
import { statusText } from "../../src/cli/status.js";
import { accountStatus, type StatusQuestion } from "../../src/engine/account-status.js";
import { InfoClient } from "../../src/venues/hyperliquid/info.js";
import { clock, FakeVenue, fastTimers, rng } from "../venues/fake-venue.js";

const AGENT = `0x${"aa".repeat(20)}`;
const SUB = `0x${"bb".repeat(20)}`;
const MASTER = `0x${"cc".repeat(20)}`;
const summary = (accountValue: string) => ({
  accountValue,
  totalNtlPos: "0",
  totalRawUsd: "0",
  totalMarginUsed: "22.5",
});
const state = (accountValue: string, assetPositions: object[] = []) => ({
  assetPositions,
  marginSummary: summary(accountValue),
  crossMarginSummary: summary(accountValue),
  withdrawable: "900.25",
  time: 1,
});
const POSITION = {
  type: "oneWay",
  position: {
    coin: "flx:BTC",
    szi: "-0.02",
    entryPx: "110000.5",
    leverage: { type: "isolated", value: 20, rawUsd: "1" },
    unrealizedPnl: "-3.5",
    positionValue: "2200.0",
    liquidationPx: null,
    marginUsed: "22.5",
  },
};

const venues: FakeVenue[] = [];
afterEach(async () => {
  for (const venue of venues.splice(0)) await venue.stop();
});

async function ask(question: Partial<StatusQuestion> = {}) {
  const venue = await FakeVenue.start();
  venues.push(venue);
  venue.infoAnswer = ({ type, user, dex }) => {
    switch (type) {
      case "userRole":
        if (user === AGENT) return { role: "agent", data: { user: SUB } };
        return user === SUB ? { role: "subAccount", data: { master: MASTER } } : { role: "missing" };
      case "perpDexs":
        return [
          null,
          { name: "hyna", fullName: "HyENA" },
          { name: "flx", fullName: "Felix", deployerFeeScale: "1.0" },
        ];
      case "meta":
        return {
          universe: [{ name: dex === "flx" ? "flx:BTC" : "BTC", szDecimals: 5, maxLeverage: 40 }],
          collateralToken: dex === "flx" ? 360 : 0,
        };
      case "spotMeta":
        return {
          universe: [],
          tokens: [{ name: "USDH", szDecimals: 2, weiDecimals: 8, index: 360, tokenId: "0x1" }],
        };
      case "clearinghouseState":
        if (user !== SUB || dex === "hyna") return state("0.0");
        return dex === "flx" ? state("1500.5", [POSITION]) : state("2500.0");
      case "frontendOpenOrders":
        return user === SUB && dex === undefined
          ? [{ coin: "BTC", side: "B", limitPx: "99.5", sz: "2", oid: 7, timestamp: 0, reduceOnly: true }]
          : [];
      case "userFees":
        return {
          userCrossRate: "0.0004",
          userAddRate: "0.00012",
          activeReferralDiscount: "0.0",
          dailyUserVlm: [{ date: "d", userCross: "4000000.0", userAdd: "2000000.0", exchange: "0.0" }],
          feeSchedule: {
            cross: "0.00045",
            add: "0.00015",
            tiers: {
              vip: [
                { ntlCutoff: "5000000.0", cross: "0.0004", add: "0.00012" },
                { ntlCutoff: "25000000.0", cross: "0.00035", add: "0.00008" },
              ],
              mm: [],
            },
          },
        };
      case "userRateLimit":
        return {
          cumVlm: "1500000.0",
          nRequestsUsed: 1_502_800,
          nRequestsCap: 1_510_000,
          nRequestsSurplus: 0,
        };
      case "spotClearinghouseState":
        return { balances: [{ coin: "USDC", token: 0, total: "5.5", hold: "1.0" }] };
      case "userAbstraction":
        return "default";
      case "exchangeStatus":
        return { time: 42, specialStatuses: null };
      case "activeAssetData":
        return {
          user: SUB,
          coin: "flx:BTC",
          leverage: { type: "isolated", value: 20 },
          maxTradeSzs: ["1", "1"],
          availableToTrade: ["10.5", "20.5"],
        };
      default:
        return null;
    }
  };
  const info = new InfoClient({ endpoints: venue.endpoints, clock, timers: fastTimers(1), rng: rng() });
  return accountStatus(info, { network: "testnet", address: AGENT, coins: [], dex: undefined, ...question });
}

test("an agent's key shows the account it signs for, with its master and every dex that holds something", async () => {
  const status = await ask();
  expect(status.account).toEqual({
    address: SUB,
    role: "subAccount",
    master: MASTER,
    agent: AGENT,
    mode: "default",
  });
  expect(status.dexs.map((d) => [d.name, d.collateral, d.equityUsd])).toEqual([
    ["", "USDC", 2500],
    ["flx", "USDH", 1500.5],
  ]);
  expect(status).toMatchObject({ equityUsd: 4000.5, availableMarginUsd: 1800.5, unrealizedPnlUsd: -3.5 });
  expect(status.positions).toMatchObject([
    { coin: "flx:BTC", dex: "flx", size: -0.02, leverage: 20, marginMode: "isolated", liquidationPx: null },
  ]);
  expect(status.openOrders).toMatchObject([
    { coin: "BTC", side: "buy", px: 99.5, isReduceOnly: true, cloid: null },
  ]);
  expect(status.fees).toMatchObject({ makerBps: 1.2, takerBps: 4, tier: 1, volume14dUsd: 6_000_000 });
  expect(status.fees.byDex).toEqual([{ dex: "flx", makerBps: 2.4, takerBps: 8 }]);
  expect(status.rateBudget).toEqual({
    used: 1_502_800,
    cap: 1_510_000,
    left: 7_200,
    surplus: 0,
    hoursLeft: 2,
  });
  expect(status.deadMansSwitch).toMatchObject({ isAvailable: true, tradedUsd: 1_500_000 });
});

test("the table names the sub-account, the agent, positions, orders and budget", async () => {
  const text = statusText(await ask());
  expect(text).toContain(
    `Account ${SUB} on testnet (sub-account of ${MASTER}; the key is the agent ${AGENT})`,
  );
  expect(text).toMatch(/flx:BTC +-0\.02 +110000\.5 +\$2,200\.00 +-\$3\.50 +20x isolated +\$22\.50 +-\n/);
  expect(text).toMatch(/BTC +buy +99\.5 +2 +reduce-only +7 +1970-01-01 00:00:00/);
  expect(text).toContain("Spot: 5.5 USDC (1 held)");
  expect(text).toContain("7200 left: 2.0 h at one action a second");
  expect(text).toContain("Dead man's switch of the venue: available");
});

test("an address nobody ever used shows zeros and says so", async () => {
  const status = await ask({ address: `0x${"dd".repeat(20)}` });
  expect(status).toMatchObject({ equityUsd: 0, positions: [], openOrders: [], account: { role: "missing" } });
  expect(statusText(status)).toContain("unknown to the venue: nothing was ever deposited");
});
