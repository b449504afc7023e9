import { existsSync, writeFileSync } from "node:fs";
import { ConfigError } from "./load.js";

/** The documented sample that `generate-config` writes; a test keeps it equal to the schema's defaults. */
export const SAMPLE_CONFIG = `# market_maker.toml: every option with its default. Options on the command line win over this file.

[network]
base_url = "testnet"             # mainnet, testnet, localhost (the simulated exchange)
# keystore = "keystore.json"     # encrypted key file, made by: market-maker key import
# password_file = "..."          # first line: the keystore's password; unset: asked at the terminal
# private_key = "..."            # prefer the environment variable HYPERLIQUID_PRIVATE_KEY or a keystore
# vault_address = "0x0000000000000000000000000000000000000000"   # sub-account or vault traded for; the key is its owner's or their agent's

[trading]
asset = "BTC"                    # one coin, or several separated by commas
# target_liquidity = 0.01        # size per side over all levels, in asset units; unset: worth 1,000 USD at the start price
risk_aversion = 0.3              # gamma per bps: 0.1 (aggressive) to 1.0 (conservative)
max_bps_diff = 5                 # an order this close to its target keeps its place in the queue
# max_absolute_position_size = 0.05   # in asset units; unset: five times target_liquidity
# leverage = 20                  # unset: the asset's maximum
# decimals = 1                   # finest price decimals; unset: from the venue
# dex = "hyna"                   # builder-deployed DEX (HIP-3), see --list-dexs; unset: the venue's own perpetuals
initial_isolated_margin = 1000   # USD for each isolated market: its sizes are held to what this carries
force_isolated = false           # isolated margin also where cross is allowed

[strategy]
strategy_type = "ladder"         # symmetric, inventory_aware, glft, ladder
estimation_window_secs = 300     # rolling window of the volume clock and rates
min_trades = 50                  # trades seen before the first quote
warmup_decay_secs = 300          # quotes start a tenth wider and narrow over this time; 0: off

[strategy.ladder_config]
num_levels = 5                   # per side, 1 to 32
min_depth_bps = 5                # closest level from the fair price
max_depth_bps = 50               # farthest level
geometric_spacing = true         # false: linear

[risk]
max_daily_loss_usd = 500
max_drawdown_pct = 5             # of account value
max_position_value_usd = 10000
stale_data_secs = 5              # no market data for this long: kill switch
pull_quotes_after_stale_secs = 3 # and for this long: quotes are pulled
max_rate_limit_errors = 10

[rate_limit]
economise_below_hours = 6        # requotes get coarser when the account's requests would last less than this
buy_request_weight = false       # buy requests (0.0005 USD each) when they run out
max_purchase_usd_per_day = 1

[safety]
dead_man_secs = 60               # the venue cancels everything this long after our last word; 0: off
watchdog = "auto"                # a process that cancels everything if this one dies: auto (where the venue offers no dead man's switch), always, off

[engine]
threads = 1                      # kernel workers; assets are spread over them
wait = "hybrid"                  # spin (a core of its own per thread), hybrid, sleep
# data_dir = "/var/lib/market-maker"  # journal, checkpoints, locks; unset: the user's state directory
min_requote_ms = 0               # least time between two batches for one asset
order_expiry_ms = 0              # the venue refuses orders that reach it later than this, at 5 times the weight; 0: off, as a clock this slow would have all refused
requote_bps = 0.25               # microprice move worth a new ladder; 0: every touch is
requote_ms = 250                 # and a new one at the latest after this long, when anything came
standby = false                  # a second market-data connection: the first frame wins, no gap when one dies
relay_port = 0                   # republish the feed and accept pushed frames; 0: off
relay_host = "127.0.0.1"
journal = true                   # every inbound frame, timer tick and outbound byte
journal_max_mib = 1024           # oldest segments are deleted beyond this

[logging]
level = "info"                   # trace, debug, info, warn, error
format = "pretty"                # pretty, json, compact
# file = "/var/log/market_maker/mm.log"
multi_stream = false             # a folder of log files: everything, and one file a stream
dir = "logs"                     # that folder

[monitoring]
metrics_port = 9090              # Prometheus text at /metrics; 0: off
metrics_host = "127.0.0.1"
enable_http_metrics = true
`;

/** @throws {ConfigError} When the file exists: nothing of the user's is overwritten. */
export function writeSampleConfig(path: string): void {
  if (existsSync(path)) {
    throw new ConfigError(
      "Invalid",
      `${path} exists already: it is not overwritten (give another path with --output)`,
    );
  }
  writeFileSync(path, SAMPLE_CONFIG, { mode: 0o600 });
}
