import type { Side } from "./side.js";
import type { PxTicks, SzLots } from "./units.js";

/** `0x` and 32 lower-case hex digits. */
export type Cloid = `0x${string}`;
export type Tif = "Alo" | "Ioc" | "Gtc";

/** An order as wanted: what the risk room checks and, once approved, the gateway sends. */
export interface NewOrder {
  readonly asset: number;
  readonly side: Side;
  readonly pxTicks: PxTicks;
  readonly szLots: SzLots;
  readonly tif: Tif;
  readonly reduceOnly: boolean;
  readonly cloid: Cloid;
}

/** Replaces the live order `target` by `order` in one action (new venue id, new queue place). */
export interface ModifyOrder {
  readonly target: Cloid;
  readonly order: NewOrder;
}

export interface CancelOrder {
  readonly asset: number;
  readonly cloid: Cloid;
}

declare const approved: unique symbol;
/** Passed by the risk room. Only `risk/` may make one (a test holds the cast to that room); the gateway takes nothing else. */
export type Approved<T> = T & { readonly [approved]: true };

/** Life of an order. `unknown`: a request's fate could not be learnt in time; counts at its worst in every limit. */
export type OrderState = "sent" | "resting" | "unknown" | "filled" | "cancelled" | "rejected";
export const isTerminal = (s: OrderState): boolean => s === "filled" || s === "cancelled" || s === "rejected";
