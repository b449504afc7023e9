import { describe, expect, it } from "vitest";
import type { Account } from "../../src/sim/account.js";
import type { Action, Envelope } from "../../src/sim/actions.js";
import { Exchange } from "../../src/sim/exchange.js";
import { ActionExecutor } from "../../src/sim/execute.js";
import { Agents, builderRate, ZERO_ADDRESS } from "../../src/sim/permissions.js";

const NOW = 1_760_000_000_000;
const DAY = 86_400_000;
const MASTER = `0x${"11".repeat(20)}`;
const agent = (n: number): string => `0x${(0xa0 + n).toString(16).repeat(20)}`;

function book(): {
  agents: Agents;
  account: Account;
  approve: (n: number, name: string, subs?: number) => string | undefined;
} {
  const agents = new Agents();
  const account = new Exchange().deposit(MASTER, 1e6);
  const approve = (n: number, name: string, subs = 0): string | undefined =>
    agents.approve(account, agent(n), name, NOW, subs, (a) => a === MASTER);
  return { agents, account, approve };
}

describe("agents", () => {
  it("allows one unnamed and three named agents, and two more per sub-account", () => {
    const { approve } = book();
    expect([approve(0, ""), approve(1, "one"), approve(2, "two"), approve(3, "three")]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(approve(4, "four")).toBe("Too many extra agents for cumulative volume traded. Current limit is 3");
    expect(approve(4, "four", 1)).toBeUndefined();
  });

  it("deregisters the former agent of the same name, named or not", () => {
    const { agents, account, approve } = book();
    const removed: string[] = [];
    agents.onRemoved = (address) => removed.push(address);
    approve(0, "");
    approve(1, "one");
    approve(2, "");
    approve(3, "one");
    expect(removed).toEqual([agent(0), agent(1)]);
    expect(agents.of(account).map((a) => a.address)).toEqual([agent(2), agent(3)]);
  });

  it("revokes by the zero address under the same name", () => {
    const { agents, account, approve } = book();
    approve(1, "one");
    expect(agents.approve(account, ZERO_ADDRESS, "one", NOW, 0, () => false)).toBeUndefined();
    expect(agents.get(agent(1))).toBeUndefined();
  });

  it("reads valid_until out of the name, at most 180 days ahead and not in the past", () => {
    const { agents, approve } = book();
    expect(approve(1, `mm1 valid_until ${NOW + DAY}`)).toBeUndefined();
    expect(agents.get(agent(1))).toMatchObject({ name: "mm1", validUntilMs: NOW + DAY });
    expect(approve(2, `mm2 valid_until ${NOW - 1}`)).toBe("Agent valid_until already expired.");
    expect(approve(2, `mm2 valid_until ${NOW + 181 * DAY}`)).toContain("too far");
    expect(approve(2, "a name of more than 16")).toContain("16 characters");
  });

  it("refuses an address that is an agent already or has an account", () => {
    const { agents, account, approve } = book();
    approve(1, "one");
    expect(approve(1, "two")).toBe("Extra agent already used.");
    expect(agents.approve(account, MASTER, "two", NOW, 0, (a) => a === MASTER)).toBe(
      "Extra agent already used.",
    );
  });
});

describe("builder fees", () => {
  it.each([
    ["0.001%", 1],
    ["0.1%", 100],
    ["1%", 1000],
    ["0.0001%", undefined],
    ["1", undefined],
    ["-1%", undefined],
  ])("reads %s", (text, expected) => {
    expect(builderRate(text)).toBe(expected);
  });
});

describe("who may sign", () => {
  const envelope = (action: Action, nonce: number): Envelope => ({
    action,
    nonce,
    signature: { r: "0x1", s: "0x1", v: 27 },
    vaultAddress: undefined,
    expiresAfter: undefined,
  });
  const approval = (address: string, agentName: string, nonce: number): Action => ({
    type: "approveAgent",
    hyperliquidChain: "Testnet",
    signatureChainId: "0x66eee",
    agentAddress: address,
    agentName,
    nonce,
  });

  function setup(): (signer: string, action: Action, nonce: number, wallMs?: number) => unknown {
    const exchange = new Exchange();
    exchange.deposit(MASTER, 1e6);
    const executor = new ActionExecutor(exchange);
    return (signer, action, nonce, wallMs = NOW) =>
      executor.execute(signer, envelope(action, nonce), wallMs, wallMs).response;
  }

  it("lets an agent trade until it expires", () => {
    const act = setup();
    expect(act(agent(1), { type: "noop" }, NOW)).toBe(`User or API Wallet ${agent(1)} does not exist.`);
    expect(act(MASTER, approval(agent(1), `a valid_until ${NOW + DAY}`, NOW), NOW)).toEqual({
      type: "default",
    });
    expect(act(agent(1), { type: "noop" }, NOW + 1)).toEqual({ type: "default" });
    expect(act(agent(1), { type: "noop" }, NOW + 2, NOW + DAY)).toBe(
      `User or API Wallet ${agent(1)} does not exist.`,
    );
  });

  it("lets only the account's own key sign typed data", () => {
    const act = setup();
    act(MASTER, approval(agent(1), "", NOW), NOW);
    expect(act(agent(1), approval(agent(2), "", NOW), NOW)).toBe(
      `Must deposit before performing actions. User: ${agent(1)}`,
    );
  });

  it("refuses typed data whose nonce is not the request's", () => {
    const act = setup();
    expect(act(MASTER, approval(agent(1), "", NOW), NOW + 1)).toContain("Invalid nonce");
  });

  it("forgets the nonces of a deregistered agent", () => {
    const act = setup();
    act(MASTER, approval(agent(1), "", NOW), NOW);
    act(agent(1), { type: "noop" }, NOW + 5);
    expect(act(agent(1), { type: "noop" }, NOW + 5)).toBe(`Invalid nonce: duplicate nonce ${NOW + 5}`);
    act(MASTER, approval(agent(2), "", NOW + 1), NOW + 1);
    expect(act(agent(1), { type: "noop" }, NOW + 6)).toContain("does not exist");
    act(MASTER, approval(agent(1), "", NOW + 2), NOW + 2);
    expect(act(agent(1), { type: "noop" }, NOW + 5)).toEqual({ type: "default" });
  });
});
