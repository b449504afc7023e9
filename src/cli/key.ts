import { randomBytes } from "node:crypto";
import { renameSync, unlinkSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { loadConfig, NETWORKS } from "../config/index.js";
import { Rng } from "../domain/index.js";
import { loadSigner } from "../engine/venue.js";
import { startClock, systemTimers } from "../threads/system-clock.js";
import { AGENT_VALID_DAYS_MAX, approveAgent, isAgentName } from "../venues/hyperliquid/agents.js";
import { VenueError } from "../venues/hyperliquid/errors.js";
import { ExchangeClient } from "../venues/hyperliquid/exchange.js";
import { InfoClient } from "../venues/hyperliquid/info.js";
import { type KeySource, parsePrivateKey } from "../venues/hyperliquid/keys.js";
import { readPasswordFile, refuseExisting, writeKeystore } from "../venues/hyperliquid/keystore.js";
import type { NetworkEndpoints } from "../venues/hyperliquid/network.js";
import { L1Signer } from "../venues/hyperliquid/sign.js";
import { integer } from "./arguments.js";
import { askNewPassword, readPiped, terminalSecret } from "./secret-input.js";

/** `market-maker key import|address|agent-approve`: keys are read from a pipe or the terminal and written encrypted. */
export function keyCommand(about: string): Command {
  const key = new Command("key").description(about);
  key.addCommand(importCommand());
  key.addCommand(addressCommand());
  key.addCommand(approveCommand());
  return key;
}

interface SourceFlags {
  config?: string;
  network?: string;
  port?: number;
  keystore?: string;
  passwordFile?: string;
}

/** Options that say which key is meant; the environment, `.env` and the configuration are asked as in `run`. */
function withKeySource(command: Command): Command {
  return command
    .option("-c, --config <path>", "configuration file (default: market_maker.toml if it exists)")
    .addOption(new Option("--network <name>", "where the account is").choices(NETWORKS))
    .option("--port <port>", "the simulator's port (localhost)", integer(1, 65535), 3001)
    .option("--keystore <path>", "encrypted key file")
    .option("--password-file <path>", "file with the keystore's password (default: asked at the terminal)");
}

interface Source {
  readonly endpoints: NetworkEndpoints;
  readonly signer: L1Signer;
  readonly source: KeySource;
  readonly info: InfoClient;
}

async function openSource(flags: SourceFlags): Promise<Source> {
  const { config, path } = loadConfig(flags.config, {
    "network.base_url": flags.network,
    "network.password_file": flags.passwordFile,
  });
  const loaded = await loadSigner({
    config,
    configPath: path,
    simPort: flags.port ?? 3001,
    privateKeyOption: undefined,
    keystoreOption: flags.keystore,
    env: process.env,
    askSecret: terminalSecret(),
    log: (_, text) => process.stderr.write(`${text}\n`),
  });
  const { clock } = startClock();
  const rng = new Rng(Math.floor(clock.wallMs()) % 2 ** 31);
  return {
    ...loaded,
    info: new InfoClient({ endpoints: loaded.endpoints, clock, timers: systemTimers, rng }),
  };
}

// ── import ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface ImportFlags {
  keystore: string;
  passwordFile?: string;
  force?: boolean;
}

function importCommand(): Command {
  return new Command("import")
    .description("encrypt a private key, read from a pipe or asked for, into a keystore file")
    .option("--keystore <path>", "file to write", "keystore.json")
    .option("--password-file <path>", "file with the new password (default: asked twice at the terminal)")
    .option("--force", "overwrite the file if it exists")
    .action(async (flags: ImportFlags) => {
      if (flags.force !== true) refuseExisting(flags.keystore);
      const ask = terminalSecret();
      const text =
        ask === undefined ? await readPiped() : await ask("Private key (64 hex digits, not shown): ");
      const key = parsePrivateKey(text, ask === undefined ? "standard input" : "what was typed");
      const signer = new L1Signer(key, "b");
      const { address } = signer;
      signer.dispose();
      const password = await newPassword(flags.passwordFile, flags.keystore, "--password-file");
      await writeKeystore(flags.keystore, key, address, password, { isReplacing: flags.force === true });
      key.fill(0);
      process.stdout.write(`${address}\nwrote ${flags.keystore}\n${useHint(flags.keystore)}`);
    });
}

const useHint = (path: string): string =>
  `use it with --keystore ${path}, or with keystore = ${JSON.stringify(path)} under [network] of the configuration\n`;

function newPassword(file: string | undefined, what: string, option: string): Promise<string> {
  if (file !== undefined) return Promise.resolve(readPasswordFile(file));
  const ask = terminalSecret();
  if (ask === undefined) {
    throw new VenueError(
      "BadKey",
      `${what} needs a password and there is no terminal to ask at: use ${option}`,
    );
  }
  return askNewPassword(ask, what);
}

// ── address ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function addressCommand(): Command {
  return withKeySource(new Command("address"))
    .description(
      "show the address of the configured key, where the key comes from, and what the network knows of it",
    )
    .action(async (flags: SourceFlags) => {
      const { endpoints, signer, source, info } = await openSource(flags);
      process.stdout.write(`address    ${signer.address}\nsource     ${source}\n`);
      process.stdout.write(`${endpoints.name.padEnd(11)}${await roleText(info, signer.address)}\n`);
      signer.dispose();
    });
}

async function roleText(info: InfoClient, address: string): Promise<string> {
  try {
    const { role, data } = await info.userRole(address);
    if (role === "agent") return `agent of ${data?.user ?? "an account that the venue does not name"}`;
    if (role === "subAccount")
      return `sub-account of ${data?.master ?? "an account that the venue does not name"}`;
    if (role === "missing") return "not known there: no deposit yet, or an agent that is not approved";
    return role === "user" ? "account" : role;
  } catch (error) {
    return `not asked: ${(error as Error).message}`;
  }
}

// ── agent-approve ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface ApproveFlags extends SourceFlags {
  name: string;
  out?: string;
  outPasswordFile?: string;
  validDays?: number;
  force?: boolean;
}

function approveCommand(): Command {
  return withKeySource(new Command("agent-approve"))
    .description(
      "make a new agent key, approve it with the account's own key, and keep it in a keystore file",
    )
    .requiredOption("--name <name>", "name of the agent, 1 to 16 characters", agentName)
    .option("--out <path>", "keystore of the agent (default: agent-<name>.json)")
    .option("--out-password-file <path>", "file with its password (default: asked twice at the terminal)")
    .option(
      "--valid-days <n>",
      "validity (default: the venue's, about 90 days)",
      integer(1, AGENT_VALID_DAYS_MAX),
    )
    .option("--force", "replace the agent of this name and its keystore")
    .action(approve);
}

function agentName(text: string): string {
  if (!isAgentName(text)) throw new InvalidArgumentError("want 1 to 16 characters without spaces.");
  return text;
}

async function approve(flags: ApproveFlags): Promise<void> {
  const { name } = flags;
  const out = flags.out ?? `agent-${name}.json`;
  const isReplacing = flags.force === true;
  if (!isReplacing) refuseExisting(out);
  const { endpoints, signer, info } = await openSource(flags);
  const password = await newPassword(flags.outPasswordFile, out, "--out-password-file");
  const key = Uint8Array.from(randomBytes(32));
  const agent = new L1Signer(key, endpoints.source);
  // The key is on disk before the venue trusts it, and takes an older one's place only afterwards.
  const draft = `${out}.new`;
  await writeKeystore(draft, key, agent.address, password, { isReplacing: true });
  key.fill(0);
  const { clock } = startClock();
  const days = flags.validDays;
  try {
    await approveAgent({
      exchange: new ExchangeClient({ endpoints, signer, clock, timers: systemTimers }),
      info,
      account: signer.address,
      agent: agent.address,
      name,
      validUntilMs: days === undefined ? undefined : clock.wallMs() + days * 86_400_000,
      isReplacing,
      timers: systemTimers,
    });
  } catch (error) {
    if (error instanceof VenueError && error.code === "Timeout")
      throw new VenueError("Timeout", `${error.message}; its key is kept in ${draft}`, { cause: error });
    unlinkSync(draft);
    throw error;
  } finally {
    signer.dispose();
    agent.dispose();
  }
  renameSync(draft, out);
  process.stdout.write(
    `approved ${name} ${agent.address} for ${signer.address} on ${endpoints.name}\nwrote ${out}\n`,
  );
  process.stdout.write(useHint(out));
}
