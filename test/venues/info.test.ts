import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { type Clock, Rng, type Timers } from "../../src/domain/index.js";
import { sortFills, toAccountSnapshot, toFillEvent } from "../../src/venues/hyperliquid/account-events.js";
import type { VenueError } from "../../src/venues/hyperliquid/errors.js";
import { InfoClient, type InfoClientOptions } from "../../src/venues/hyperliquid/info.js";
import { instrumentsFromMeta } from "../../src/venues/hyperliquid/symbols.js";
import { type FillEvent, fillKey } from "../../src/venues/port.js";

const clock: Clock = { monoNs: () => performance.now() * 1e6, wallMs: () => Date.now() };
const timers: Timers = {
  after: (ms, fn) => {
    const t = setTimeout(fn, ms);
    return () => clearTimeout(t);
  },
  every: (ms, fn) => {
    const t = setInterval(fn, ms);
    return () => clearInterval(t);
  },
};
const USER = "0x5e9ee1089755c3435139848e47e6635505d5a13a";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

type Handler = (request: Record<string, unknown>, res: ServerResponse, count: number) => void;

/** A client whose venue is `handler`. */
async function venue(handler: Handler, options: Partial<InfoClientOptions> = {}): Promise<InfoClient> {
  let count = 0;
  const server = createServer((req: IncomingMessage, res: ServerResponse) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => handler(JSON.parse(Buffer.concat(chunks).toString()), res, ++count));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const endpoints = { infoUrl: `http://127.0.0.1:${port}/info` };
  return new InfoClient({ endpoints, clock, timers, rng: new Rng(1), timeoutMs: 2000, ...options });
}

const answering = (body: unknown): Promise<InfoClient> => venue((_, res) => res.end(JSON.stringify(body)));

async function refused(promise: Promise<unknown>): Promise<VenueError> {
  return promise.then(
    () => {
      throw new Error("nothing was refused");
    },
    (error: VenueError) => error,
  );
}

const DATA = join(import.meta.dirname, "../../../shared/data/hyperliquid-rest");
const hasData = existsSync(DATA);
const recorded = (name: string): unknown =>
  JSON.parse(gunzipSync(readFileSync(join(DATA, `${name}.json.gz`))).toString());

describe.skipIf(!hasData)(
  hasData ? "recorded responses" : "recorded responses (skipped: no shared data)",
  () => {
    test("meta of 2023 gives instruments", async () => {
      const meta = await (await answering(recorded("meta"))).meta();
      expect(meta.universe).toHaveLength(28);
      expect(
        instrumentsFromMeta(meta, ["BTC", "ETH", "kPEPE"]).map((i) => [i.venueAssetId, i.pxDecimals]),
      ).toEqual([
        [0, 1],
        [1, 2],
        [expect.any(Number), 6],
      ]);
    });

    test("l2Book, also with significant figures", async () => {
      const book = await (await answering(recorded("l2Book_DYDX"))).l2Book("DYDX");
      expect(book?.levels[0]).toHaveLength(20);
      for (const name of ["l2Book_BTC_nSigFigs3", "l2Book_BTC_nSigFigs5"]) {
        expect((await (await answering(recorded(name))).l2Book("BTC"))?.coin).toBe("BTC");
      }
    });

    test("clearinghouseState of both generations, and its account snapshot", async () => {
      await (await answering(recorded("clearinghouseState"))).clearinghouseState(USER);
      const state = await (await answering(recorded("clearinghouseState_2026_small"))).clearinghouseState(
        USER,
      );
      const [btc] = instrumentsFromMeta({ universe: [{ name: "BTC", szDecimals: 5, maxLeverage: 40 }] }, [
        "BTC",
      ]);
      const account = toAccountSnapshot(state, new Map([["BTC", btc!]]), 0);
      expect(account.accountValueUsd).toBe(319194.558725);
      expect(account.positions).toEqual([
        { coin: "BTC", posLots: -5627938, entryPx: 100941.1, unrealizedPnlUsd: 2028711.378312, leverage: 30 },
      ]);
    });

    test("open orders, plain and frontend", async () => {
      expect(await (await answering(recorded("openOrders"))).openOrders(USER)).toHaveLength(196);
      const orders = await (await answering(recorded("frontendOpenOrders"))).frontendOpenOrders(USER);
      expect(orders.map((o) => [o.oid, o.isTrigger])).toEqual([
        [3184595907, true],
        [3184595906, true],
        [3184595905, false],
      ]);
    });

    test("fills, whose start positions chain once they are sorted", async () => {
      const fills = await (await answering(recorded("userFills"))).userFills(USER);
      expect(fills).toHaveLength(500);
      const inst = instrumentsFromMeta({ universe: [{ name: "SUI", szDecimals: 1, maxLeverage: 3 }] }, [
        "SUI",
      ])[0]!;
      const all = fills.filter((f) => f.coin === "SUI").map((f) => toFillEvent(f, inst, true));
      expect(new Set(all.map(fillKey)).size).toBe(all.length);
      // Trades with oneself, which the venue still allowed in 2023, begin at one position on both sides: no chain.
      const isSelfTrade = (f: FillEvent): boolean =>
        all.some(
          (g) =>
            g.exchMs === f.exchMs &&
            g.side !== f.side &&
            g.szLots === f.szLots &&
            g.startPosLots === f.startPosLots,
        );
      // The oldest is half of such a pair, cut by the recording's window.
      const events = all.slice(0, -1).filter((f) => !isSelfTrade(f));
      expect(events.length).toBeGreaterThan(100);
      const breaks = (list: typeof events): number =>
        list.filter(
          (f, i) =>
            i > 0 && list[i - 1]!.startPosLots + list[i - 1]!.side * list[i - 1]!.szLots !== f.startPosLots,
        ).length;
      const sorted = sortFills(events);
      expect(breaks(sorted)).toBe(0);
      expect(breaks(events)).toBeGreaterThan(0);
      // The venue may as well list a millisecond's matches backwards.
      expect(breaks(sortFills([...events].reverse()))).toBe(0);
    });

    test("the rest: mids, rate limit, role, dexes", async () => {
      expect((await (await answering(recorded("allMids"))).allMids())["ETH"]).toBe("1903.95");
      expect((await (await answering(recorded("userRateLimit"))).userRateLimit(USER)).nRequestsCap).toBe(
        170043731737,
      );
      expect((await (await answering(recorded("userRole"))).userRole(USER)).role).toBe("vault");
      const dexs = await (await answering(recorded("perpDexs"))).perpDexs();
      expect([dexs[0], dexs[1]?.name]).toEqual([null, "xyz"]);
    });
  },
);

describe("documented samples", () => {
  test("metaAndAssetCtxs, order status, fees, exchange status", async () => {
    const ctx = {
      funding: "0.0000125",
      openInterest: "688.11",
      oraclePx: "14.32",
      markPx: "14.3",
      premium: null,
      midPx: null,
    };
    const meta = {
      universe: [{ name: "BTC", szDecimals: 5, maxLeverage: 40, marginTableId: 56 }],
      marginTables: [],
      collateralToken: 0,
    };
    const [, ctxs] = await (await answering([meta, [ctx]])).metaAndAssetCtxs();
    expect(ctxs[0]?.oraclePx).toBe("14.32");
    expect(await (await answering({ status: "unknownOid" })).orderStatus(USER, 1)).toEqual({
      status: "unknownOid",
    });
    const fees = {
      userCrossRate: "0.000315",
      userAddRate: "0.000105",
      activeReferralDiscount: "0.0",
      trial: null,
    };
    expect((await (await answering(fees)).userFees(USER)).userAddRate).toBe("0.000105");
    expect((await (await answering({ time: 5, specialStatuses: null })).exchangeStatus()).time).toBe(5);
  });

  test("the request carries the documented fields and leaves out what is not set", async () => {
    const seen: unknown[] = [];
    const client = await venue((request, res) => {
      seen.push(request);
      res.end(request["type"] === "userFillsByTime" ? "[]" : "null");
    });
    await client.l2Book("BTC");
    await client.userFillsByTime(USER, 5);
    expect(seen).toEqual([
      { type: "l2Book", coin: "BTC" },
      { type: "userFillsByTime", user: USER, startTime: 5 },
    ]);
  });
});

describe("answers that cannot be trusted", () => {
  test.each([
    [
      "a wrong type",
      { universe: [{ name: "BTC", szDecimals: "5", maxLeverage: 40 }] },
      "meta: universe.0.szDecimals",
    ],
    ["a missing list", {}, "meta: universe"],
    ["null for an unknown dex", null, "meta: (top level)"],
  ])("%s is refused with its path", async (_, body, path) => {
    const error = await refused((await answering(body)).meta());
    expect(error.code).toBe("BadResponse");
    expect(error.message).toContain(path);
  });

  test("an exponent or a word is not a decimal", async () => {
    const rate = { cumVlm: "1e5", nRequestsUsed: 1, nRequestsCap: 2 };
    expect((await refused((await answering(rate)).userRateLimit(USER))).message).toContain(
      "cumVlm: not a plain decimal",
    );
  });

  test("a page of HTML with status 200 is refused", async () => {
    const client = await venue((_, res) => res.end("<html>maintenance</html>"));
    expect((await refused(client.meta())).message).toContain("not JSON");
  });
});

describe("failures", () => {
  test("a 429 or 5xx is repeated once", async () => {
    for (const status of [429, 502]) {
      const client = await venue((_, res, count) => {
        res.statusCode = count === 1 ? status : 200;
        res.end(count === 1 ? "" : '{"time":1}');
      });
      expect((await client.exchangeStatus()).time).toBe(1);
    }
  });

  test("only once", async () => {
    let calls = 0;
    const client = await venue((_, res, count) => {
      calls = count;
      res.statusCode = 503;
      res.end("<html>\nbusy</html>");
    });
    const error = await refused(client.exchangeStatus());
    expect([error.code, calls]).toEqual(["HttpStatus", 2]);
    expect(error.message).not.toContain("\n");
  });

  test("a 422 is not repeated", async () => {
    let calls = 0;
    const client = await venue((_, res, count) => {
      calls = count;
      res.statusCode = 422;
      res.end("Failed to deserialize the JSON body into the target type");
    });
    expect((await refused(client.meta())).message).toContain("422 Failed to deserialize");
    expect(calls).toBe(1);
  });

  test("silence ends at the time-out", async () => {
    const client = await venue(() => {}, { timeoutMs: 50 });
    expect((await refused(client.meta())).code).toBe("Timeout");
  });

  test("a connection cut before the answer is not called unreachable", async () => {
    const client = await venue((_, res) => res.destroy());
    expect((await refused(client.meta())).code).toBe("ConnectionLost");
  });

  test("an unreachable exchange is one line with its address", async () => {
    const client = await answering({});
    const server = servers.pop()!;
    await new Promise((resolve) => server.close(resolve));
    const error = await refused(client.meta());
    expect(error.code).toBe("Unreachable");
    expect(error.message).toMatch(
      /^cannot reach the exchange at http:\/\/127\.0\.0\.1:\d+\/info \(ECONNREFUSED\): check/,
    );
  });
});
