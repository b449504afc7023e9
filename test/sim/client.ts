/**
 * A client for tests that shares no code with the product: ethers signs, msgpackr packs, ws and fetch carry.
 */
import { concat, getBytes, keccak256, Signature, toBeHex, type Wallet, zeroPadValue } from "ethers";
import { Packr } from "msgpackr";
import { WebSocket } from "ws";

const packr = new Packr({ useRecords: false, variableMapSize: true });

/**
 * msgpackr packs large Numbers as floats and BigInts as signed 64-bit; the venue wants unsigned 64-bit. The payload bytes
 * of a positive number are the same, so large integers go as BigInt and their tag is changed afterwards.
 */
function pack(action: unknown): Uint8Array {
  const large: bigint[] = [];
  const swap = (v: unknown): unknown => {
    if (typeof v === "number" && v >= 2 ** 32) {
      large.push(BigInt(v));
      return BigInt(v);
    }
    if (Array.isArray(v)) return v.map(swap);
    if (typeof v !== "object" || v === null) return v;
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, swap(x)]));
  };
  const bytes = packr.pack(swap(action));
  let from = 0;
  for (const n of large) {
    const signed = Buffer.alloc(9, 0xd3);
    signed.writeBigInt64BE(n, 1);
    const at = bytes.indexOf(signed, from);
    bytes[at] = 0xcf;
    from = at + 9;
  }
  return bytes;
}

export function connectionId(action: unknown, nonce: number, vault?: string, expiresAfter?: number): string {
  const u64 = (n: number): string => zeroPadValue(toBeHex(n), 8);
  return keccak256(
    concat([
      pack(action),
      u64(nonce),
      vault === undefined ? "0x00" : concat(["0x01", vault]),
      ...(expiresAfter === undefined ? [] : ["0x00", u64(expiresAfter)]),
    ]),
  );
}

export function sign(
  wallet: Wallet,
  action: unknown,
  nonce: number,
  source = "b",
  expiresAfter?: number,
  vault?: string,
): { r: string; s: string; v: number } {
  const digest = keccak256(
    concat([
      "0x1901",
      "0xd79297fcdf2ffcd4ae223d01edaa2ba214ff8f401d7c9300d995d17c82aa4040",
      keccak256(
        concat([
          "0x26f05c2f7239b6983075e58321292d77b3aa173d19b27257ac96ab362570f508",
          keccak256(new TextEncoder().encode(source)),
          connectionId(action, nonce, vault, expiresAfter),
        ]),
      ),
    ]),
  );
  const sig = Signature.from(wallet.signingKey.sign(getBytes(digest)));
  return { r: sig.r, s: sig.s, v: sig.v };
}

// biome-ignore lint/suspicious/noExplicitAny: tidy-ok: the protocol's JSON, inspected freely by expectations
export type Loose = any;
export type Frame = { channel: string; data: Loose };

let lastNonce = 0;

export class SimClient {
  readonly frames: Frame[] = [];
  readonly texts: string[] = [];
  /** Last frame of each channel: cheap to look at while thousands arrive. */
  readonly latest = new Map<string, Frame>();
  private readonly waiters = new Set<() => void>();
  private postId = 0;
  ws: WebSocket | undefined;
  closeCode: number | undefined;

  constructor(
    readonly port: number,
    readonly wallet: Wallet,
  ) {}

  get address(): string {
    return this.wallet.address.toLowerCase();
  }

  async connect(): Promise<this> {
    const ws = new WebSocket(`ws://127.0.0.1:${this.port}/ws`);
    this.ws = ws;
    ws.on("message", (data) => {
      const text = String(data);
      this.texts.push(text);
      if (text.startsWith("{")) {
        const frame = JSON.parse(text) as Frame;
        this.frames.push(frame);
        this.latest.set(frame.channel, frame);
      }
      for (const wake of this.waiters) wake();
    });
    ws.on("close", (code) => {
      this.closeCode = code;
      for (const wake of this.waiters) wake();
    });
    await new Promise((resolve, reject) => {
      ws.on("open", resolve);
      ws.on("error", reject);
    });
    return this;
  }

  /** Waits until `find` returns something, looking after every frame. */
  async until<T>(find: () => T | undefined | false, what: string, timeoutMs = 5000): Promise<T> {
    const now = find();
    if (now !== undefined && now !== false) return now;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters.delete(check);
        reject(new Error(`timed out waiting for ${what}`));
      }, timeoutMs);
      const check = (): void => {
        const found = find();
        if (found === undefined || found === false) return;
        clearTimeout(timer);
        this.waiters.delete(check);
        resolve(found);
      };
      this.waiters.add(check);
    });
  }

  frame(channel: string, where: (data: Frame["data"]) => boolean = () => true, from = 0): Promise<Frame> {
    return this.until(
      () => this.frames.slice(from).find((f) => f.channel === channel && where(f.data)),
      `a ${channel} frame`,
    );
  }

  send(message: unknown): void {
    this.ws!.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  async subscribe(subscription: Record<string, unknown>): Promise<Frame> {
    const from = this.frames.length;
    this.send({ method: "subscribe", subscription });
    return this.frame("subscriptionResponse", (d) => d.subscription.type === subscription["type"], from);
  }

  envelope(action: unknown, extra: Record<string, unknown> = {}, vault?: string): Record<string, unknown> {
    lastNonce = Math.max(lastNonce + 1, Date.now());
    return {
      action,
      nonce: lastNonce,
      signature: sign(this.wallet, action, lastNonce, "b", undefined, vault),
      vaultAddress: vault ?? null,
      ...extra,
    };
  }

  /** An envelope of typed data: `fields` are [name, Solidity type] as they are signed. */
  async typedEnvelope(
    primaryType: string,
    fields: readonly (readonly [name: string, type: string])[],
    action: Record<string, unknown>,
  ): Promise<Record<string, unknown>> {
    lastNonce = Math.max(lastNonce + 1, Date.now());
    const nonceField = fields.some(([name]) => name === "time") ? "time" : "nonce";
    const full = {
      ...action,
      hyperliquidChain: "Testnet",
      signatureChainId: "0x66eee",
      [nonceField]: lastNonce,
    };
    const types = [
      ["hyperliquidChain", "string"] as const,
      ...fields,
      [nonceField, "uint64"] as const,
    ].filter(([name], i, all) => all.findIndex((f) => f[0] === name) === i);
    const text = await this.wallet.signTypedData(
      {
        name: "HyperliquidSignTransaction",
        version: "1",
        chainId: 0x66eee,
        verifyingContract: `0x${"0".repeat(40)}`,
      },
      { [`HyperliquidTransaction:${primaryType}`]: types.map(([name, type]) => ({ name, type })) },
      Object.fromEntries(types.map(([name]) => [name, (full as Record<string, unknown>)[name]])),
    );
    const { r, s, v } = Signature.from(text);
    return { action: full, nonce: lastNonce, signature: { r, s, v }, vaultAddress: null };
  }

  async post(type: "info" | "action", payload: unknown): Promise<Frame["data"]> {
    const id = ++this.postId;
    this.send({ method: "post", id, request: { type, payload } });
    const frame = await this.frame("post", (d) => d.id === id);
    return frame.data.response;
  }

  /** Signs and sends over WebSocket; @returns the exchange's answer. */
  async act(action: unknown, vault?: string): Promise<Frame["data"]> {
    return (await this.post("action", this.envelope(action, {}, vault))).payload;
  }

  async http(path: string, body: unknown): Promise<{ status: number; text: string; json: Loose }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined; // Error bodies are plain text.
    }
    return { status: response.status, text, json };
  }

  async info(body: unknown): Promise<Frame["data"]> {
    return (await this.http("/info", body)).json;
  }

  /** Pings until `isDone`: the way to wait for something at the server that sends no frame here. */
  async pingUntil(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      const from = this.frames.length;
      this.send({ method: "ping" });
      await this.frame("pong", () => true, from);
    }
  }

  close(): void {
    this.ws?.terminate();
  }
}

export interface OrderArgs {
  readonly isBuy: boolean;
  readonly px: string;
  readonly sz: string;
  readonly tif?: "Alo" | "Ioc" | "Gtc";
  readonly reduceOnly?: boolean;
  readonly cloid?: string;
  readonly asset?: number;
}

/** One order in wire form, keys in hash order. */
export const wire = (o: OrderArgs): Record<string, unknown> => ({
  a: o.asset ?? 0,
  b: o.isBuy,
  p: o.px,
  s: o.sz,
  r: o.reduceOnly ?? false,
  t: { limit: { tif: o.tif ?? "Gtc" } },
  ...(o.cloid === undefined ? {} : { c: o.cloid }),
});

export const order = (...orders: OrderArgs[]): Record<string, unknown> => ({
  type: "order",
  orders: orders.map(wire),
  grouping: "na",
});
