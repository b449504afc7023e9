import { z } from "zod";
import { LOG_FORMATS, LOG_LEVELS, NETWORKS, WAIT_MODES } from "./names.js";

/**
 * Shape, ranges and defaults of `market_maker.toml` (SOP §4.2). Unknown keys are refused: a misspelt limit must not be
 * silently ignored.
 */
const positive = z.number().positive();
const nonNegative = z.number().nonnegative();
const port = z.int().min(0).max(65535);

export const STRATEGIES = ["symmetric", "inventory_aware", "glft", "ladder"] as const;
export const WATCHDOG_MODES = ["auto", "always", "off"] as const;

export const configSchema = z.strictObject({
  network: z
    .strictObject({
      base_url: z.enum(NETWORKS).default("testnet"),
      private_key: z.string().optional(),
      keystore: z.string().min(1).optional(),
      password_file: z.string().min(1).optional(),
      vault_address: z
        .string()
        .regex(/^0x[0-9a-fA-F]{40}$/, "want 0x and 40 hex digits")
        .optional(),
    })
    .prefault({}),
  trading: z
    .strictObject({
      asset: z.string().min(1).default("BTC"),
      // Unset: sized from the price at start, see DEFAULT_SIDE_NOTIONAL_USD.
      target_liquidity: positive.optional(),
      risk_aversion: z.number().min(0.01).max(10).default(0.3),
      max_bps_diff: nonNegative.default(5),
      max_absolute_position_size: positive.optional(),
      leverage: z.int().min(1).max(100).optional(),
      decimals: z.int().min(0).max(8).optional(),
      // A builder-deployed dex (HIP-3): its name is put before every asset.
      dex: z.string().min(1).optional(),
      initial_isolated_margin: positive.default(1_000),
      force_isolated: z.boolean().default(false),
    })
    .prefault({}),
  strategy: z
    .strictObject({
      strategy_type: z.enum(STRATEGIES).default("ladder"),
      estimation_window_secs: z.number().min(1).max(86_400).default(300),
      min_trades: z.int().min(0).default(50),
      warmup_decay_secs: nonNegative.default(300),
      ladder_config: z
        .strictObject({
          num_levels: z.int().min(1).max(32).default(5),
          min_depth_bps: z.number().min(0.01).max(1000).default(5),
          max_depth_bps: z.number().min(0.01).max(2000).default(50),
          geometric_spacing: z.boolean().default(true),
        })
        .prefault({})
        .refine((l) => l.min_depth_bps <= l.max_depth_bps, {
          message: "min_depth_bps is greater than max_depth_bps",
        }),
    })
    .prefault({}),
  risk: z
    .strictObject({
      max_daily_loss_usd: positive.default(500),
      max_drawdown_pct: positive.max(100).default(5),
      max_position_value_usd: positive.default(10_000),
      stale_data_secs: positive.default(5),
      pull_quotes_after_stale_secs: positive.default(3),
      max_rate_limit_errors: z.int().min(1).default(10),
    })
    .prefault({}),
  rate_limit: z
    .strictObject({
      economise_below_hours: z.number().min(0.5).max(1000).default(6),
      buy_request_weight: z.boolean().default(false),
      max_purchase_usd_per_day: positive.max(1000).default(1),
    })
    .prefault({}),
  safety: z
    .strictObject({
      // 0: off. The venue wants five seconds at least.
      dead_man_secs: z
        .number()
        .max(3600)
        .default(60)
        .refine((s) => s === 0 || s >= 6, { message: "give 0 (off) or at least 6" }),
      watchdog: z.enum(WATCHDOG_MODES).default("auto"),
    })
    .prefault({}),
  engine: z
    .strictObject({
      threads: z.int().min(1).max(64).default(1),
      wait: z.enum(WAIT_MODES).default("hybrid"),
      data_dir: z.string().optional(),
      min_requote_ms: nonNegative.default(0),
      order_expiry_ms: z.int().min(0).max(600_000).default(0),
      requote_bps: nonNegative.max(100).default(0.25),
      requote_ms: positive.max(1000).default(250),
      standby: z.boolean().default(false),
      relay_port: port.default(0),
      relay_host: z.string().default("127.0.0.1"),
      journal: z.boolean().default(true),
      journal_max_mib: z.number().min(32).default(1024),
    })
    .prefault({}),
  logging: z
    .strictObject({
      level: z.enum(LOG_LEVELS).default("info"),
      format: z.enum(LOG_FORMATS).default("pretty"),
      file: z.string().optional(),
      multi_stream: z.boolean().default(false),
      dir: z.string().min(1).default("logs"),
    })
    .prefault({}),
  monitoring: z
    .strictObject({
      metrics_port: port.default(9090),
      metrics_host: z.string().default("127.0.0.1"),
      enable_http_metrics: z.boolean().default(true),
    })
    .prefault({}),
});

export type Config = z.infer<typeof configSchema>;

/** Without `target_liquidity` the ladder holds this much per side, in USD, and the position limit is five times it. */
export const DEFAULT_SIDE_NOTIONAL_USD = 1_000;
export const DEFAULT_MAX_POSITION_SIDES = 5;
