/** Transfers: where money arrives, what is refused with which words, and what the ledger says. */
import { describe, expect, it } from "vitest";
import { Side } from "../../src/domain/index.js";
import { address, NOW, Rig } from "./exchange-rig.js";

const USD = 1e6;

describe("transfers", () => {
  it("moves USDC between the first dex and spot, to the last decimal of both", () => {
    const rig = new Rig();
    const { exchange } = rig;
    const { transfers, usdc } = exchange;
    const user = rig.user(1, 100);
    expect(transfers.usdClassTransfer(user, 25_000_001, false, NOW)).toBeUndefined();
    expect(user.spot.balance(usdc).totalWei).toBe(25_000_001 * 100);
    expect(transfers.usdClassTransfer(user, 26 * USD, true, NOW)).toBe(
      "Insufficient balance for token transfer",
    );
    expect(transfers.usdClassTransfer(user, 25_000_001, true, NOW)).toBeUndefined();
    expect(rig.cash(user)).toBe(100);
    expect(user.ledger.map((l) => l.delta)).toEqual([
      { type: "deposit", usdc: "100.0" },
      { type: "accountClassTransfer", usdc: "25.000001", toPerp: false },
      { type: "accountClassTransfer", usdc: "25.000001", toPerp: true },
    ]);
  });

  it("lets only what margin allows leave a dex: the larger of initial margin and a tenth of the notional stays", () => {
    const rig = new Rig();
    const market = rig.perp("ETH", 1000);
    const user = rig.user(1, 1000);
    rig.cross(user, rig.house(1), market, Side.Buy, 1000, 2);
    const { transfers } = rig.exchange;
    // 999.1 of equity; 2000 at 20x needs 100, a tenth of it 200.
    expect(transfers.withdraw3(user, address(7), 799_100_001, NOW)).toBe(
      "Insufficient balance for withdrawal",
    );
    expect(transfers.withdraw3(user, address(7), 799_100_000, NOW)).toBeUndefined();
    expect(rig.cash(user)).toBeCloseTo(200, 9);
    const pot = rig.exchange.dexPot(0);
    expect([pot.withdrawals, pot.fees]).toEqual([798_100_000, 1 * USD + 0.9 * USD]);
    expect(user.ledger.at(-1)!.delta).toMatchObject({ type: "withdraw", usdc: "798.1", fee: "1.0" });
  });

  it("a new address costs its first sender a dollar, a known one nothing", () => {
    const rig = new Rig();
    const { transfers } = rig.exchange;
    const user = rig.user(1, 100);
    expect(transfers.usdSend(user, address(2), 100 * USD, NOW)).toBe("Insufficient balance for withdrawal");
    expect(rig.exchange.account(address(2))).toBeUndefined();
    expect(transfers.usdSend(user, address(2), 50 * USD, NOW)).toBeUndefined();
    expect(transfers.usdSend(user, address(2), 10 * USD, NOW)).toBeUndefined();
    const other = rig.exchange.account(address(2))!;
    expect([rig.cash(user), rig.cash(other)]).toEqual([39, 60]);
    expect(other.ledger.map((l) => l.delta["fee"])).toEqual(["1.0", "0.0"]);
    expect(other.ledger[0]!.delta).toMatchObject({
      type: "internalTransfer",
      user: user.address,
      destination: other.address,
    });
  });

  it("reads amounts like the venue: six decimals of USDC, nothing negative, nothing else", () => {
    const { transfers } = new Rig().exchange;
    expect(transfers.parseUsd("1.000001")).toBe(1_000_001);
    for (const bad of ["1.0000001", "0", "-1", "1e3", "", "abc"])
      expect(transfers.parseUsd(bad)).toBeUndefined();
  });

  it("sendAsset funds a HIP-3 dex with its own collateral and nothing else", () => {
    const rig = new Rig();
    const { exchange } = rig;
    const usde = exchange.token("USDE")!;
    const user = rig.user(1, 100);
    exchange.depositSpot(user.address, usde, 100e8);
    const send = (from: string, to: string, token: string, amount: string, destination = user.address) =>
      exchange.transfers.sendAsset(user, destination, from, to, token, amount, NOW);
    const id = `USDE:${usde.tokenId}`;
    expect(send("spot", "hyna", id, "40.5")).toBeUndefined();
    expect(rig.cash(user, 1)).toBe(40.5);
    expect(send("", "hyna", "USDC", "1")).toBe("Invalid send");
    expect(send("spot", "nope", id, "1")).toBe("Invalid send");
    expect(send("spot", "hyna", "USDE:0xff", "1")).toBe("Invalid send");
    expect(send("spot", "hyna", id, "0.0000001")).toBe("Invalid send");
    expect(send("hyna", "hyna", id, "1")).toBe("Invalid send");
    expect(send("hyna", "spot", id, "41")).toBe("Insufficient balance for withdrawal");
    expect(send("hyna", "spot", id, "0.5", rig.user(2, 0).address)).toBeUndefined();
    expect(exchange.account(address(2))!.spot.balance(usde).totalWei).toBe(0.5e8);
    expect(user.ledger.at(-1)!.delta).toMatchObject({
      type: "send",
      sourceDex: "hyna",
      destinationDex: "spot",
      token: "USDE",
      amount: "0.5",
    });
  });

  it("spot tokens on hold for orders can't be sent", () => {
    const rig = new Rig();
    const { exchange } = rig;
    const market = rig.list("@107", 40);
    const hype = exchange.token("HYPE")!;
    const user = rig.user(1, 0);
    rig.user(2, 0);
    exchange.depositSpot(user.address, hype, 100e8);
    const order = rig.place(user, market, Side.Sell, 41, 60).order!;
    expect(user.spot.balance(hype).holdWei).toBe(60e8);
    expect(rig.place(user, market, Side.Sell, 42, 41).status).toEqual({
      error: "Order has insufficient spot balance to trade asset=10107",
    });
    expect(exchange.transfers.spotSend(user, address(2), hype, 41e8, NOW)).toBe(
      "Insufficient balance for token transfer",
    );
    expect(exchange.transfers.spotSend(user, address(2), hype, 40e8, NOW)).toBeUndefined();
    exchange.cancel(order, NOW);
    expect(user.spot.balance(hype).holdWei).toBe(0);
    expect(rig.place(user, market, Side.Sell, 41, 60, { isReduceOnly: true }).status).toMatchObject({
      error: expect.stringContaining("Reduce-only is invalid for spot trading."),
    });
  });

  it("sub-accounts belong to their master: others neither trade for them nor take from them", () => {
    const rig = new Rig();
    const { exchange } = rig;
    const [master, stranger] = [rig.user(1, 100), rig.user(2, 100)];
    const sub = exchange.createSubAccount(master, "one");
    const { transfers } = exchange;
    expect(transfers.subAccountTransfer(master, sub.address, true, 60 * USD, NOW)).toBeUndefined();
    expect(transfers.subAccountTransfer(stranger, sub.address, false, 10 * USD, NOW)).toMatch(
      /not registered/,
    );
    expect(transfers.subAccountTransfer(master, sub.address, false, 10 * USD, NOW)).toBeUndefined();
    expect([rig.cash(master), rig.cash(sub)]).toEqual([50, 50]);
    expect(exchange.accountFor(master, sub.address)).toBe(sub);
    expect(exchange.accountFor(stranger, sub.address)).toBeUndefined();
    expect(exchange.accountFor(master, undefined)).toBe(master);
    const send = (to: string) => transfers.agentSendAsset(master, to, "", "", "USDC", "1", NOW);
    expect(send(stranger.address)).toBe("Agent can only send asset to same user or their sub-accounts.");
    expect(send(sub.address)).toBeUndefined();
  });

  it("a vault gives its depositors back what they put in, and no more", () => {
    const rig = new Rig();
    const { exchange } = rig;
    const [leader, friend] = [rig.user(1, 100), rig.user(2, 100)];
    const vault = exchange.createVault(leader, "v");
    const move = (who: typeof leader, isDeposit: boolean, usd: number, to = vault.address) =>
      exchange.transfers.vaultTransfer(who, to, isDeposit, usd * USD, NOW);
    expect(move(friend, true, 30, leader.address)).toBe(`Vault not registered: ${leader.address}`);
    expect(move(friend, true, 30)).toBeUndefined();
    expect(move(friend, false, 31)).toBe("Insufficient balance for withdrawal");
    expect(move(friend, false, 30)).toBeUndefined();
    expect([rig.cash(friend), rig.cash(vault)]).toEqual([100, 0]);
    expect(exchange.accountFor(leader, vault.address)).toBe(vault);
    expect(exchange.accountFor(friend, vault.address)).toBeUndefined();
  });
});

describe("listings", () => {
  it("wire ids follow the place in dex and pair, not the order of listing", () => {
    const rig = new Rig();
    const coins = ["@107", "flx:ETH", "BTC", "hyna:ETH", "hyna:BTC", "PURR/USDC", "ETH"];
    const ids = coins.map((coin) => rig.list(coin, 100).venueAssetId);
    expect(ids).toEqual([10_107, 120_000, 0, 110_000, 110_001, 10_000, 1]);
    for (const [n, id] of ids.entries()) {
      expect(rig.exchange.marketOfAsset(id)).toBe(rig.exchange.markets[n]);
      expect(rig.exchange.markets[n]!.coin).toBe(coins[n]);
    }
    expect(rig.exchange.dexs.map((d) => [d.name, d.collateral.name, d.markets.length])).toEqual([
      ["", "USDC", 2],
      ["hyna", "USDE", 2],
      ["flx", "USDH", 1],
    ]);
  });

  it("refuses a grid that does not fit, an unknown dex, and a second listing", () => {
    const rig = new Rig();
    const { instrument, book } = rig.perp("BTC", 100);
    const list = (change: object) => () => rig.exchange.addMarket({ ...instrument, ...change }, book);
    expect(list({})).toThrow(RangeError);
    expect(list({ coin: "xxx:BTC" })).toThrow(/no such dex/);
    expect(list({ coin: "DOT", pxDecimals: 2 })).toThrow(/must add to 6/);
    expect(list({ coin: "PURR/USDC" })).toThrow(/must add to 8/);
  });
});
