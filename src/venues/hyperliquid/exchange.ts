/**
 * Signed actions over HTTP, one at a time: for commands (keys, margin, transfers), not for the hot path, which is
 * `HyperliquidGateway`.
 */
import { VenueError } from "./errors.js";
import {
  type ExchangeAction,
  type L1Options,
  lowerAddress,
  type Signature,
  signL1,
  signUserAction,
  type UserAction,
} from "./exchange-actions.js";
import { type HttpSeams, postJson } from "./http.js";
import type { NetworkEndpoints } from "./network.js";
import { NonceSequence } from "./nonce.js";
import type { L1Signer } from "./sign.js";

export interface ExchangeClientOptions extends HttpSeams {
  readonly endpoints: Pick<NetworkEndpoints, "exchangeUrl" | "source">;
  readonly signer: L1Signer;
  /** Shared with whatever else signs with this key in this process. */
  readonly nonces?: NonceSequence;
  /** Sub-account or vault that L1 actions are for. */
  readonly vaultAddress?: string | undefined;
  /** Default 10,000: the venue answers when the action's block is committed. */
  readonly timeoutMs?: number;
}

/** The venue's `response`, such as `{type: "default"}` or `{type: "cancel", data: {statuses}}`. */
export interface ExchangeAnswer {
  readonly type: string;
  readonly data?: unknown;
}

/**
 * Every method throws {VenueError}: Refused with the venue's own text (nothing happened), Timeout or ConnectionLost (the outcome
 * is unknown: ask the venue before repeating), Unreachable, RateLimited, HttpStatus, BadResponse.
 *
 * An action refused for its nonce is signed anew and sent once more.
 */
export class ExchangeClient {
  readonly nonces: NonceSequence;
  private readonly vaultAddress: string | undefined;

  constructor(private readonly options: ExchangeClientOptions) {
    this.nonces = options.nonces ?? new NonceSequence(options.clock);
    this.vaultAddress =
      options.vaultAddress === undefined ? undefined : lowerAddress(options.vaultAddress, "vault address");
  }

  /** @param make is called again with another nonce when the first was refused. */
  l1(
    make: ExchangeAction | ((nonce: number) => ExchangeAction),
    options: Pick<L1Options, "expiresAfter"> = {},
  ): Promise<ExchangeAnswer> {
    return this.withNonce((nonce) => {
      const action = typeof make === "function" ? make(nonce) : make;
      const { vaultAddress } = this;
      const signature = signL1(this.options.signer, action, { nonce, vaultAddress, ...options });
      return this.post(action, nonce, signature, { vaultAddress, ...options });
    });
  }

  /** Needs the account's own key: an agent's is refused. */
  userSigned(action: UserAction): Promise<ExchangeAnswer> {
    return this.withNonce((nonce) => {
      const signed = signUserAction(this.options.signer, action, nonce, this.options.endpoints.source);
      return this.post(signed.action, nonce, signed.signature, {});
    });
  }

  private async withNonce(send: (nonce: number) => Promise<ExchangeAnswer>): Promise<ExchangeAnswer> {
    try {
      return await send(this.nonces.next());
    } catch (error) {
      if (!(error instanceof VenueError) || error.code !== "Refused") throw error;
      if (!this.nonces.recover(error.message)) throw error;
      return await send(this.nonces.next());
    }
  }

  private async post(
    action: ExchangeAction,
    nonce: number,
    signature: Signature,
    options: Omit<L1Options, "nonce">,
  ): Promise<ExchangeAnswer> {
    const { endpoints, timeoutMs = 10_000 } = this.options;
    const url = endpoints.exchangeUrl;
    const body = new TextEncoder().encode(JSON.stringify({ action, nonce, signature, ...options }));
    const { status, bytes } = await postJson(url, body, timeoutMs, this.options);
    const text = Buffer.from(bytes).toString("utf8");
    const excerpt = text.slice(0, 200).replace(/\s+/g, " ").trim();
    if (status === 429) {
      throw new VenueError(
        "RateLimited",
        `${action.type}: ${url} answers 429, too many requests from this address`,
        {
          retryable: true,
        },
      );
    }
    if (status !== 200) {
      // A failure behind the edge may have come after the action was executed.
      throw status >= 500
        ? new VenueError(
            "ConnectionLost",
            `${action.type}: ${url} answers ${status} ${excerpt}: the outcome is unknown`,
          )
        : new VenueError("HttpStatus", `${action.type}: ${url} answers ${status} ${excerpt}`);
    }
    return readAnswer(action.type, text, excerpt);
  }
}

function readAnswer(type: string, text: string, excerpt: string): ExchangeAnswer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined; // Falls through to the one error below.
  }
  const { status, response } = (value ?? {}) as { status?: unknown; response?: unknown };
  if (status === "err")
    throw new VenueError(
      "Refused",
      typeof response === "string" ? response : JSON.stringify(response ?? null),
    );
  const answer = response as ExchangeAnswer | null | undefined;
  if (status !== "ok" || typeof answer?.type !== "string")
    throw new VenueError("BadResponse", `${type}: the venue answers ${excerpt}`);
  const refusal = firstRefusal(answer.data);
  if (refusal !== undefined) throw new VenueError("Refused", refusal);
  return answer;
}

/** Batches say no by element: a command of one element is refused then. */
function firstRefusal(data: unknown): string | undefined {
  const { status, statuses } = (data ?? {}) as { status?: unknown; statuses?: unknown };
  const all: unknown[] = Array.isArray(statuses) ? statuses : [status];
  for (const one of all) {
    const error = (one as { error?: unknown } | null | undefined)?.error;
    if (typeof error === "string") return error;
  }
  return undefined;
}
