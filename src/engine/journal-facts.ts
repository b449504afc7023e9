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
  readonly exchMs: number;
  readonly recvMs: number;
}

/** One request over the private stream. */
export interface RunRequest {
  readonly sentMs: number;
  /** NaN: never answered. */
  answeredMs: number;
  /** Client ids of the orders that it places. */
  readonly cloids: readonly string[];
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
  /** First step of trading, and the end of it: ms since the epoch, our clock. */
  readonly startMs: number;
  readonly stopMs: number;
  readonly fills: readonly RunFill[];
  /** Positive: received. */
  readonly fundings: readonly { readonly coin: string; readonly usd: number; readonly exchMs: number }[];
  readonly requests: readonly RunRequest[];
  readonly updates: readonly RunOrderUpdate[];
}

const CLOID = /"c":"(0x[0-9a-f]{32})"/g;
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
  const requests = new Map<number, RunRequest>();
  const updates: RunOrderUpdate[] = [];
  let startMs = Number.NaN;
  let stopMs = Number.NaN;
  let lastMs = 0;
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
        exchMs: Number(f["time"]),
        recvMs,
      });
    }
  };
  for (const record of records) {
    const { wallBaseMs, monoBaseNs } = records.headers[0]!;
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
      const id = POST.exec(text)?.[1];
      if (id === undefined) continue;
      const cloids = [...text.matchAll(CLOID)].map((m) => m[1]!);
      requests.set(Number(id), { sentMs: atMs, answeredMs: Number.NaN, cloids });
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
      const { channel, data } = (value ?? {}) as { channel?: unknown; data?: Raw };
      if (channel === "userFills") takeFills((data?.["fills"] as Raw[] | undefined) ?? [], atMs);
      else if (channel === "post") {
        const request = requests.get(Number(data?.["id"]));
        if (request !== undefined && Number.isNaN(request.answeredMs)) request.answeredMs = atMs;
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
    startMs: Number.isNaN(startMs) ? setup.startedAtMs : startMs,
    stopMs: Number.isNaN(stopMs) ? lastMs : stopMs,
    fills: [...fills.values()].sort((a, b) => a.exchMs - b.exchMs),
    fundings: [...fundings.values()].sort((a, b) => a.exchMs - b.exchMs),
    requests: [...requests.values()],
    updates,
  };
}

type Raw = Readonly<Record<string, unknown>>;

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined; // the venue's greeting, or a broken answer: nothing of ours is in it
  }
}
