/**
 * Entry of the watchdog: a process of its own that outlives the market maker and takes its orders off the book when it died
 * (the channel closed) or hangs (no heartbeat). Ends by the maker's word after a clean stop, or after its own work.
 */
import { Rng } from "../domain/index.js";
import { ExchangeClient } from "../venues/hyperliquid/exchange.js";
import { InfoClient } from "../venues/hyperliquid/info.js";
import { NonceSequence } from "../venues/hyperliquid/nonce.js";
import { L1Signer } from "../venues/hyperliquid/sign.js";
import { type SweepOptions, sweepOrders } from "../venues/hyperliquid/sweep.js";
import { dexOf } from "../venues/hyperliquid/symbols.js";
import { startClock, systemTimers } from "./system-clock.js";
import type { FromWatchdog, ToWatchdog, WatchdogInit } from "./watchdog-protocol.js";

const CHECK_EVERY_MS = 250;
/** How long it goes on trying to reach the venue. */
const SWEEP_FOR_MS = 600_000;
/** One round while the maker is silent but not gone. */
const HANG_SWEEP_MS = 15_000;
const REQUEST_TIMEOUT_MS = 3_000;

const { clock } = startClock();
let makeSweep: (() => SweepOptions) | undefined;
let lastNonce = 0;
let silenceNs = Number.POSITIVE_INFINITY;
let lastBeatNs = clock.monoNs();
let isSweeping = false;
let isLeaving = false;

const say = (text: string): void => {
  // Whoever read this may be gone with the maker.
  process.stderr.write(`watchdog: ${text}\n`); // tidy-ok: a process of its own, whose maker's logger is dead
};
process.stderr.on("error", () => {});
// A terminal or service manager that ends the maker signals its whole group: the orders come first.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});

function arm(init: WatchdogInit): void {
  const signer = new L1Signer(init.key, init.endpoints.source);
  init.key.fill(0);
  const { endpoints } = init;
  lastNonce = init.lastNonce;
  const seams = { endpoints, clock, timers: systemTimers, timeoutMs: REQUEST_TIMEOUT_MS };
  let lastTrouble = "";
  makeSweep = () => ({
    info: new InfoClient({ ...seams, rng: new Rng(process.pid) }),
    exchange: new ExchangeClient({
      ...seams,
      signer,
      // From where the maker's ended; what it sent since its last word is stepped over when the venue refuses.
      nonces: new NonceSequence(clock, { last: lastNonce }),
      vaultAddress: init.vaultAddress,
    }),
    user: init.user,
    assetOf: new Map(init.assets.map((a) => [a.coin, a.venueAssetId])),
    dexes: [...new Set(["", ...init.assets.map((a) => dexOf(a.coin))])],
    clock,
    timers: systemTimers,
    onTrouble: (text) => {
      if (text !== lastTrouble) say(text);
      lastTrouble = text;
    },
  });
  silenceNs = init.silenceMs * 1e6;
  lastBeatNs = clock.monoNs();
  const ready: FromWatchdog = { type: "ready" };
  process.send?.(ready);
}

async function act(why: string, forMs: number): Promise<void> {
  if (makeSweep === undefined || isSweeping) return;
  isSweeping = true;
  say(`${why}: cancelling its orders`);
  const report = await sweepOrders(makeSweep(), forMs);
  isSweeping = false;
  say(
    report.isClean
      ? `${report.orders} orders cancelled, nothing of the market maker rests`
      : "orders may still rest: check with the venue",
  );
}

process.on("message", (message: ToWatchdog) => {
  if (message.type === "init") arm(message);
  else if (message.type === "beat") {
    lastBeatNs = clock.monoNs();
    lastNonce = message.lastNonce;
  } else {
    isLeaving = true;
    process.exit(0);
  }
});

process.on("disconnect", () => {
  if (isLeaving || makeSweep === undefined) process.exit(0);
  silenceNs = Number.POSITIVE_INFINITY;
  const leave = (): void => process.exit(0);
  const last = (): void => void act("the market maker is gone", SWEEP_FOR_MS).then(leave, leave);
  if (!isSweeping) return last();
  // A sweep for silence is under way and may be about to give up: the last one has all the time it needs.
  systemTimers.every(CHECK_EVERY_MS, () => {
    if (!isSweeping) last();
  });
});

systemTimers.every(CHECK_EVERY_MS, () => {
  if (clock.monoNs() - lastBeatNs > silenceNs) void act("the market maker is silent", HANG_SWEEP_MS);
});
