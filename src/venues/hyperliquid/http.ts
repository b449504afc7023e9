import type { Clock, Timers } from "../../domain/index.js";
import type { WireTap } from "../port.js";
import { VenueError } from "./errors.js";
import type { IpBudget } from "./limits.js";

export interface HttpSeams {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly tap?: WireTap | undefined;
  /** What this address may ask; everything is allowed without. */
  readonly limits?: IpBudget | undefined;
  /** Replaceable for tests. */
  readonly fetch?: typeof fetch | undefined;
  /** Replaces the network: a recorder of answers, or who plays them again. */
  readonly post?: HttpPost | undefined;
}

/** One request and its whole answer. @throws {VenueError} As `postJson`. */
export type HttpPost = (url: string, body: Uint8Array, timeoutMs: number) => Promise<HttpAnswer>;

export interface HttpAnswer {
  readonly status: number;
  readonly bytes: Uint8Array;
}

/** Failures before a connection stood: the request cannot have been executed. */
const NOT_SENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
]);

function causeCode(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    const code = (at as NodeJS.ErrnoException).code;
    if (typeof code === "string") return code;
    // Connecting to a name with several addresses fails with one error for each.
    if (at instanceof AggregateError && at.errors[0] instanceof Error) return causeCode(at.errors[0]);
  }
  return "";
}

/**
 * Posts one JSON body and reads the whole answer, whatever its status.
 * @throws {VenueError} Unreachable (nothing was sent), Timeout or ConnectionLost (the outcome is unknown).
 */
export async function postJson(
  url: string,
  body: Uint8Array,
  timeoutMs: number,
  seams: HttpSeams,
): Promise<HttpAnswer> {
  seams.tap?.outbound("http", body, seams.clock.monoNs());
  const { post = (u, b, t) => overNetwork(u, b, t, seams) } = seams;
  const answer = await post(url, body, timeoutMs);
  seams.tap?.inbound("http", answer.bytes, seams.clock.monoNs());
  return answer;
}

/** @throws {VenueError} As `postJson`. */
export async function overNetwork(
  url: string,
  body: Uint8Array,
  timeoutMs: number,
  seams: Pick<HttpSeams, "timers" | "fetch">,
): Promise<HttpAnswer> {
  const abort = new AbortController();
  let isTimeout = false;
  const cancelTimer = seams.timers.after(timeoutMs, () => {
    isTimeout = true;
    abort.abort();
  });
  try {
    const response = await (seams.fetch ?? fetch)(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      signal: abort.signal,
      redirect: "error",
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, bytes };
  } catch (cause) {
    if (isTimeout) {
      throw new VenueError("Timeout", `no answer from ${url} within ${timeoutMs} ms`, {
        retryable: true,
        cause,
      });
    }
    const code = causeCode(cause);
    if (NOT_SENT.has(code)) {
      throw new VenueError(
        "Unreachable",
        `cannot reach the exchange at ${url} (${code}): check the network setting and that the exchange is up`,
        { retryable: true, cause },
      );
    }
    throw new VenueError(
      "ConnectionLost",
      `connection to ${url} was lost (${code || (cause as Error).message})`,
      {
        retryable: true,
        cause,
      },
    );
  } finally {
    cancelTimer();
  }
}
