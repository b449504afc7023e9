/** Commands over HTTP: against a stub for what the venue may answer, and against the simulated exchange for what it makes of them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock, Timers } from "../../src/domain/index.js";
import { checkVault } from "../../src/engine/venue.js";
import { OpenMarket, type SimServer, startSimServer } from "../../src/sim/index.js";
import { approveAgent, isAgentName } from "../../src/venues/hyperliquid/agents.js";
import type { VenueError } from "../../src/venues/hyperliquid/errors.js";
import { ExchangeClient } from "../../src/venues/hyperliquid/exchange.js";
import { l1, user } from "../../src/venues/hyperliquid/exchange-actions.js";
import { InfoClient } from "../../src/venues/hyperliquid/info.js";
import { type NetworkEndpoints, networkEndpoints } from "../../src/venues/hyperliquid/network.js";
import { L1Signer } from "../../src/venues/hyperliquid/sign.js";
import { clock, fastTimers, rng } from "./fake-venue.js";

const signerOf = (byte: number): L1Signer => new L1Signer(new Uint8Array(32).fill(byte), "b");
const refusedBy = (promise: Promise<unknown>): Promise<VenueError> =>
  promise.then(
    () => {
      throw new Error("nothing was refused");
    },
    (error: VenueError) => error,
  );

interface Posted {
  readonly action: Record<string, unknown>;
  readonly nonce: number;
  readonly vaultAddress?: string;
  readonly expiresAfter?: number;
}

describe("a command", () => {
  const T0 = 1_780_000_000_000;
  const still: Clock = { monoNs: () => 0, wallMs: () => T0 };
  const noTimers: Timers = { after: () => () => {}, every: () => () => {} };
  const OK = { status: "ok", response: { type: "default" } };

  /** The answers come in order; the last one stays. */
  function client(
    answers: readonly (object | string | number)[],
    options: { vaultAddress?: string } = {},
  ): { exchange: ExchangeClient; posted: Posted[] } {
    const posted: Posted[] = [];
    const fetch = (_: unknown, init?: { body?: unknown }): Promise<Response> => {
      const answer = answers[Math.min(posted.length, answers.length - 1)]!;
      posted.push(JSON.parse(Buffer.from(init?.body as Uint8Array).toString()) as Posted);
      if (typeof answer === "number") return Promise.resolve(new Response("<html>", { status: answer }));
      return Promise.resolve(new Response(typeof answer === "string" ? answer : JSON.stringify(answer)));
    };
    const exchange = new ExchangeClient({
      endpoints: networkEndpoints("localhost"),
      signer: signerOf(7),
      clock: still,
      timers: noTimers,
      fetch: fetch as typeof globalThis.fetch,
      ...options,
    });
    return { exchange, posted };
  }

  test("is posted with its nonce, vault and expiry, and gives the venue's response", async () => {
    const vaultAddress = `0x${"AB".repeat(20)}`;
    const { exchange, posted } = client([OK], { vaultAddress });
    expect(await exchange.l1(l1.noop(), { expiresAfter: T0 + 5 })).toEqual({ type: "default" });
    expect(posted[0]).toMatchObject({
      action: { type: "noop" },
      nonce: T0,
      vaultAddress: vaultAddress.toLowerCase(),
      expiresAfter: T0 + 5,
    });
  });

  test("that the user signs never carries the vault", async () => {
    const { exchange, posted } = client([OK], { vaultAddress: `0x${"ab".repeat(20)}` });
    await exchange.userSigned(user.usdClassTransfer(2_500_000, true));
    expect(posted[0]!.vaultAddress).toBeUndefined();
    expect(posted[0]!.action).toMatchObject({ amount: "2.5", toPerp: true, nonce: T0 });
  });

  test("refused for its nonce is made and signed anew, once", async () => {
    const low = { status: "err", response: `Invalid nonce: nonce too low ${T0} < ${T0 + 500}` };
    const { exchange, posted } = client([low, OK]);
    const send = {
      destination: `0x${"1".repeat(40)}`,
      sourceDex: "",
      destinationDex: "xyz",
      token: "USDC",
      amount: "1",
    };
    await exchange.l1((nonce) => l1.agentSendAsset(send, nonce));
    expect(posted.map((p) => p.nonce === p.action["nonce"])).toEqual([true, true]);
    expect(posted[1]!.nonce).toBeGreaterThan(T0 + 500);
    const stubborn = client([low]);
    expect((await refusedBy(stubborn.exchange.l1(l1.noop()))).code).toBe("Refused");
    expect(stubborn.posted).toHaveLength(2);
  });

  test.each<[string, object | string | number, VenueError["code"], RegExp]>([
    [
      "refused as a whole",
      { status: "err", response: "Invalid leverage value" },
      "Refused",
      /^Invalid leverage value$/,
    ],
    [
      "refused by its element",
      {
        status: "ok",
        response: { type: "cancel", data: { statuses: [{ error: "Order was never placed" }] } },
      },
      "Refused",
      /never placed/,
    ],
    [
      "refused by its one status",
      {
        status: "ok",
        response: { type: "twapOrder", data: { status: { error: "Invalid TWAP duration: 1 min(s)" } } },
      },
      "Refused",
      /TWAP duration/,
    ],
    ["answered with 429", 429, "RateLimited", /noop: .* 429/],
    ["answered with 502, its outcome is unknown", 502, "ConnectionLost", /outcome is unknown/],
    ["answered with 422", 422, "HttpStatus", /422/],
    ["answered with HTML", "<html>", "BadResponse", /noop: the venue answers <html>/],
    ["answered with another shape", { status: "ok" }, "BadResponse", /noop/],
  ])("%s", async (_, answer, code, words) => {
    const error = await refusedBy(client([answer]).exchange.l1(l1.noop()));
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(words)]);
  });

  test("of a vault that is no address is refused before anything is sent", () => {
    expect(() => client([OK], { vaultAddress: "0x12" })).toThrow(/vault address "0x12" is not an address/);
  });
});

describe("the simulated exchange", () => {
  const master = signerOf(0x31);
  const friend = signerOf(0x32);
  const timers = fastTimers(1);
  let sim: SimServer;
  let endpoints: NetworkEndpoints;
  let info: InfoClient;
  beforeAll(async () => {
    sim = await startSimServer({
      port: 0,
      speed: 1,
      markets: [new OpenMarket({ coin: "BTC", szDecimals: 5, maxLeverage: 40, blockMs: 20, l2BookMs: 40 })],
      funding: { [master.address]: 200_000, [friend.address]: 1_000 },
      clock,
      timers,
      log: () => {},
    });
    endpoints = networkEndpoints("localhost", { port: sim.port });
    info = new InfoClient({ endpoints, clock, timers, rng: rng() });
  });
  afterAll(async () => {
    await sim.close();
  });
  const client = (signer: L1Signer, vaultAddress?: string): ExchangeClient =>
    new ExchangeClient({ endpoints, signer, clock, timers, vaultAddress });
  /** Answered, or refused for what it says: these texts would mean that the signature belongs to somebody else. */
  const understood = async (sent: Promise<unknown>, type: string): Promise<void> => {
    const error = await sent.then(
      () => undefined,
      (e: VenueError) => e,
    );
    if (error === undefined) return;
    expect([type, error.code], error.message).toEqual([type, "Refused"]);
    expect(error.message).not.toMatch(/does not exist|Must deposit|recover signer|deserialize/i);
  };

  test("verifies every kind of L1 action as ours: what it refuses, it refuses for its content", async () => {
    const exchange = client(master);
    await exchange.l1(l1.updateLeverage(0, true, 20));
    expect((await info.activeAssetData(master.address, "BTC")).leverage).toMatchObject({
      type: "cross",
      value: 20,
    });
    await exchange.l1(l1.noop());
    expect((await refusedBy(exchange.l1(l1.updateLeverage(0, true, 41)))).message).toMatch(
      /Invalid leverage/,
    );
    const missing = l1.cancelByCloid([{ asset: 0, cloid: `0x${"AB".repeat(16)}` }], true);
    expect((await refusedBy(exchange.l1(missing))).message).toMatch(/never placed/);
    const others = [
      l1.updateIsolatedMargin(0, -1_000_000),
      l1.topUpIsolatedOnlyMargin(0, "5.50"),
      l1.scheduleCancel(Date.now() + 60_000),
      l1.scheduleCancel(undefined),
      l1.cancel([{ asset: 0, oid: 4_000_000_000_000 }]),
      l1.twapOrder({
        asset: 0,
        isBuy: true,
        sz: "0.00001",
        reduceOnly: false,
        minutes: 5,
        isRandomised: false,
      }),
      l1.twapCancel(0, 77),
      l1.createSubAccount("sub1"),
      l1.subAccountTransfer(friend.address, true, 1_000_000),
      l1.reserveRequestWeight(1),
    ];
    for (const action of others) await understood(exchange.l1(action), action.type);
  });

  test("verifies every kind of user-signed action as ours", async () => {
    const exchange = client(master);
    const id = "USDC:0x6d1e7cde53ba9467b783cb7c530ce054";
    const to = friend.address;
    const send = { destination: to, sourceDex: "", destinationDex: "", token: id, amount: "1.50" };
    const actions = [
      user.usdSend(to, 12_340_000),
      user.spotSend(to, id, "1"),
      user.withdraw3(to, 5_000_000),
      user.usdClassTransfer(1_000_000, false),
      user.sendAsset(send),
      user.approveBuilderFee(to, "0.01%"),
    ];
    for (const action of actions) await understood(exchange.userSigned(action), action.kind);
    await understood(
      exchange.l1((nonce) => l1.agentSendAsset(send, nonce)),
      "agentSendAsset",
    );
    const before = Number((await info.clearinghouseState(to)).withdrawable);
    await exchange.userSigned(user.usdSend(to, 12_340_000));
    expect(Number((await info.clearinghouseState(to)).withdrawable) - before).toBeCloseTo(12.34, 6);
    // The judge can fail: a stranger's signature is not understood so.
    const stranger = client(signerOf(0x3f)).userSigned(user.usdSend(to, 1_000_000));
    await expect(understood(stranger, "usdSend")).rejects.toThrow();
  });

  test("approves an agent that then signs for the account, but not a transfer", async () => {
    const agent = signerOf(0x33);
    const approval = {
      ...{ exchange: client(master), info, account: master.address, agent: agent.address },
      ...{ name: "mm1", validUntilMs: Date.now() + 86_400_000, isReplacing: false, timers },
    };
    await approveAgent(approval);
    expect(await info.userRole(agent.address)).toEqual({ role: "agent", data: { user: master.address } });
    expect((await info.extraAgents(master.address)).map((a) => [a.name, a.address])).toEqual([
      ["mm1", agent.address],
    ]);
    await client(agent).l1(l1.updateLeverage(0, true, 7));
    expect((await info.activeAssetData(master.address, "BTC")).leverage.value).toBe(7);
    expect((await refusedBy(client(agent).userSigned(user.usdSend(friend.address, 1_000_000)))).code).toBe(
      "Refused",
    );

    const taken = await refusedBy(approveAgent({ ...approval, agent: signerOf(0x34).address }));
    expect(taken.message).toMatch(/agent mm1 exists \(0x.*--force/);
    const byAgent = { ...approval, exchange: client(agent), account: agent.address, name: "mm2" };
    expect((await refusedBy(approveAgent(byAgent))).message).toMatch(/only the account's own key/);
    const nobody = { ...approval, exchange: client(signerOf(0x35)), account: signerOf(0x35).address };
    expect((await refusedBy(approveAgent(nobody))).message).toMatch(/not known to this network/);

    const second = signerOf(0x36);
    await approveAgent({ ...approval, agent: second.address, isReplacing: true });
    expect((await refusedBy(client(agent).l1(l1.noop()))).code).toBe("Refused");
    await client(second).l1(l1.noop());
  });

  test("executes for a sub-account what its master signs, and says whose it is", async () => {
    const sub = sim.exchange.createSubAccount(sim.exchange.account(master.address)!, "desk");
    await client(master, sub.address).l1(l1.updateLeverage(0, true, 3));
    expect((await info.activeAssetData(sub.address, "BTC")).leverage.value).toBe(3);
    expect((await info.activeAssetData(master.address, "BTC")).leverage.value).not.toBe(3);
    expect((await refusedBy(client(friend, sub.address).l1(l1.noop()))).code).toBe("Refused");
    await checkVault(info, sub.address, master.address);
    await expect(checkVault(info, sub.address, friend.address)).rejects.toThrow(
      `vault_address ${sub.address} is a sub-account of ${master.address}, no vault or sub-account of ${friend.address}`,
    );
    await expect(checkVault(info, friend.address, master.address)).rejects.toThrow(/is "user" to the venue/);
  });

  test("names of agents are 1 to 16 printable characters", () => {
    expect(["mm1", "a".repeat(16), "", "a".repeat(17), "a b", "ä"].map(isAgentName)).toEqual([
      ...[true, true, false, false, false, false],
    ]);
  });
});

describe("an approval whose answer is lost", () => {
  const account = signerOf(1).address;
  const agent = signerOf(2).address;
  const LOST = { code: "Timeout" };
  function approval(isKnownAfter: number): Promise<void> {
    let asked = 0;
    const info = {
      extraAgents: () => Promise.resolve([]),
      userRole: (address: string) => {
        if (address === account) return Promise.resolve({ role: "user" });
        return Promise.resolve(
          ++asked > isKnownAfter ? { role: "agent", data: { user: account } } : { role: "missing" },
        );
      },
    } as unknown as InfoClient;
    const endpoints = networkEndpoints("localhost", { port: 1 });
    const exchange = new ExchangeClient({
      endpoints,
      signer: signerOf(1),
      clock,
      timers: { after: () => () => {}, every: () => () => {} },
      fetch: () => Promise.reject(new Error("socket hang up")),
    });
    const timers: Timers = {
      after: (_, fn) => {
        queueMicrotask(fn);
        return () => {};
      },
      every: () => () => {},
    };
    return approveAgent({ exchange, info, account, agent, name: "x", isReplacing: false, timers });
  }

  test("succeeds when the venue shows the agent after a while", async () => {
    await approval(3);
  });

  test("is in doubt when it never does", async () => {
    expect(await refusedBy(approval(Number.POSITIVE_INFINITY))).toMatchObject(LOST);
  });
});
