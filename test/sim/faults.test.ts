import { describe, expect, test } from "vitest";
import { Rng } from "../../src/domain/index.js";
import {
  FaultRuleError,
  parseFaultFile,
  parseFaultRules,
  parseFaultText,
} from "../../src/sim/fault-rules.js";
import { type Decision, FAULT_KINDS, type FaultPoint, Faults } from "../../src/sim/faults.js";

const book: FaultPoint = { at: "push", stream: "public", channel: "l2Book", connection: 1 };
const fills: FaultPoint = { at: "push", stream: "private", channel: "userFills", connection: 2 };
const order: FaultPoint = {
  at: "request",
  stream: "post",
  endpoint: "exchange",
  action: "order",
  connection: 2,
};
const info: FaultPoint = {
  at: "request",
  stream: "http",
  endpoint: "info",
  action: "openOrders",
  connection: 0,
};
const fill: FaultPoint = { at: "fill" };

const run = (faults: Faults, point: FaultPoint, n: number): Decision[] =>
  Array.from({ length: n }, (_, i) => faults.decide(point, i));
const hits = (decisions: readonly Decision[]): number => decisions.filter((d) => !d.isClean).length;

describe("decisions", () => {
  test("no rule, no fault, and no object per decision", () => {
    const faults = new Faults([], new Rng(1));
    expect(faults.isEmpty).toBe(true);
    expect(faults.decide(book, 0)).toBe(faults.decide(order, 1));
    expect(faults.decide(fill, 0).isClean).toBe(true);
  });

  test("one seed, one sequence; another seed, another", () => {
    const rules = [
      parseFaultText("delay:rate=0.3,ms=1..1000"),
      parseFaultText("loss:rate=0.2"),
      parseFaultText("duplicate:rate=0.2"),
    ];
    const play = (seed: number): unknown => run(new Faults(rules, new Rng(seed)), order, 300);
    expect(play(7)).toEqual(play(7));
    expect(play(7)).not.toEqual(play(8));
  });

  test("a rule fires at its rate, and its range is met to both ends", () => {
    const faults = new Faults([parseFaultText("delay:rate=0.1,ms=10..12")], new Rng(3));
    const decisions = run(faults, book, 5000).filter((d) => !d.isClean);
    expect(decisions.length).toBeGreaterThan(400);
    expect(decisions.length).toBeLessThan(600);
    expect(new Set(decisions.map((d) => d.delayMs))).toEqual(new Set([10, 11, 12]));
    expect(faults.counts().delay).toBe(decisions.length);
  });

  test("a rule's dice do not depend on the other rules", () => {
    const delays = (others: string[]): number[] =>
      run(
        new Faults([parseFaultText("delay:rate=0.5"), ...others.map(parseFaultText)], new Rng(11)),
        order,
        200,
      ).map((d) => d.delayMs);
    expect(delays([])).toEqual(delays(["loss:rate=0.5", "http5xx:rate=0.3"]));
  });

  test.each([
    ["stream", "loss:rate=1,stream=private", [false, true, false, false]],
    ["channel", "loss:rate=1,channel=l2Book", [true, false, false, false]],
    ["action", "loss:rate=1,action=order", [false, false, true, false]],
    ["endpoint", "loss:rate=1,action=info", [false, false, false, true]],
    ["connection", "loss:rate=1,connection=2", [false, true, true, false]],
    ["stream of requests", "http429:rate=1,stream=http", [false, false, false, true]],
    ["refusals are of actions alone", "reject:rate=1", [false, false, true, false]],
    ["books are of book channels alone", "crossedBook:rate=1", [true, false, false, false]],
    ["storms are of the market alone", "partialFills:rate=1", [false, false, false, false]],
  ])("where: %s", (_name, text, expected) => {
    const faults = new Faults([parseFaultText(text)], new Rng(1));
    const seen = [book, fills, order, info].map((point) => !faults.decide(point, 0).isClean);
    expect(seen).toEqual(expected);
  });

  test("from and until bound a rule in time, count in number", () => {
    const faults = new Faults([parseFaultText("loss:rate=1,from=10,until=20,count=4")], new Rng(1));
    expect(run(faults, book, 30).map((d) => d.isLost)).toEqual(
      Array.from({ length: 30 }, (_, i) => i >= 10 && i < 14),
    );
    const windowed = new Faults([parseFaultText("loss:rate=1,from=10,until=20")], new Rng(1));
    expect(hits(run(windowed, book, 30))).toBe(10);
  });

  test("a stale book stands for its time on its own channel and connection", () => {
    const faults = new Faults([parseFaultText("staleBook:rate=1,ms=100,count=1")], new Rng(1));
    expect(faults.decide(book, 0).book).toBe("stale");
    // The rule is spent: what stays stale is what it began.
    expect(faults.decide({ ...book, connection: 9 }, 50).isClean).toBe(true);
    expect(faults.decide({ ...book, channel: "bbo" }, 50).isClean).toBe(true);
    expect(faults.decide(book, 99).book).toBe("stale");
    expect(faults.decide(book, 100).isClean).toBe(true);
    const standing = new Faults([parseFaultText("staleBook:rate=0.02,ms=50")], new Rng(5));
    const seen = run(standing, book, 2000).map((d) => d.book === "stale");
    const first = seen.indexOf(true);
    expect(seen.slice(first, first + 50)).toEqual(Array.from({ length: 50 }, () => true));
    expect(standing.counts().staleBook).toBeLessThan(seen.filter(Boolean).length / 20);
  });

  test("a lost request took effect or did not, by part or by a coin", () => {
    const executed = (text: string): Set<boolean> =>
      new Set(run(new Faults([parseFaultText(text)], new Rng(2)), order, 50).map((d) => d.isExecuted));
    expect(executed("loss:rate=1,part=request")).toEqual(new Set([false]));
    expect(executed("loss:rate=1,part=answer")).toEqual(new Set([true]));
    expect(executed("http5xx:rate=1")).toEqual(new Set([false, true]));
    const held = new Faults([parseFaultText("delay:rate=1,part=answer")], new Rng(2)).decide(order, 0);
    expect(held).toMatchObject({ isAnswerDelayed: true, isLost: false });
  });

  test("every kind shows in its decision and its count", () => {
    const shows: Record<(typeof FAULT_KINDS)[number], (d: Decision) => boolean> = {
      delay: (d) => d.delayMs >= 50,
      loss: (d) => d.isLost,
      duplicate: (d) => d.copies === 2,
      reorder: (d) => d.reorderMs >= 20,
      disconnect: (d) => d.isDisconnect,
      http429: (d) => d.httpStatus === 429,
      http5xx: (d) => d.httpStatus >= 500,
      reject: (d) => d.reject !== undefined,
      staleBook: (d) => d.book === "stale",
      crossedBook: (d) => d.book === "crossed",
      partialFills: (d) => d.pieces >= 2,
      clockSkew: (d) => d.skewMs !== 0,
    };
    for (const kind of FAULT_KINDS) {
      const faults = new Faults([{ kind, rate: 1 }], new Rng(4));
      const decisions = [book, order, fill].map((point) => faults.decide(point, 0));
      expect(decisions.some(shows[kind]), kind).toBe(true);
      expect(faults.counts()[kind], kind).toBe(hits(decisions));
      for (const other of FAULT_KINDS) {
        if (other !== kind) expect(decisions.some(shows[other]), `${kind} is not ${other}`).toBe(false);
      }
    }
  });

  test("set replaces the rules and keeps the counts", () => {
    const faults = new Faults([parseFaultText("loss:rate=1")], new Rng(1));
    faults.decide(book, 0);
    faults.set([parseFaultText("delay:rate=1")]);
    expect(faults.decide(book, 1).isLost).toBe(false);
    expect(faults.counts()).toMatchObject({ loss: 1, delay: 1 });
    expect(faults.rules()).toMatchObject([{ rule: { kind: "delay" }, hits: 1 }]);
    faults.set([]);
    expect(faults.decide(book, 2).isClean).toBe(true);
  });
});

describe("rules as text", () => {
  test("command line, TOML and JSON give the same rules", () => {
    const text = ["loss:rate=0.01,stream=private", "delay:rate=1,ms=50..200,action=order,from=1000,count=3"];
    const toml = `
[[fault]]
kind = "loss"
rate = 0.01
stream = "private"
[[fault]]
kind = "delay"
rate = 1
ms = [50, 200]
action = "order"
from = 1000
count = 3
`;
    const rules = text.map(parseFaultText);
    expect(rules).toEqual([
      { kind: "loss", rate: 0.01, where: { stream: "private" } },
      { kind: "delay", rate: 1, where: { action: "order" }, ms: [50, 200], fromMs: 1000, count: 3 },
    ]);
    expect(parseFaultFile(toml, "f.toml")).toEqual(rules);
    const json = [
      { kind: "loss", rate: 0.01, stream: "private" },
      { kind: "delay", rate: 1, ms: [50, 200], action: "order", from: 1000, count: 3 },
    ];
    expect(parseFaultFile(JSON.stringify(json), "f.json")).toEqual(rules);
    expect(parseFaultFile(JSON.stringify({ fault: json }), "f.json")).toEqual(rules);
    expect(parseFaultRules(text, "control")).toEqual(rules);
    expect(parseFaultText("clockSkew:rate=1,ms=-500..500").ms).toEqual([-500, 500]);
  });

  test.each([
    ["", /kind ""; want one of delay, loss/],
    ["lost:rate=1", /fault "lost:rate=1": unknown kind "lost"; want one of delay, loss/],
    ["loss", /rate is missing; want a number from 0 to 1/],
    ["loss:rate=2", /rate is 2; want a number from 0 to 1/],
    ["loss:rate=often", /rate is "often"; want a number/],
    ["loss:rat=1", /unknown key "rat"; want kind, rate/],
    ["loss:rate", /"rate" is not key=value/],
    ["loss:rate=1,rate=0.5", /"rate" is given twice/],
    ["loss:rate=1,stream=tcp", /unknown stream "tcp"; want one of public, private, http, post/],
    ["loss:rate=1,ms=5", /loss takes no ms/],
    ["delay:rate=1,ms=200..50", /ms is \[200,50\]; want whole numbers/],
    ["delay:rate=1,ms=1..2..3", /ms is \[1,2,3\]/],
    ["delay:rate=1,ms=-5", /ms is -5; want whole numbers from 0/],
    ["delay:rate=1,pieces=3", /takes no pieces/],
    ["http429:rate=1,stream=public", /http429 happens to requests only/],
    ["staleBook:rate=1,stream=http", /staleBook happens to pushed frames only/],
    ["loss:rate=1,channel=bbo,action=order", /want one or the other/],
    ["partialFills:rate=1,stream=public", /happens in the market/],
    ["reject:rate=1,action=order,part=answer", /takes no part/],
    ["loss:rate=1,from=5,until=5", /until=5 is not after from=5/],
    ["loss:rate=1,count=1.5", /count is 1.5; want a whole number/],
    ["loss:rate=1,connection=0", /connection is 0/],
  ])("refuses %j", (text, message) => {
    expect(() => parseFaultText(text)).toThrow(message);
    expect(() => parseFaultText(text)).toThrow(FaultRuleError);
  });

  test("an error in a file names the file and the rule", () => {
    expect(() =>
      parseFaultFile('[[fault]]\nkind = "loss"\nrate = 1\n[[fault]]\nkind = "x"\n', "bad.toml"),
    ).toThrow(/^bad\.toml: rule 2: unknown kind "x"/);
    expect(() => parseFaultFile("[[fault]", "bad.toml")).toThrow(/^bad\.toml: /);
    expect(() => parseFaultFile("{", "bad.json")).toThrow(/^bad\.json: /);
    expect(() => parseFaultFile("[faults]\nx = 1", "bad.toml")).toThrow(
      /unknown entry "faults"; want \[\[fault\]\]/,
    );
    expect(() => parseFaultFile("", "empty.toml")).toThrow(/no rule/);
  });
});
