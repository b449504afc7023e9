/** Fills of two simulators side by side. */
import type { PeerFill } from "./simple-strategy.js";

/** Two fills are the same when side, price and size agree and they begin less than this apart. */
const WITHIN_NS = 1e6;
/** Pieces of one order: same side and price, not further apart than this. */
const PIECES_WITHIN_NS = 5e9;

export interface FillMatch {
  readonly same: number;
  readonly onlyOurs: readonly PeerFill[];
  readonly onlyPeer: readonly PeerFill[];
}

/** One entry for each order that filled, at the time of its first piece. */
export function joined(fills: readonly PeerFill[], szLots: number): PeerFill[] {
  const out: { fill: PeerFill; lastNs: number }[] = [];
  const open = new Map<number, { fill: PeerFill; lastNs: number }>();
  for (const f of [...fills].sort((a, b) => a.tNs - b.tNs)) {
    const key = f.side * f.pxTicks;
    const last = open.get(key);
    const isPiece =
      last !== undefined && f.tNs - last.lastNs < PIECES_WITHIN_NS && last.fill.szLots + f.szLots <= szLots;
    if (isPiece) {
      last.fill = { ...last.fill, szLots: last.fill.szLots + f.szLots };
      last.lastNs = f.tNs;
    } else {
      const entry = { fill: f, lastNs: f.tNs };
      open.set(key, entry);
      out.push(entry);
    }
  }
  return out.map((e) => e.fill);
}

const isSame = (a: PeerFill, b: PeerFill): boolean =>
  a.side === b.side &&
  a.pxTicks === b.pxTicks &&
  a.szLots === b.szLots &&
  Math.abs(a.tNs - b.tNs) < WITHIN_NS;

/** Both lists joined by order. */
export function matchFills(ours: readonly PeerFill[], peer: readonly PeerFill[]): FillMatch {
  const left = [...peer];
  const onlyOurs: PeerFill[] = [];
  let same = 0;
  for (const f of ours) {
    const i = left.findIndex((g) => isSame(f, g));
    if (i < 0) onlyOurs.push(f);
    else {
      same++;
      left.splice(i, 1);
    }
  }
  return { same, onlyOurs, onlyPeer: left };
}

const show = (f: PeerFill | undefined): string =>
  f === undefined
    ? "none"
    : `${(f.tNs / 1e9).toFixed(4)} s ${f.side > 0 ? "buy" : "sell"} ${f.szLots} lots at ${f.pxTicks} ticks`;

/** The first fill at which two runs part: what comes after follows from other positions and orders. */
export function firstDifference(ours: readonly PeerFill[], peer: readonly PeerFill[]): string {
  for (let i = 0; i < Math.max(ours.length, peer.length); i++) {
    const [x, y] = [ours[i], peer[i]];
    if (x === undefined || y === undefined || !isSame(x, y))
      return `first difference at fill ${i + 1}: ours ${show(x)}, hftbacktest's ${show(y)}`;
  }
  return "no difference";
}
