import { VenueError } from "./errors.js";

export const NETWORK_NAMES = ["mainnet", "testnet", "localhost"] as const;
export type NetworkName = (typeof NETWORK_NAMES)[number];

export interface NetworkEndpoints {
  readonly name: NetworkName;
  readonly infoUrl: string;
  readonly exchangeUrl: string;
  readonly wsUrl: string;
  /** Letter of the phantom agent that keeps signatures of one network from being valid on another. */
  readonly source: "a" | "b";
}

const HOSTS = { mainnet: "api.hyperliquid.xyz", testnet: "api.hyperliquid-testnet.xyz" } as const;

/**
 * Addresses of a network. `localhost` is the simulated exchange.
 * @param port of the simulated exchange; ignored elsewhere.
 * @throws {VenueError} BadNetwork for an unknown name or port. Source: reference §1.1.
 */
export function networkEndpoints(name: string, options: { port?: number } = {}): NetworkEndpoints {
  if (name === "mainnet" || name === "testnet") {
    const host = HOSTS[name];
    return {
      name,
      infoUrl: `https://${host}/info`,
      exchangeUrl: `https://${host}/exchange`,
      wsUrl: `wss://${host}/ws`,
      source: name === "mainnet" ? "a" : "b",
    };
  }
  if (name === "localhost") {
    const port = options.port ?? 3001;
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new VenueError("BadNetwork", `port ${port} of the simulated exchange is not in 1..65535`);
    }
    const host = `127.0.0.1:${port}`;
    return {
      name,
      infoUrl: `http://${host}/info`,
      exchangeUrl: `http://${host}/exchange`,
      wsUrl: `ws://${host}/ws`,
      source: "b",
    };
  }
  throw new VenueError("BadNetwork", `network "${name}" is unknown: use one of ${NETWORK_NAMES.join(", ")}`);
}
