/** Names that the command line offers before anything else is loaded. */
export const NETWORKS = ["mainnet", "testnet", "localhost"] as const;
export const WAIT_MODES = ["spin", "hybrid", "sleep"] as const;
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error"] as const;
export const LOG_FORMATS = ["pretty", "json", "compact"] as const;
export const DEFAULT_CONFIG_FILE = "market_maker.toml";
