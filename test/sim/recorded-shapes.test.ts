/**
 * The structural diff: recorded real answers against the simulator's to the same requests. Same keys, same JSON types,
 * through all levels; arrays by the union of their elements. What differs is listed here with its reason, and nothing else may.
 */
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isPerp } from "../../src/sim/listed-market.js";
import { type Loose, order, SimClient } from "./client.js";
import { ALICE, BOB, bob, openRig, type Rig, tradeOnce } from "./surface-rig.js";

const folder = new URL("../../../shared/data/", import.meta.url).pathname;
const hasData = existsSync(`${folder}hyperliquid-rest/index.jsonl.gz`);
const text = (path: string): string => gunzipSync(readFileSync(folder + path)).toString("utf8");
const recorded = (file: string): Loose => JSON.parse(text(`hyperliquid-rest/${file}.json.gz`));

/** JSON types seen at each path; `[]` stands for any element, `{}` for any key of a map. */
type Shape = Map<string, Set<string>>;

/** Objects whose keys are data (coins), not names. */
const MAPS = new Set(["allMids", "allMids.mids"]);

function shapeOf(value: Loose, path: string, shape: Shape = new Map()): Shape {
  const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  const seen = shape.get(path) ?? new Set();
  shape.set(path, seen.add(type));
  // Children of orders are orders again.
  const at = path.replace(/(\.children\[\])+/, ".children[]");
  if (type === "array") for (const item of value) shapeOf(item, `${at}[]`, shape);
  else if (type === "object") {
    for (const [key, item] of Object.entries(value))
      shapeOf(item, MAPS.has(path) ? `${at}{}` : `${at}.${key}`, shape);
  }
  return shape;
}

/** Recorded against ours: what is missing, of another type, or not there in the recording. null stands for any type. */
function differences(real: Shape, ours: Shape): string[] {
  const found: string[] = [];
  for (const [path, types] of real) {
    const mine = ours.get(path);
    if (mine === undefined) found.push(`missing ${path}`);
    else {
      const differ = [...types].filter((t) => t !== "null" && !mine.has(t));
      if (differ.length > 0 && !(mine.size === 1 && mine.has("null")))
        found.push(`type ${path}: ${differ} not ${[...mine]}`);
    }
  }
  for (const path of ours.keys()) if (!real.has(path)) found.push(`extra ${path}`);
  return found.sort();
}

/** Every difference that is right, and why. A pattern that matches nothing fails the test: it hides something. */
interface Case {
  readonly file: string;
  readonly name?: string;
  readonly except?: readonly (readonly [pattern: RegExp, reason: string])[];
}

const since2023 = (pattern: RegExp) => [pattern, "added by the venue after the recording of 2023"] as const;

const CASES: readonly (Case & { readonly request: () => Record<string, unknown> })[] = [
  { file: "allMids", request: () => ({ type: "allMids" }) },
  {
    file: "candleSnapshot",
    request: () => ({ type: "candleSnapshot", req: { coin: "BTC", interval: "1h", startTime: 0 } }),
  },
  {
    file: "clearinghouseState",
    request: () => ({ type: "clearinghouseState", user: BOB }),
    except: [
      since2023(/^extra clearinghouseState\.(time|crossMaintenanceMarginUsed)$/),
      since2023(/^extra .*\.position\.(maxLeverage|cumFunding.*)$/),
      [/^missing .*\.maxTradeSzs(\[\])?$/, "moved to activeAssetData by the venue since 2023"],
    ],
  },
  {
    file: "clearinghouseState_2026_small",
    name: "clearinghouseState",
    request: () => ({ type: "clearinghouseState", user: BOB }),
  },
  {
    file: "delegatorHistory",
    request: () => ({ type: "delegatorHistory", user: ALICE }),
    except: [[/^missing delegatorHistory\[\]/, "staking is not simulated: the list is always empty"]],
  },
  { file: "extraAgents", request: () => ({ type: "extraAgents", user: ALICE }) },
  {
    file: "frontendOpenOrders",
    request: () => ({ type: "frontendOpenOrders", user: ALICE }),
    except: [since2023(/^extra frontendOpenOrders\[\](\.children\[\])?\.cloid$/)],
  },
  {
    file: "fundingHistory_no_end",
    name: "fundingHistory",
    request: () => ({ type: "fundingHistory", coin: "BTC", startTime: 0 }),
  },
  {
    file: "fundingHistory_with_end",
    name: "fundingHistory",
    request: () => ({ type: "fundingHistory", coin: "BTC", startTime: 0, endTime: Date.now() + 1000 }),
  },
  {
    file: "historicalOrders",
    request: () => ({ type: "historicalOrders", user: BOB }),
  },
  { file: "l2Book_DYDX", name: "l2Book", request: () => ({ type: "l2Book", coin: "BTC" }) },
  {
    file: "l2Book_BTC_nSigFigs3",
    name: "l2Book",
    request: () => ({ type: "l2Book", coin: "BTC", nSigFigs: 3 }),
  },
  {
    file: "l2Book_BTC_nSigFigs5",
    name: "l2Book",
    request: () => ({ type: "l2Book", coin: "BTC", nSigFigs: 5 }),
  },
  {
    file: "meta",
    request: () => ({ type: "meta" }),
    except: [since2023(/^extra meta\.(universe\[\]\.marginTableId|marginTables.*|collateralToken)$/)],
  },
  {
    file: "openOrders",
    request: () => ({ type: "openOrders", user: ALICE }),
    except: [since2023(/^extra openOrders\[\]\.(origSz|cloid|reduceOnly)$/)],
  },
  { file: "perpDexs", request: () => ({ type: "perpDexs" }) },
  {
    file: "userFills",
    request: () => ({ type: "userFills", user: BOB }),
    except: [since2023(/^extra userFills\[\]\.(tid|feeToken|twapId|cloid|liquidation.*)$/)],
  },
  {
    file: "userNonFundingLedgerUpdates",
    request: () => ({ type: "userNonFundingLedgerUpdates", user: ALICE }),
    except: [[/delta\.vault$/, "updates of a kind that the recorded account had none of"]],
  },
  {
    file: "userRateLimit",
    request: () => ({ type: "userRateLimit", user: ALICE }),
    except: [
      [/^extra userRateLimit\.nRequestsSurplus$/, "added by the venue after the recording of August 2025"],
    ],
  },
  { file: "userRole", request: () => ({ type: "userRole", user: vault }) },
  { file: "userVaultEquities", request: () => ({ type: "userVaultEquities", user: ALICE }) },
];

let rig: Rig;
let vault = "";

beforeAll(async () => {
  rig = await openRig();
  const { a, b, server } = rig;
  await tradeOnce(rig);
  // Deep enough for impact prices.
  await a.act(
    order(
      { isBuy: true, px: "99000", sz: "1", tif: "Alo" },
      { isBuy: false, px: "101000", sz: "1", tif: "Alo", cloid: `0x${"1".repeat(32)}` },
    ),
  );
  const btc = server.exchange.market("BTC")!;
  if (isPerp(btc)) server.exchange.funding.sample(btc);
  const trigger = (triggerPx: string, tpsl: string) => ({
    a: 0,
    b: false,
    p: triggerPx,
    s: "0.01",
    r: true,
    t: { trigger: { isMarket: true, triggerPx, tpsl } },
  });
  const parent = { a: 0, b: true, p: "95000", s: "0.01", r: false, t: { limit: { tif: "Gtc" } } };
  const grouped = [parent, trigger("120000", "tp"), trigger("90000", "sl")];
  await a.act({ type: "order", orders: grouped, grouping: "normalTpsl" });
  await b.act(order({ isBuy: true, px: "50000", sz: "0.01", tif: "Ioc" }));
  const agent = Wallet.createRandom().address;
  const fields = [
    ["agentAddress", "address"],
    ["agentName", "string"],
    ["nonce", "uint64"],
  ] as const;
  const approval = { type: "approveAgent", agentAddress: agent, agentName: "ok" };
  await a.post("action", await a.typedEnvelope("ApproveAgent", fields, approval));
  const made = await a.act({
    type: "createVault",
    name: "vault",
    description: "for the recorded shapes",
    initialUsd: 200e6,
    nonce: Date.now(),
  });
  vault = made.response.data;
  const spotSend = { type: "spotSend", destination: BOB, token: "USDC", amount: "3" };
  const sendFields = [
    ["destination", "string"],
    ["token", "string"],
    ["amount", "string"],
    ["time", "uint64"],
  ] as const;
  await a.post("action", await a.typedEnvelope("SpotSend", sendFields, spotSend));
  const toSpot = { type: "usdClassTransfer", amount: "5", toPerp: false };
  const classFields = [
    ["amount", "string"],
    ["toPerp", "bool"],
    ["nonce", "uint64"],
  ] as const;
  await a.post("action", await a.typedEnvelope("UsdClassTransfer", classFields, toSpot));
  server.exchange.settleFunding(Date.now());
});
afterAll(() => rig.close());

describe.skipIf(!hasData)(
  `recorded answers of the info endpoint${hasData ? "" : " (skipped: no shared data)"}`,
  () => {
    const compare = (name: string, real: Loose, ours: Loose, except: Case["except"] = []): void => {
      const found = differences(shapeOf(real, name), shapeOf(ours, name));
      const isExcepted = (d: string): boolean => except.some(([pattern]) => pattern.test(d));
      expect(found.filter((d) => !isExcepted(d))).toEqual([]);
    };

    it.each(CASES)("$file", async ({ file, name, request, except }) => {
      compare(name ?? file, recorded(file), await rig.a.info(request()), except);
    });

    it("covers every recording", () => {
      const files = text("hyperliquid-rest/index.jsonl.gz").trim().split("\n");
      const names = new Set(
        files.map((line) => (JSON.parse(line) as { file: string }).file.replace(".json.gz", "")),
      );
      expect(new Set(CASES.map((c) => c.file))).toEqual(names);
    });

    it("names no exception that hides nothing", async () => {
      for (const { file, name, request, except } of CASES) {
        const at = name ?? file;
        const found = differences(shapeOf(recorded(file), at), shapeOf(await rig.a.info(request()), at));
        for (const [pattern, reason] of except ?? []) {
          expect({ file, reason, hides: found.some((d) => pattern.test(d)) }).toEqual({
            file,
            reason,
            hides: true,
          });
        }
      }
    });

    it("frames of l2Book and trades", async () => {
      const lines = text("hyperliquid-ws/ws_btc_20250126.gz").trim().split("\n");
      const frames = lines.map((line) => JSON.parse(line.slice(line.indexOf(" ") + 1)) as Loose);
      const c = await new SimClient(rig.server.port, bob).connect();
      for (const channel of ["l2Book", "trades"]) {
        await c.subscribe({ type: channel, coin: "BTC" });
        const ours = await c.frame(channel);
        const real = frames.filter((f) => f.channel === channel);
        expect(real.length).toBeGreaterThan(0);
        compare(channel, real, [ours]);
      }
      c.close();
    });

    it("frame of allDexsAssetCtxs", async () => {
      const real = JSON.parse(text("hyperliquid-ws/ws_all_dexs_asset_ctxs.json.gz")) as Loose;
      const c = await new SimClient(rig.server.port, bob).connect();
      await c.subscribe({ type: "allDexsAssetCtxs" });
      compare("allDexsAssetCtxs", real, await c.frame("allDexsAssetCtxs"));
      c.close();
    });

    it("fill of a liquidation in userEvents, on the other side", async () => {
      const real = JSON.parse(text("hyperliquid-ws/ws_user_fill_liquidation.json.gz")) as Loose;
      const { a, b, server } = rig;
      const c = await new SimClient(server.port, bob).connect();
      await c.subscribe({ type: "userEvents", user: ALICE });
      // Bob sells all he can, then the mark runs away from him; Alice's asks are there for the liquidation.
      await a.act(order({ isBuy: true, px: "100000", sz: "9", tif: "Gtc" }));
      await b.act({ type: "updateLeverage", asset: 0, isCross: true, leverage: 40 });
      await b.act(order({ isBuy: false, px: "100000", sz: "9", tif: "Ioc" }));
      await a.act({
        type: "order",
        orders: [
          {
            a: 0,
            b: false,
            p: "106000",
            s: "9",
            r: false,
            t: { limit: { tif: "Gtc" } },
            c: `0x${"1".repeat(32)}`,
          },
        ],
        grouping: "na",
      });
      const btc = server.exchange.market("BTC")!;
      server.exchange.setMark(btc, 1_045_000, Date.now());
      await b.act({ type: "noop" });
      const isLiquidation = (d: Loose): boolean => d.fills?.some((f: Loose) => f.liquidation !== undefined);
      const ours = await c.frame("user", isLiquidation);
      const fills = ours.data.fills.filter((f: Loose) => f.liquidation !== undefined);
      compare("user", real, { ...ours, data: { fills } });
      c.close();
    });
  },
);
