import type { LogFn } from "../telemetry/log.js";
import type { AssetMargin } from "./plan.js";

/** What the keeper asks of the venue. */
export interface MarginVenue {
  /** @throws {Error} Refused: cross on an isolated-only market, another type with an open position. */
  updateLeverage(asset: number, isCross: boolean, leverage: number): Promise<void>;
  /** @throws {Error} Refused, for instance with nothing left that could be moved. */
  addIsolatedMargin(asset: number, usd: number): Promise<void>;
  /** The asset's open isolated position; undefined while it is flat or cross. */
  isolatedPosition(asset: number): Promise<IsolatedPosition | undefined>;
}

export interface IsolatedPosition {
  readonly marginUsd: number;
  /** +1 long, -1 short: a position that turned round is another one. */
  readonly side: number;
}

export interface MarginAsset extends AssetMargin {
  readonly asset: number;
  readonly coin: string;
}

/** A difference smaller than this is not worth an action. */
const LEAST_TOP_UP_USD = 1;

/**
 * Sets leverage and margin mode at start, and brings each isolated position to its margin once after it was opened. The venue
 * takes margin only for an open position, so a flat market waits for its first fill. Never a second time for one position:
 * isolated margin is what a position can lose, and topping up a loser would undo that. Nothing is taken back at the stop; the
 * position keeps what backs it.
 *
 * Thread: main, cold.
 */
export class MarginKeeper {
  /** Isolated positions that have got their margin: asset → side. */
  private readonly filled = new Map<number, number>();
  /** Leverage that an answer is missing for: tried again at the next look. */
  private readonly unset = new Set<MarginAsset>();
  private isBusy = false;

  constructor(
    private readonly assets: readonly MarginAsset[],
    private readonly venue: MarginVenue,
    private readonly log: LogFn,
  ) {}

  /** There is something to look at. */
  get isNeeded(): boolean {
    return this.unset.size > 0 || this.assets.some((a) => !a.isCross);
  }

  /**
   * Before the first order. Where the venue says no (an open position in the other mode), its setting stands; what failed on its way
   * is tried again at every look.
   */
  async prepare(): Promise<void> {
    for (const a of this.assets) await this.setLeverage(a);
    await this.look();
  }

  private async setLeverage(a: MarginAsset): Promise<void> {
    const { asset, coin, isCross, leverage } = a;
    try {
      await this.venue.updateLeverage(asset, isCross, leverage);
      if (this.unset.delete(a)) this.log("info", "Leverage set", { asset: coin, leverage });
    } catch (error) {
      const isFinal = isRefusal(error);
      const isNews = !this.unset.has(a) || isFinal;
      if (isFinal) this.unset.delete(a);
      else this.unset.add(a);
      if (!isNews) return;
      this.log("warn", "Leverage not set", {
        asset: coin,
        leverage,
        mode: isCross ? "cross" : "isolated",
        error: (error as Error).message,
        consequence: isFinal ? "the venue's own setting stands" : "tried again every few seconds",
      });
    }
  }

  /** Every few seconds: finds positions that were opened and closed since. Never throws. */
  async look(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      for (const a of [...this.unset]) await this.setLeverage(a);
      for (const a of this.assets) if (!a.isCross) await this.lookAt(a);
    } finally {
      this.isBusy = false;
    }
  }

  private async lookAt({ asset, coin, isolatedUsd }: MarginAsset): Promise<void> {
    let held: IsolatedPosition | undefined;
    try {
      held = await this.venue.isolatedPosition(asset);
    } catch {
      return; // A read that failed is repeated at the next look.
    }
    if (held === undefined) {
      this.filled.delete(asset);
      return;
    }
    if (this.filled.get(asset) === held.side) return;
    const missingUsd = isolatedUsd - held.marginUsd;
    if (missingUsd < LEAST_TOP_UP_USD) {
      this.filled.set(asset, held.side);
      return;
    }
    try {
      await this.venue.addIsolatedMargin(asset, missingUsd);
      this.filled.set(asset, held.side);
      this.log("info", "Isolated margin added", {
        asset: coin,
        usd: rounded(missingUsd),
        of: rounded(isolatedUsd),
      });
    } catch (error) {
      // A refused one is not tried again until the position was closed. After a lost answer the next look sees what there is.
      const isFinal = isRefusal(error);
      if (isFinal) this.filled.set(asset, held.side);
      this.log("warn", "Isolated margin not added", {
        asset: coin,
        error: (error as Error).message,
        ...(isFinal ? {} : { consequence: "tried again at the next look" }),
      });
    }
  }
}

/** The venue's own no; anything else may have been lost on its way, either way. */
const isRefusal = (error: unknown): boolean => (error as { code?: unknown }).code === "Refused";

const rounded = (usd: number): number => Math.round(usd * 100) / 100;
