/** Fills of two simulators side by side. */
import type { PeerFill } from "./simple-strategy.js";

/** Two fills are the same when side, price and size agree and their times by less than this. */
const WITHIN_NS = 1e6;

export interface FillMatch {
  readonly same: number;
  readonly onlyOurs: readonly PeerFill[];
  readonly onlyPeer: readonly PeerFill[];
}

/** Pieces of one order filled in the same millisecond count as one fill. */
export function joined(fills: readonly PeerFill[]): PeerFill[] {
  const out: PeerFill[] = [];
  for (const f of [...fills].sort((a, b) => a.tNs - b.tNs)) {
    const last = out.at(-1);
    if (
      last !== undefined &&
      last.side === f.side &&
      last.pxTicks === f.pxTicks &&
      f.tNs - last.tNs < WITHIN_NS
    )
      out[out.length - 1] = { ...last, szLots: last.szLots + f.szLots };
    else out.push(f);
  }
  return out;
}

const isSame = (a: PeerFill, b: PeerFill): boolean =>
  a.side === b.side &&
  a.pxTicks === b.pxTicks &&
  a.szLots === b.szLots &&
  Math.abs(a.tNs - b.tNs) < WITHIN_NS;

export function matchFills(ours: readonly PeerFill[], peer: readonly PeerFill[]): FillMatch {
  const left = joined(peer);
  const onlyOurs: PeerFill[] = [];
  let same = 0;
  for (const f of joined(ours)) {
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
  const [a, b] = [joined(ours), joined(peer)];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i], b[i]];
    if (x === undefined || y === undefined || !isSame(x, y))
      return `first difference at fill ${i + 1}: ours ${show(x)}, hftbacktest's ${show(y)}`;
  }
  return "no difference";
}
