import { Rng } from "../domain/index.js";
import { probePort } from "../engine/simulator.js";
import { StartError } from "../engine/start-error.js";
import { startClock, systemTimers } from "../threads/system-clock.js";
import { InfoClient } from "../venues/hyperliquid/info.js";
import { networkEndpoints } from "../venues/hyperliquid/network.js";

const DEFAULT_SIM_PORT = 3001;

/**
 * The read requests of a network, for commands that only look.
 *
 * @throws {StartError} NoSimulator when the network is localhost and nothing serves it: looking starts none.
 */
export async function venueInfo(network: string, simPort = DEFAULT_SIM_PORT): Promise<InfoClient> {
  const endpoints = networkEndpoints(network, { port: simPort });
  if (network === "localhost" && (await probePort(simPort)) !== "simulator") {
    throw new StartError(
      "NoSimulator",
      `no simulated exchange runs on port ${simPort}: start one with market-maker sim, or give its --port`,
    );
  }
  const { clock } = startClock();
  return new InfoClient({ endpoints, clock, timers: systemTimers, rng: new Rng(Date.now()) });
}
