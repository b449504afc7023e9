/**
 * Where to look next: grid, random, and a tree-structured Parzen estimator, over the unit cube.
 *
 * A search is told only scores of training time. Its proposals follow from the seed and from what it was told in the order of
 * the candidates, never from who finished first: any number of workers searches the same way.
 */
import type { Rng } from "../../domain/index.js";
import { gridOf, type Param } from "./space.js";
import { proposeTpe } from "./tpe.js";
import type { Trial } from "./trial.js";

export type SearchKind = "grid" | "random" | "tpe";

export interface Search {
  /** Undefined: no end of its own. */
  readonly size: number | undefined;
  /** The next points, at most `count`; none: the end. */
  propose(count: number, told: readonly Trial[]): readonly (readonly number[])[];
}

export function makeSearch(kind: SearchKind, space: readonly Param[], rng: Rng): Search {
  if (kind === "grid") return new Grid(space);
  if (kind === "random")
    return {
      size: undefined,
      propose: (count) => Array.from({ length: count }, () => space.map(() => rng.uniform())),
    };
  return {
    size: undefined,
    propose: (count, told) => proposeTpe(space, told, count, rng),
  };
}

/** Every combination, the last parameter moving fastest. */
class Grid implements Search {
  readonly size: number;
  private readonly axes: readonly (readonly number[])[];
  private next = 0;

  constructor(space: readonly Param[]) {
    this.axes = space.map(gridOf);
    this.size = this.axes.reduce((n, axis) => n * axis.length, 1);
  }

  propose(count: number): readonly (readonly number[])[] {
    const points: number[][] = [];
    for (; points.length < count && this.next < this.size; this.next++) {
      let rest = this.next;
      const point = new Array<number>(this.axes.length);
      for (let d = this.axes.length - 1; d >= 0; d--) {
        const axis = this.axes[d]!;
        point[d] = axis[rest % axis.length]!;
        rest = Math.floor(rest / axis.length);
      }
      points.push(point);
    }
    return points;
  }
}
