/**
 * fastAssetCtxs: mark and mid of all perps as base64 of raw DEFLATE of JSON; whole at first, then what changed (reference 2.16).
 */
import { deflateRawSync } from "node:zlib";

export interface FastContext {
  readonly markPx: string;
  /** null while a side of the book is empty. */
  readonly midPx: string | null;
}

const packed = (value: unknown): string => deflateRawSync(JSON.stringify(value)).toString("base64");

/** Thread: any. All listeners share one history, so that a delta is the same for all. */
export class FastContexts {
  private last: ReadonlyMap<string, FastContext> = new Map();

  snapshot(now: ReadonlyMap<string, FastContext>): string {
    return packed(Object.fromEntries(now));
  }

  /** @returns undefined when nothing changed since the last call. */
  delta(now: ReadonlyMap<string, FastContext>): string | undefined {
    const changed: Record<string, Partial<FastContext>> = {};
    for (const [coin, context] of now) {
      const before = this.last.get(coin);
      const markPx = before?.markPx === context.markPx ? {} : { markPx: context.markPx };
      const midPx = before?.midPx === context.midPx ? {} : { midPx: context.midPx };
      const fields = { ...markPx, ...midPx };
      if (Object.keys(fields).length > 0) changed[coin] = fields;
    }
    this.last = now;
    return Object.keys(changed).length > 0 ? packed(changed) : undefined;
  }
}
