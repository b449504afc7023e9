import { Side } from "../domain/index.js";
import {
  JournalKind,
  JournalStream,
  type RunJournal,
  readTurns,
  TurnEntry,
  TurnKind,
} from "../store/index.js";
import { readSetup } from "./replay.js";
import type { SessionSetup } from "./session-setup.js";

/** One fill as the venue told it. Times: ms since the epoch, of the venue's clock and of ours. */
export interface RunFill {
  readonly coin: string;
  readonly side: Side;
  readonly px: number;
  readonly sz: number;
  readonly feeUsd: number;
  readonly isMaker: boolean;
  /** Position before it, base units. */
  readonly startPos: number;
  readonly oid: number;
  readonly tid: number;
  readonly exchMs: number;
  readonly recvMs: number;
}

/** What the answer said of one order; undefined: it was no answer, or refused as a whole. */
export type RunStatus = { readonly oid: number } | "success" | "error" | undefined;

/** An order as it was sent. */
export interface RunRequestOrder {
  readonly cloid: string;
  readonly venueAssetId: number;
  readonly side: Side;
  readonly px: number;
  readonly sz: number;
}

/** One request of orders. */
export interface RunRequest {
  readonly kind: "place" | "modify" | "cancel";
  readonly sentMs: number;
  /** NaN: never answered. */
  answeredMs: number;
  /** Client ids of the orders that it places; none of a cancel. */
  readonly cloids: readonly string[];
  /** As many; of a cancel, the orders to be cancelled with nothing but their ids. */
  readonly orders: readonly RunRequestOrder[];
  statuses: readonly RunStatus[];
}

/** What the venue said of an order of ours. */
export interface RunOrderUpdate {
  readonly coin: string;
  readonly side: Side;
  readonly px: number;
  readonly sz: number;
  readonly oid: number;
  readonly cloid: string | undefined;
  readonly status: string;
  readonly exchMs: number;
  readonly recvMs: number;
}

/** What a run's own journal says of its trading. */
export interface RunFacts {
  readonly setup: SessionSetup;
  /** Our wall clock, ms, at zero of the journal's monotonic one. */
  readonly monoZeroMs: number;
  /** First step of trading, and the end of it: ms since the epoch, our clock. */
  readonly startMs: number;
  readonly stopMs: number;
  readonly fills: readonly RunFill[];
  /** Positive: received. */
  readonly fundings: readonly { readonly coin: string; readonly usd: number; readonly exchMs: number }[];
  readonly requests: readonly RunRequest[];
  readonly updates: readonly RunOrderUpdate[];
}

const POST = /^\{"method":"post","id":(\d+)/;

/**
 * Reads fills, payments, requests and order updates out of a journal. Fills are counted once, however often they were repeated.
 * @throws {JournalError} As `readSetup`.
 */
export function readRunFacts(journal: RunJournal): RunFacts {
  const { setup, reader } = readSetup(journal);
  const records = reader();
  const coins = new Set(setup.instruments.map((i) => i.coin));
  const fills = new Map<string, RunFill>();
  const fundings = new Map<string, RunFacts["fundings"][number]>();
  const requests = new Map<number | string, RunRequest>();
  /** Of a paper run, whose requests have no numbers, by the orders they place. */
  const byCloid = new Map<string, RunRequest>();
  const updates: RunOrderUpdate[] = [];
  let startMs = Number.NaN;
  let stopMs = Number.NaN;
  let lastMs = 0;
  let monoZeroMs = 0;
  const takeFills = (list: readonly Raw[], recvMs: number): void => {
    for (const f of list) {
      const key = `${f["coin"]}|${f["tid"]}|${f["oid"]}|${f["startPosition"]}|${f["sz"]}`;
      if (!coins.has(String(f["coin"])) || fills.has(key) || Number(f["time"]) < setup.startedAtMs) continue;
      fills.set(key, {
        coin: String(f["coin"]),
        side: f["side"] === "B" ? Side.Buy : Side.Sell,
        px: Number(f["px"]),
        sz: Number(f["sz"]),
        feeUsd: Number(f["fee"]),
        isMaker: f["crossed"] !== true,
        startPos: Number(f["startPosition"]),
        oid: Number(f["oid"]),
        tid: Number(f["tid"]),
        exchMs: Number(f["time"]),
        recvMs,
      });
    }
  };
  for (const record of records) {
    const { wallBaseMs, monoBaseNs } = records.headers[0]!;
    monoZeroMs = wallBaseMs - monoBaseNs / 1e6;
    const atMs = wallBaseMs + (record.monoNs - monoBaseNs) / 1e6;
    lastMs = Math.max(lastMs, atMs);
    if (record.kind === JournalKind.Turns) {
      for (const turn of readTurns(record.bytes)) {
        const ms = wallBaseMs + ((turn.mono[0] ?? record.monoNs) - monoBaseNs) / 1e6;
        if (turn.kind !== TurnKind.Enter) continue;
        if (turn.id === TurnEntry.Start) startMs = ms;
        else if (turn.id !== TurnEntry.Made && Number.isNaN(stopMs)) stopMs = ms;
      }
    } else if (record.kind === JournalKind.OutboundBytes) {
      const text = Buffer.from(record.bytes).toString("latin1");
      const request = requestOf(text, atMs);
      if (request === undefined) continue;
      const id = POST.exec(text)?.[1];
      requests.set(id === undefined ? `paper ${requests.size}` : Number(id), request);
      if (id === undefined) for (const cloid of request.cloids) byCloid.set(cloid, request);
    } else if (record.kind === JournalKind.InboundFrame) {
      const value = parsed(record.bytes);
      if (record.stream === JournalStream.Http) {
        if (!Array.isArray(value)) continue;
        const rows = value as Raw[];
        if (rows[0]?.["startPosition"] !== undefined) takeFills(rows, atMs);
        else if ((rows[0]?.["delta"] as Raw | undefined)?.["fundingRate"] !== undefined) {
          for (const row of rows) {
            const delta = row["delta"] as Raw;
            const funding = {
              coin: String(delta["coin"]),
              usd: Number(delta["usdc"]),
              exchMs: Number(row["time"]),
            };
            if (funding.exchMs >= setup.startedAtMs && coins.has(funding.coin))
              fundings.set(`${funding.coin}|${funding.exchMs}`, funding);
          }
        }
        continue;
      }
      const { channel, data, response } = (value ?? {}) as { channel?: unknown; data?: Raw; response?: Raw };
      if (channel === "userFills") takeFills((data?.["fills"] as Raw[] | undefined) ?? [], atMs);
      else if (channel === "post") {
        const request = requests.get(Number(data?.["id"]));
        const payload = (data?.["response"] as Raw | undefined)?.["payload"] as Raw | undefined;
        if (request !== undefined) answer(request, atMs, payload?.["response"] as Raw | undefined);
      } else if (setup.paper !== undefined && channel === undefined && response !== undefined) {
        const cloid = /"cloid":"(0x[0-9a-f]{32})"/.exec(Buffer.from(record.bytes).toString("latin1"))?.[1];
        const request = byCloid.get(cloid ?? "");
        if (request !== undefined) answer(request, atMs, response);
      } else if (channel === "orderUpdates") {
        for (const u of (data as unknown as Raw[]) ?? []) {
          const order = u["order"] as Raw;
          if (!coins.has(String(order["coin"]))) continue;
          updates.push({
            coin: String(order["coin"]),
            side: order["side"] === "B" ? Side.Buy : Side.Sell,
            px: Number(order["limitPx"]),
            sz: Number(order["sz"]),
            oid: Number(order["oid"]),
            cloid:
              order["cloid"] === undefined || order["cloid"] === null ? undefined : String(order["cloid"]),
            status: String(u["status"]),
            exchMs: Number(u["statusTimestamp"]),
            recvMs: atMs,
          });
        }
      }
    }
  }
  return {
    setup,
    monoZeroMs,
    startMs: Number.isNaN(startMs) ? setup.startedAtMs : startMs,
    stopMs: Number.isNaN(stopMs) ? lastMs : stopMs,
    fills: inOrder([...fills.values()]),
    fundings: [...fundings.values()].sort((a, b) => a.exchMs - b.exchMs),
    requests: [...requests.values()],
    updates,
  };
}

type Raw = Readonly<Record<string, unknown>>;

/** Notes the first answer. */
function answer(request: RunRequest, atMs: number, response: Raw | undefined): void {
  if (!Number.isNaN(request.answeredMs)) return;
  request.answeredMs = atMs;
  const statuses = (response?.["data"] as Raw | undefined)?.["statuses"];
  if (!Array.isArray(statuses)) return;
  request.statuses = (statuses as (Raw | string)[]).map((s): RunStatus => {
    if (typeof s === "string") return s === "success" ? "success" : undefined;
    const known = (s["resting"] ?? s["filled"]) as Raw | undefined;
    if (known !== undefined) return { oid: Number(known["oid"]) };
    return s["error"] === undefined ? undefined : "error";
  });
}

/** A message of orders as the socket got it, with the venue's envelope or, on paper, without. */
function requestOf(text: string, sentMs: number): RunRequest | undefined {
  if (!ACTION.test(text)) return undefined;
  const whole = parsed(Buffer.from(text, "latin1")) as Raw | undefined;
  const inner = (whole?.["request"] as Raw | undefined)?.["payload"] ?? whole;
  const action = ((inner as Raw | undefined)?.["action"] ?? inner) as Raw | undefined;
  const { type, orders, modifies, cancels } = (action ?? {}) as Readonly<Record<string, readonly Raw[]>>;
  const kind = KINDS[String(type)];
  if (kind === undefined) return undefined;
  const list = orders ?? modifies?.map((m) => m["order"] as Raw) ?? cancels ?? [];
  const made = list.map((o) => ({
    cloid: String(o["c"] ?? o["cloid"] ?? ""),
    venueAssetId: Number(o["a"] ?? o["asset"]),
    side: o["b"] === true ? Side.Buy : Side.Sell,
    px: Number(o["p"]),
    sz: Number(o["s"]),
  }));
  return {
    kind,
    sentMs,
    answeredMs: Number.NaN,
    cloids: kind === "cancel" ? [] : made.map((o) => o.cloid),
    orders: made,
    statuses: [],
  };
}

const ACTION = /"type":"(?:order|batchModify|cancelByCloid)"/;
const KINDS: Readonly<Record<string, RunRequest["kind"]>> = {
  order: "place",
  batchModify: "modify",
  cancelByCloid: "cancel",
};

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined; // the venue's greeting, or a broken answer: nothing of ours is in it
  }
}

/**
 * By the venue's time; within a millisecond each where the position of the one before it ends, for a list that was asked for tells
 * the newest first.
 */
export function inOrder(fills: readonly RunFill[]): RunFill[] {
  const left = [...fills].sort((a, b) => a.exchMs - b.exchMs);
  const ordered: RunFill[] = [];
  while (left.length > 0) {
    const { exchMs } = left[0]!;
    const together = left.filter((f) => f.exchMs === exchMs);
    const first = together.find(
      (f) =>
        !together.some((g) => g !== f && g.coin === f.coin && isSame(g.startPos + g.side * g.sz, f.startPos)),
    );
    const next = first ?? left[0]!;
    ordered.push(next);
    left.splice(left.indexOf(next), 1);
  }
  return ordered;
}

const isSame = (a: number, b: number): boolean => Math.abs(a - b) < 1e-9;
