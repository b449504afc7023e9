import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Loose, order, SimClient } from "./client.js";
import { ALICE, alice, BOB, HIP3, openRig, type Rig, tradeOnce } from "./surface-rig.js";

let rig: Rig;
const DEFAULT = { status: "ok", response: { type: "default" } };
const usdc = (): string => `USDC:${rig.server.exchange.token("USDC")!.tokenId}`;

beforeAll(async () => {
  rig = await openRig();
});
afterAll(() => rig.close());

/** Signs typed data as a wallet does, and posts it over WebSocket. */
async function typed(
  c: SimClient,
  type: string,
  primaryType: string,
  fields: readonly (readonly [string, string])[],
  values: Record<string, unknown>,
): Promise<Loose> {
  return (await c.post("action", await c.typedEnvelope(primaryType, fields, { type, ...values }))).payload;
}

const usdSend = (c: SimClient, destination: string, amount: string): Promise<Loose> =>
  typed(
    c,
    "usdSend",
    "UsdSend",
    [
      ["destination", "string"],
      ["amount", "string"],
      ["time", "uint64"],
    ],
    {
      destination,
      amount,
    },
  );
const withdrawable = async (user: string, dex = ""): Promise<number> =>
  Number((await rig.a.info({ type: "clearinghouseState", user, dex })).withdrawable);

describe("money by typed data", () => {
  it("sends USDC to another account, and tells both in their ledgers", async () => {
    const before = await withdrawable(BOB);
    expect(await usdSend(rig.a, BOB, "12.5")).toEqual(DEFAULT);
    expect(await withdrawable(BOB)).toBe(before + 12.5);
    for (const user of [ALICE, BOB]) {
      const ledger = await rig.a.info({ type: "userNonFundingLedgerUpdates", user });
      expect(ledger.at(-1)).toEqual({
        time: expect.any(Number),
        hash: expect.stringMatching(/^0x[0-9a-f]{64}$/),
        delta: { type: "internalTransfer", usdc: "12.5", user: ALICE, destination: BOB, fee: "0.0" },
      });
    }
  });

  it("refuses more decimals than money has, and more than there is", async () => {
    expect(await usdSend(rig.a, BOB, "0.0000001")).toEqual({ status: "err", response: "Invalid send" });
    expect((await usdSend(rig.a, BOB, "999999999")).response).toContain("Insufficient balance");
  });

  it("moves USDC between spot and perps", async () => {
    const spotUsdc = async (): Promise<number> => {
      const { balances } = await rig.a.info({ type: "spotClearinghouseState", user: ALICE });
      return Number(balances.find((x: { coin: string }) => x.coin === "USDC").total);
    };
    const spotBefore = await spotUsdc();
    const before = await withdrawable(ALICE);
    const move = (toPerp: boolean, amount: string): Promise<Loose> =>
      typed(
        rig.a,
        "usdClassTransfer",
        "UsdClassTransfer",
        [
          ["amount", "string"],
          ["toPerp", "bool"],
          ["nonce", "uint64"],
        ],
        { amount, toPerp },
      );
    expect(await move(true, "100")).toEqual(DEFAULT);
    expect(await withdrawable(ALICE)).toBe(before + 100);
    expect(await spotUsdc()).toBe(spotBefore - 100);
  });

  it("sends the collateral of a dex out of it, and nothing else into it", async () => {
    const fields = [
      ["destination", "string"],
      ["sourceDex", "string"],
      ["destinationDex", "string"],
      ["token", "string"],
      ["amount", "string"],
      ["fromSubAccount", "string"],
      ["nonce", "uint64"],
    ] as const;
    const send = (sourceDex: string, destinationDex: string, token: string): Promise<Loose> =>
      typed(rig.a, "sendAsset", "SendAsset", fields, {
        destination: ALICE,
        sourceDex,
        destinationDex,
        token,
        amount: "5",
        fromSubAccount: "",
      });
    expect(await send("", "hyna", usdc())).toEqual({ status: "err", response: "Invalid send" });
    const before = await withdrawable(ALICE, "hyna");
    expect(await send("hyna", "spot", "USDE")).toEqual(DEFAULT);
    expect(await withdrawable(ALICE, "hyna")).toBe(before - 5);
  });

  it("withdraws for a dollar", async () => {
    const before = await withdrawable(ALICE);
    const fields = [
      ["destination", "string"],
      ["amount", "string"],
      ["time", "uint64"],
    ] as const;
    expect(await typed(rig.a, "withdraw3", "Withdraw", fields, { destination: ALICE, amount: "10" })).toEqual(
      DEFAULT,
    );
    expect(await withdrawable(ALICE)).toBeCloseTo(before - 10, 6);
  });

  it("finds another signer, not an error, when a field was changed on the way", async () => {
    const fields = [
      ["destination", "string"],
      ["amount", "string"],
      ["time", "uint64"],
    ] as const;
    const envelope = await rig.a.typedEnvelope("UsdSend", fields, {
      type: "usdSend",
      destination: BOB,
      amount: "1",
    });
    const changed = { ...envelope, action: { ...(envelope["action"] as object), amount: "2" } };
    expect((await rig.a.post("action", changed)).payload.response).toMatch(
      /^Must deposit before performing actions\. User: 0x[0-9a-f]{40}$/,
    );
  });
});

describe("agents over the socket", () => {
  it("approves one by typed data, which then trades, shows in userRole and extraAgents, and can be revoked", async () => {
    const agent = Wallet.createRandom();
    const address = agent.address.toLowerCase();
    const approve = (agentAddress: string): Promise<Loose> =>
      typed(
        rig.a,
        "approveAgent",
        "ApproveAgent",
        [
          ["agentAddress", "address"],
          ["agentName", "string"],
          ["nonce", "uint64"],
        ],
        { agentAddress, agentName: "mm1" },
      );
    expect(await approve(address)).toEqual(DEFAULT);
    expect(await rig.a.info({ type: "userRole", user: address })).toEqual({
      role: "agent",
      data: { user: ALICE },
    });
    expect(await rig.a.info({ type: "extraAgents", user: ALICE })).toEqual([
      { name: "mm1", address, validUntil: expect.any(Number) },
    ]);
    const c = await new SimClient(rig.server.port, new Wallet(agent.privateKey)).connect();
    const placed = await c.act(order({ isBuy: true, px: "90000", sz: "0.01", tif: "Alo" }));
    const { oid } = placed.response.data.statuses[0].resting;
    expect((await rig.a.info({ type: "orderStatus", user: ALICE, oid })).status).toBe("order");
    // Queries by the agent's own address are empty, not errors.
    expect(await rig.a.info({ type: "openOrders", user: address })).toEqual([]);
    expect(await approve(`0x${"0".repeat(40)}`)).toEqual(DEFAULT);
    expect((await c.act({ type: "noop" })).response).toBe(`User or API Wallet ${address} does not exist.`);
    await rig.a.act({ type: "cancel", cancels: [{ a: 0, o: oid }] });
    c.close();
  });
});

describe("sub-accounts", () => {
  it("is created, funded, renamed, traded for by vaultAddress, and nobody else's", async () => {
    const created = await rig.a.act({ type: "createSubAccount", name: "first" });
    expect(created).toEqual({
      status: "ok",
      response: { type: "createSubAccount", data: expect.stringMatching(/^0x[0-9a-f]{40}$/) },
    });
    const sub = created.response.data;
    const transfer = { type: "subAccountTransfer", subAccountUser: sub, isDeposit: true, usd: 1000e6 };
    expect(await rig.a.act(transfer)).toEqual(DEFAULT);
    expect(await rig.a.act({ type: "subAccountModify", subAccountUser: sub, name: "second" })).toEqual(
      DEFAULT,
    );
    expect(await rig.a.info({ type: "userRole", user: sub })).toEqual({
      role: "subAccount",
      data: { master: ALICE },
    });
    const [listed] = await rig.a.info({ type: "subAccounts", user: ALICE });
    expect(listed).toMatchObject({ name: "second", subAccountUser: sub, master: ALICE });
    expect(listed.clearinghouseState.withdrawable).toBe("1000.0");

    const placed = await rig.a.act(order({ isBuy: true, px: "90000", sz: "0.01", tif: "Alo" }), sub);
    const { oid } = placed.response.data.statuses[0].resting;
    expect((await rig.a.info({ type: "openOrders", user: sub }))[0].oid).toBe(oid);
    expect(await rig.a.info({ type: "openOrders", user: ALICE })).toEqual([]);
    expect(await rig.b.act({ type: "noop" }, sub)).toEqual({
      status: "err",
      response: `Vault not registered: ${sub}`,
    });
    await rig.a.act({ type: "cancel", cancels: [{ a: 0, o: oid }] }, sub);
  });
});

describe("leverage", () => {
  it("switches to isolated without a position, moves margin with one, and has the venue's words for the rest", async () => {
    const set = (isCross: boolean, leverage: number): Promise<Loose> =>
      rig.b.act({ type: "updateLeverage", asset: 0, isCross, leverage });
    const move = (ntli: number): Promise<Loose> =>
      rig.b.act({ type: "updateIsolatedMargin", asset: 0, isBuy: true, ntli });
    expect((await move(1e6)).response).toBe("Position does not use isolated margin.");
    expect((await set(false, 41)).response).toBe("Invalid leverage value");
    expect(await set(false, 10)).toEqual(DEFAULT);
    await tradeOnce(rig);
    expect((await set(true, 10)).response).toBe("Cannot switch leverage type with open position.");
    const margin = async (): Promise<Loose> =>
      (await rig.b.info({ type: "clearinghouseState", user: BOB })).assetPositions[0].position;
    const before = await margin();
    expect(before.leverage).toEqual({ type: "isolated", value: 10, rawUsd: expect.any(String) });
    expect(await move(25e6)).toEqual(DEFAULT);
    expect(Number((await margin()).leverage.rawUsd)).toBeCloseTo(Number(before.leverage.rawUsd) + 25, 5);
    expect(await move(-5e6)).toEqual(DEFAULT);
  });

  it("trades a HIP-3 market by its asset id, in a dex of its own", async () => {
    await tradeOnce(rig, 110_000);
    const state = await rig.b.info({ type: "clearinghouseState", user: BOB, dex: "hyna" });
    expect(state.assetPositions[0].position.coin).toBe(HIP3);
    expect((await rig.b.info({ type: "userFills", user: BOB }))[0]).toMatchObject({
      coin: HIP3,
      feeToken: "USDE",
    });
  });

  it("buys request weight from the perp balance", async () => {
    await rig.a.act({ type: "reserveRequestWeight", weight: 2000 });
    expect((await rig.a.info({ type: "userRateLimit", user: ALICE })).nRequestsSurplus).toBeGreaterThan(1900);
  });
});

it("keeps settings, and says what it does not simulate", async () => {
  expect(await rig.a.act({ type: "evmUserModify", usingBigBlocks: true })).toEqual(DEFAULT);
  expect(await rig.a.act({ type: "agentSetAbstraction", abstraction: "u" })).toEqual(DEFAULT);
  expect(await rig.a.info({ type: "userAbstraction", user: alice.address })).toBe("unifiedAccount");
  await typed(
    rig.a,
    "approveBuilderFee",
    "ApproveBuilderFee",
    [
      ["maxFeeRate", "string"],
      ["builder", "address"],
      ["nonce", "uint64"],
    ],
    { maxFeeRate: "0.01%", builder: BOB },
  );
  expect(await rig.a.info({ type: "maxBuilderFee", user: ALICE, builder: BOB })).toBe(10);
  expect((await rig.a.act({ type: "vaultDistribute", vaultAddress: BOB, usd: 1 })).response).toContain(
    "does not simulate",
  );
});
