import type { RecoverReport, StopReport } from "../execution/index.js";
import { TurnEntry } from "../store/index.js";
import type { LogFn } from "../telemetry/log.js";
import type { LiveEngine } from "./live.js";
import type { MarketFacts } from "./markets.js";
import { OpenInterestWatch } from "./open-interest.js";

/** Open interest is watched and opened isolated positions are found this often (SOP §6.5). */
const ACCOUNT_WATCH_MS = 10_000;

/**
 * One engine's trading from its first question to its last cancel, with what watches the account meanwhile. Everything in it goes
 * through the engine's seams, so that a journal can play it again; what only looks (status, metrics, logs) stays outside.
 *
 * Life: `start` → `stop` (not after a kill) → `close`. Thread: main.
 */
export class TradingSession {
  private readonly openInterest: OpenInterestWatch;
  private stopWatching: (() => void) | undefined;

  constructor(
    private readonly live: LiveEngine,
    markets: readonly MarketFacts[],
    log: LogFn,
  ) {
    this.openInterest = new OpenInterestWatch(live.gateway.info, markets, log, {
      onVerdict: (asset, verdict) => {
        live.executor.holdToReducing(asset, verdict.isReduceOnly ? "open-interest cap" : "");
        live.tuner.limitSize(asset, verdict.sizeMult);
      },
    });
  }

  start(): Promise<RecoverReport> {
    const { live, openInterest } = this;
    return live.enter(TurnEntry.Start, async () => {
      await openInterest.look();
      const report = await live.startTrading();
      this.stopWatching = live.timers.every(ACCOUNT_WATCH_MS, () => {
        void openInterest.look();
        if (live.keeper.isNeeded) void live.keeper.look();
      });
      return report;
    });
  }

  /** Orders off the book. */
  stop(): Promise<StopReport> {
    return this.live.enter(TurnEntry.Stop, () => {
      this.stopWatching?.();
      return this.live.stopTrading();
    });
  }

  /** Orders first, if any may rest; then the connection and the threads. */
  close(): Promise<void> {
    return this.live.enter(TurnEntry.Close, () => {
      this.stopWatching?.();
      return this.live.close();
    });
  }
}
