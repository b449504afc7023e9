import type { Timers } from "../domain/index.js";
import type { KernelParams } from "../kernels/index.js";
import { type Finding, Severity } from "../risk/index.js";
import { warmUpMultiplier } from "./plan.js";

/** One world's way to its kernels. */
export interface TunerSeams {
  /** By engine index. */
  readonly params: readonly KernelParams[];
  readonly warmUpDecayS: number;
  configure(asset: number, params: KernelParams): void;
  /** Exchange time of the newest ladder; 0 before the first. */
  ladderExchMs(asset: number): number;
}

const WARM_UP_STEP_MS = 500;
/** Half-spread multiplier while a risk monitor asks for width (SOP §8.4's first step). */
const WIDEN_MULT = 1.5;
/** Cap of the product: compounding must not become absurd. */
const MAX_SPREAD_MULT = 3;

/**
 * Multipliers that a run puts on its kernels' parameters: the warm-up's excess, the defence's widening, and what an
 * open-interest cap leaves of the size. The same in every world.
 *
 * Thread: main.
 */
export class Tuner {
  private readonly warmUp = new Map<number, number>();
  private readonly defence = new Map<number, number>();
  private readonly sizeMult = new Map<number, number>();
  private readonly firstExchMs = new Map<number, number>();

  constructor(private readonly o: TunerSeams) {}

  /**
   * The first quotes rest on few observations: they stand wider, and the excess decays in exchange time, so that a tape
   * played faster warms up as fast.
   * @returns how to stop.
   */
  start(timers: Timers): () => void {
    const { params, warmUpDecayS } = this.o;
    if (warmUpDecayS === 0) return () => {};
    return timers.every(WARM_UP_STEP_MS, () => {
      for (let asset = 0; asset < params.length; asset++) {
        const exchMs = this.o.ladderExchMs(asset);
        if (!(exchMs > 0)) continue;
        const first = this.firstExchMs.get(asset) ?? exchMs;
        this.firstExchMs.set(asset, first);
        this.set(this.warmUp, asset, warmUpMultiplier((exchMs - first) / 1000, warmUpDecayS));
      }
    });
  }

  /** The worst finding of an asset changed. */
  onFinding(asset: number, finding: Finding): void {
    this.set(this.defence, asset, finding.severity >= Severity.Widen ? WIDEN_MULT : 1);
  }

  /** @param share of the size that may be quoted, 0..1. */
  limitSize(asset: number, share: number): void {
    this.set(this.sizeMult, asset, share);
  }

  private set(of: Map<number, number>, asset: number, value: number): void {
    if (of.get(asset) === value) return;
    of.set(asset, value);
    const params = this.o.params[asset]!;
    const warmUp = this.warmUp.get(asset) ?? params.spreadMult;
    this.o.configure(asset, {
      ...params,
      spreadMult: Math.min(MAX_SPREAD_MULT, warmUp * (this.defence.get(asset) ?? 1)),
      sideSzLots: Math.max(1, Math.floor(params.sideSzLots * (this.sizeMult.get(asset) ?? 1))),
    });
  }
}
