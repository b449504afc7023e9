/**
 * The HTTP side of the simulated exchange: `POST /info` and `POST /exchange` with the venue's statuses (reference 1.2).
 */
import type { HttpRequest, HttpResponse, TemplatedApp } from "uWebSockets.js";
import { actionLength, type Envelope, parseEnvelope } from "./actions.js";
import { answerText, type ExchangeResponse } from "./answers.js";
import type { Counts } from "./connections.js";
import { type ControlTarget, controlState, isControlError, runControl } from "./control.js";
import { type FaultCarrier, type RequestWay, skewTimes } from "./fault-carrier.js";
import { MALFORMED, UNHANDLED } from "./info/request.js";
import { exchangeWeight, type IpBudget, infoExtraWeight, infoWeight } from "./limits.js";

/** What both transports ask of the exchange behind them. */
export interface Gateway {
  readonly counts: Counts;
  readonly carrier: FaultCarrier;
  /** REST weights by IP; undefined: without limit. */
  readonly ipBudget: IpBudget | undefined;
  /** The clock of limits per minute. */
  minuteMs(): number;
  /** A JSON-able value, or `MALFORMED`. */
  info(body: unknown): unknown;
  /** Verifies and carries out a signed action; answers once, perhaps later. */
  perform(envelope: Envelope, respond: (response: ExchangeResponse) => void): void;
  /** Runs a handler; what it throws is a bug of ours: counted and logged, never passed on. */
  guard<T>(where: string, run: () => T): T | undefined;
}

export const JSON_422 = "Failed to deserialize the JSON body into the target type";
const BODY_BYTES_MAX = 1 << 20;

export function routeHttp(app: TemplatedApp, gateway: Gateway): void {
  app.post("/info", (res) =>
    readBody(res, gateway, (body, reply, ip) => answerInfoRequest(gateway, body, reply, ip)),
  );
  app.post("/exchange", (res) =>
    readBody(res, gateway, (body, reply, ip) => answerExchangeRequest(gateway, body, reply, ip)),
  );
}

/** The simulator's own door (see control.ts), then everything else: 404. To be called last. */
export function routeControl(app: TemplatedApp, gateway: Gateway, target: ControlTarget): void {
  const isAllowed = (res: HttpResponse, req: HttpRequest): boolean => {
    const from = Buffer.from(res.getRemoteAddressAsText()).toString("latin1");
    const isLoopback = /^127\.|^(0000:){7}0001$|^(0000:){5}ffff:7f/.test(from);
    // A browser names the page it asks for: no page has business here.
    if (isLoopback && req.getHeader("origin") === "") return true;
    res.writeStatus("403 Forbidden").end("only from this machine, and not from a web page");
    return false;
  };
  app.get("/control", (res, req) => {
    if (!isAllowed(res, req)) return;
    new HttpReply(res).json(JSON.stringify(controlState(target)));
  });
  app.post("/control", (res, req) => {
    if (!isAllowed(res, req)) return;
    readBody(res, gateway, (body, reply) => {
      try {
        reply.json(JSON.stringify(runControl(target, body)));
      } catch (error) {
        if (!isControlError(error)) throw error;
        reply.text("422 Unprocessable Entity", error.message);
      }
    });
  });
  app.any("/*", (res) => {
    res.writeStatus("404 Not Found").end("Not Found");
  });
}

function readBody(
  res: HttpResponse,
  gateway: Gateway,
  handle: (body: unknown, reply: HttpReply, ip: string) => void,
): void {
  const reply = new HttpReply(res);
  // Only readable now, and only needed when somebody counts.
  const ip =
    gateway.ipBudget === undefined ? "" : Buffer.from(res.getRemoteAddressAsText()).toString("latin1");
  const chunks: Buffer[] = [];
  let bytes = 0;
  res.onData((chunk, isLast) => {
    bytes += chunk.byteLength;
    if (bytes > BODY_BYTES_MAX) {
      reply.text("413 Payload Too Large", "length limit exceeded");
      return;
    }
    chunks.push(Buffer.from(Buffer.from(chunk)));
    if (!isLast || reply.isDone) return;
    let body: unknown;
    try {
      body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    } catch {
      // Not JSON: the venue's answer is the same as for the wrong shape.
      refuse(gateway, reply);
      return;
    }
    gateway.guard("request", () => handle(body, reply, ip));
    // A handler that failed must still answer; one that waits for its latency has said so.
    if (!reply.isDone && !reply.isDeferred) reply.text("500 Internal Server Error", "null");
  });
}

function refuse(gateway: Gateway, reply: HttpReply): void {
  gateway.counts.malformed++;
  reply.text("422 Unprocessable Entity", JSON_422);
}

/** @returns false when the IP has spent its minute: the edge answers instead of the exchange. */
function spend(gateway: Gateway, reply: HttpReply, ip: string, weight: number): boolean {
  if (gateway.ipBudget?.take(ip, weight, gateway.minuteMs()) !== false) return true;
  reply.text(statusLine(429), "null");
  return false;
}

function answerInfoRequest(gateway: Gateway, body: unknown, reply: HttpReply, ip: string): void {
  const action = String((body as { type?: unknown } | null)?.type);
  if (!spend(gateway, reply, ip, infoWeight(action))) return;
  reply.isDeferred = true;
  gateway.carrier.request({ stream: "http", endpoint: "info", action }, undefined, {
    execute: (answer) => {
      const data = gateway.guard("request", () => gateway.info(body));
      if (data === MALFORMED) refuse(gateway, reply);
      else if (data === undefined || data === UNHANDLED) reply.text("500 Internal Server Error", "null");
      else {
        if (Array.isArray(data))
          gateway.ipBudget?.add(ip, infoExtraWeight(action, data.length), gateway.minuteMs());
        answer(JSON.stringify(data));
      }
    },
    ...waysOut(reply),
  });
}

function answerExchangeRequest(gateway: Gateway, body: unknown, reply: HttpReply, ip: string): void {
  const envelope = parseEnvelope(body);
  if (envelope === undefined) {
    refuse(gateway, reply);
    return;
  }
  const action = envelope.action.type;
  if (!spend(gateway, reply, ip, exchangeWeight(actionLength(envelope.action)))) return;
  reply.isDeferred = true;
  gateway.carrier.request({ stream: "http", endpoint: "exchange", action }, undefined, {
    execute: (answer) => gateway.perform(envelope, (response) => answer(answerText(response))),
    ...waysOut(reply),
  });
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};
export const statusLine = (status: number): string => `${status} ${STATUS_TEXTS[status] ?? "Error"}`;

const waysOut = (reply: HttpReply): Omit<RequestWay<string>, "execute"> => ({
  skewed: skewTimes,
  give: (text) => reply.json(text),
  fail: (status) => reply.text(statusLine(status), "null"),
  reject: (text) => reply.json(JSON.stringify({ status: "err", response: text })),
  cut: () => reply.cut(),
});

/** An HTTP answer that is given at most once, and not at all when the client has gone. */
export class HttpReply {
  isDone = false;
  /** The answer comes later. */
  isDeferred = false;

  constructor(private readonly res: HttpResponse) {
    res.onAborted(() => {
      this.isDone = true;
    });
  }

  json(body: string): void {
    this.send("200 OK", "application/json", body);
  }

  text(status: string, body: string): void {
    this.send(status, "text/plain; charset=utf-8", body);
  }

  /** Ends the connection without an answer. */
  cut(): void {
    if (this.isDone) return;
    this.isDone = true;
    this.res.close();
  }

  private send(status: string, type: string, body: string): void {
    if (this.isDone) return;
    this.isDone = true;
    this.res.cork(() => {
      this.res
        .writeStatus(status)
        .writeHeader("Content-Type", type)
        .writeHeader("Access-Control-Allow-Origin", "*")
        .end(body);
    });
  }
}
