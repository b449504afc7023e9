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
  private isBusy = false;

  constructor(
    private readonly assets: readonly MarginAsset[],
    private readonly venue: MarginVenue,
    private readonly log: LogFn,
  ) {}

  get hasIsolated(): boolean {
    return this.assets.some((a) => !a.isCross);
  }

  /** Before the first order. Where the venue says no (an open position in the other mode), its setting stands. */
  async prepare(): Promise<void> {
    for (const { asset, coin, isCross, leverage } of this.assets) {
      try {
        await this.venue.updateLeverage(asset, isCross, leverage);
      } catch (error) {
        this.log("warn", "Leverage not set", {
          asset: coin,
          leverage,
          mode: isCross ? "cross" : "isolated",
          error: (error as Error).message,
        });
      }
    }
    await this.look();
  }

  /** Every few seconds: finds positions that were opened and closed since. Never throws. */
  async look(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
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
    // Also when it is refused: the same position is not tried again until it was closed.
    this.filled.set(asset, held.side);
    const missingUsd = isolatedUsd - held.marginUsd;
    if (missingUsd < LEAST_TOP_UP_USD) return;
    try {
      await this.venue.addIsolatedMargin(asset, missingUsd);
      this.log("info", "Isolated margin added", {
        asset: coin,
        usd: rounded(missingUsd),
        of: rounded(isolatedUsd),
      });
    } catch (error) {
      this.log("warn", "Isolated margin not added", { asset: coin, error: (error as Error).message });
    }
  }
}

const rounded = (usd: number): number => Math.round(usd * 100) / 100;
