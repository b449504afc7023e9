/**
 * A child process: the simulated exchange with an empty market that accepts every post-only order. Asked for `"cpu"`, it tells the
 * microseconds of processor time that it has used.
 */
import { OpenMarket, startSimServer } from "../../src/sim/index.js";
import { startClock, systemTimers } from "../../src/threads/system-clock.js";

const funded = process.argv[2];
if (funded === undefined || process.send === undefined)
  throw new Error("to be forked with an address to fund");
const { clock } = startClock();
const server = await startSimServer({
  port: 0,
  speed: 1,
  markets: [new OpenMarket({ coin: "BTC", szDecimals: 5, maxLeverage: 40, blockMs: 80, l2BookMs: 60_000 })],
  funding: { [funded]: 1e6 },
  clock,
  timers: systemTimers,
  log: () => {},
});
process.on("disconnect", () => process.exit(0));
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send!({ cpuUs: user + system });
});
process.send({ port: server.port });
