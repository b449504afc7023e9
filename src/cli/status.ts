import { Command, Option } from "commander";
import type { Config } from "../config/index.js";
import { NETWORKS } from "../config/names.js";
import type { AccountStatus } from "../engine/account-status.js";
import { VenueError } from "../venues/hyperliquid/errors.js";
import { integer } from "./arguments.js";
import { terminalSecret } from "./secret-input.js";

interface StatusFlags {
  config?: string;
  network?: string;
  address?: string;
  asset?: string;
  dex?: string;
  privateKey?: string;
  keystore?: string;
  passwordFile?: string;
  port?: number;
  json?: boolean;
}

/** Documented: scripts decide by them. */
export const STATUS_EXIT_CODES = `Exit codes: 0 shown; 1 it could not be asked for (no key or address, unknown DEX, no connection).`;

/** `market-maker status` (SOP §5.3): the account as the venue sees it; places and cancels nothing. */
export function statusCommand(): Command {
  return new Command("status")
    .description("show position, balance, open orders, margin, leverage, fees and rate budget")
    .option("-c, --config <path>", "configuration file (default: market_maker.toml if it exists)")
    .addOption(new Option("--network <name>", "where the account is").choices(NETWORKS))
    .option("--address <0x…>", "an account to look at: no key is needed")
    .option("--asset <coin>", "only these coins, separated by commas")
    .option("--dex <name>", "only this builder-deployed DEX")
    .option("--private-key <hex>", "signing key (prefer HYPERLIQUID_PRIVATE_KEY)")
    .option("--keystore <path>", "encrypted key file")
    .option("--password-file <path>", "file with the keystore's password (default: asked at the terminal)")
    .option("--port <port>", "the simulator's port (localhost)", integer(1, 65535))
    .option("--json", "for machines: one JSON object with stable keys")
    .addHelpText("after", `\n${STATUS_EXIT_CODES}`)
    .action(async (flags: StatusFlags) => {
      const status = await gather(flags);
      process.stdout.write(flags.json === true ? `${JSON.stringify(status, null, 2)}\n` : statusText(status));
    });
}

async function gather(flags: StatusFlags): Promise<AccountStatus> {
  const { loadConfig } = await import("../config/index.js");
  const { accountStatus } = await import("../engine/account-status.js");
  const { venueInfo } = await import("./venue-info.js");
  const { config, path } = loadConfig(flags.config, {
    "network.base_url": flags.network,
    "network.password_file": flags.passwordFile,
  });
  const network = config.network.base_url;
  const address = await addressOf(flags, config, path);
  const info = await venueInfo(network, flags.port);
  const coins = (flags.asset ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return accountStatus(info, { network, address, coins, dex: flags.dex });
}

/** The account that is asked for, else the one that `run` would trade for with this configuration. */
async function addressOf(flags: StatusFlags, config: Config, path: string | undefined): Promise<string> {
  if (flags.address !== undefined) return parseAddress(flags.address);
  // A key on the command line asks for its own account.
  const isKeyNamed = flags.privateKey !== undefined || flags.keystore !== undefined;
  const vault = config.network.vault_address?.toLowerCase();
  return vault === undefined || isKeyNamed ? await keyAddress(flags, config, path) : vault;
}

async function keyAddress(
  flags: StatusFlags,
  config: Config,
  configPath: string | undefined,
): Promise<string> {
  const { loadSigner } = await import("../engine/venue.js");
  const { signer } = await loadSigner({
    config,
    simPort: flags.port ?? 3001,
    privateKeyOption: flags.privateKey,
    keystoreOption: flags.keystore,
    configPath,
    env: process.env,
    askSecret: terminalSecret(),
    log: (_level, text) => process.stderr.write(`${text}\n`),
  });
  const { address } = signer;
  signer.dispose();
  return address;
}

function parseAddress(text: string): string {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) {
    throw new VenueError(
      "BadKey",
      `--address ${text.slice(0, 50)} is not an address: expected 0x and 40 hex digits`,
    );
  }
  return text.toLowerCase();
}

const usd = (n: number): string =>
  `${n < 0 ? "-" : ""}$${Math.abs(n).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
const bps = (n: number): string => `${Math.round(n * 1000) / 1000} bps`;

/** The account for a person, section by section. */
export function statusText(s: AccountStatus): string {
  const { account } = s;
  const notes = [
    account.role === "subAccount" && account.master !== null ? `sub-account of ${account.master}` : "",
    account.role === "vault" ? "vault" : "",
    account.role === "missing" ? "unknown to the venue: nothing was ever deposited" : "",
    account.agent === null ? "" : `the key is the agent ${account.agent}`,
    account.mode === null || account.mode === "default" || account.mode === "disabled" ? "" : account.mode,
  ].filter((note) => note !== "");
  const lines = [
    `Account ${account.address} on ${s.network}${notes.length === 0 ? "" : ` (${notes.join("; ")})`}`,
    "",
    ...table(
      ["DEX", "equity", "available margin", "margin used", "collateral"],
      s.dexs.map((d) => [
        d.name === "" ? "(venue's own)" : d.name,
        usd(d.equityUsd),
        usd(d.availableMarginUsd),
        usd(d.marginUsedUsd),
        d.collateral,
      ]),
    ),
    "",
    ...section(
      "Positions",
      ["coin", "size", "entry", "value", "unrealized", "leverage", "margin", "liquidation"],
      s.positions.map((p) => [
        p.coin,
        String(p.size),
        String(p.entryPx),
        usd(p.valueUsd),
        usd(p.unrealizedPnlUsd),
        `${p.leverage}x ${p.marginMode}`,
        usd(p.marginUsedUsd),
        p.liquidationPx === null ? "-" : String(p.liquidationPx),
      ]),
    ),
    "",
    ...section(
      "Open orders",
      ["coin", "side", "price", "size", "kind", "oid", "placed"],
      s.openOrders.map((o) => [
        o.coin,
        o.side,
        String(o.px),
        String(o.size),
        [o.isReduceOnly ? "reduce-only" : "", o.isTrigger ? "trigger" : ""].filter(Boolean).join(" ") ||
          "limit",
        String(o.oid),
        new Date(o.time).toISOString().replace("T", " ").slice(0, 19),
      ]),
    ),
    "",
    ...section(
      "Leverage",
      ["coin", "leverage", "available to buy", "available to sell"],
      s.leverage.map((l) => [
        l.coin,
        `${l.leverage}x ${l.marginMode}`,
        usd(l.availableToBuyUsd),
        usd(l.availableToSellUsd),
      ]),
    ),
    ...(s.spot.length === 0
      ? []
      : [
          "",
          `Spot: ${s.spot.map((b) => `${b.total} ${b.coin}${b.hold > 0 ? ` (${b.hold} held)` : ""}`).join(", ")}`,
        ]),
    "",
    `Fees: maker ${bps(s.fees.makerBps)}, taker ${bps(s.fees.takerBps)}${feeNotes(s)}`,
    ...s.fees.byDex.map(
      (d) =>
        `  on ${d.dex}: maker ${bps(d.makerBps)}, taker ${bps(d.takerBps)} (a tenth in growth-mode markets)`,
    ),
    `Request budget: ${s.rateBudget.used} of ${s.rateBudget.cap} used, ${s.rateBudget.left} left: ${hours(s.rateBudget.hoursLeft)} at one action a second without a trade`,
    s.deadMansSwitch.isAvailable
      ? "Dead man's switch of the venue: available"
      : `Dead man's switch of the venue: not available, needs ${usd(s.deadMansSwitch.requiredUsd)} traded (so far ${usd(s.deadMansSwitch.tradedUsd)})${s.network === "localhost" ? "; the simulated exchange asks for what its --switch-volume says" : ""}`,
  ];
  return `${lines.join("\n")}\n`;
}

function feeNotes(s: AccountStatus): string {
  const notes = [
    s.fees.tier === null ? "" : `tier ${s.fees.tier}`,
    s.fees.volume14dUsd === null ? "" : `${usd(s.fees.volume14dUsd)} in 14 days`,
    s.fees.stakingDiscount > 0 ? `staking discount ${100 * s.fees.stakingDiscount} %` : "",
    s.fees.referralDiscount > 0 ? `referral discount ${100 * s.fees.referralDiscount} %` : "",
  ].filter((note) => note !== "");
  return notes.length === 0 ? "" : ` (${notes.join(", ")})`;
}

const hours = (h: number): string => (h < 48 ? `${h.toFixed(1)} h` : `${(h / 24).toFixed(1)} days`);

function section(title: string, head: string[], rows: string[][]): string[] {
  return rows.length === 0 ? [`${title}: none`] : [`${title}:`, ...table(head, rows)];
}

/** Columns as wide as their widest cell; the first is set left, the others right. */
function table(head: string[], rows: string[][]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, c) => Math.max(...all.map((row) => row[c]!.length)));
  return all.map((row) =>
    `  ${row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join("  ")}`.trimEnd(),
  );
}
