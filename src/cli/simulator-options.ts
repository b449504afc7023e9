import { readFileSync } from "node:fs";
import { InvalidArgumentError, Option } from "commander";
import { parseFaultFile, parseFaultText } from "../sim/fault-rules.js";
import type { FaultRule } from "../sim/faults.js";
import { integer, number } from "./arguments.js";

/** How the simulated exchange behaves, as given on the command line of `sim`, or of a `run` that starts it itself. */
export interface SimulatorFlags {
  fault: string[];
  faults?: string;
  blockMs?: number;
  latencyMs?: LatencyFlag;
  fundingInterval?: number;
  addressLimit?: "venue" | "off";
  switchVolume?: number;
  ipLimits?: boolean;
  dexs?: string;
}

/** Delay of actions in exchange time: a range, or the venue's own. */
export interface LatencyFlag {
  readonly text: string;
  readonly range: readonly [minMs: number, maxMs: number] | "venue";
}

export function simulatorOptions(): Option[] {
  return [
    new Option(
      "--fault <rule>",
      "simulator: what goes wrong, e.g. loss:rate=0.01,stream=private (repeatable)",
    )
      .argParser((text: string, given: string[]) => {
        refusing(() => parseFaultText(text));
        return [...given, text];
      })
      .default([], "none"),
    new Option("--faults <file>", "simulator: rules of faults from a TOML or JSON file").argParser(
      (path: string) => {
        refusing(() => parseFaultFile(read(path), path));
        return path;
      },
    ),
    new Option(
      "--block-ms <ms>",
      "simulator: time between blocks (default: none; the venue's is 70)",
    ).argParser(integer(0, 10_000)),
    new Option(
      "--latency-ms <ms>",
      'simulator: delay of actions, e.g. 50, 20..80 or "venue" (default: none)',
    ).argParser(latency),
    new Option(
      "--funding-interval <seconds>",
      "simulator: time between funding payments (default: 3600)",
    ).argParser(number(1, 1e6)),
    new Option("--address-limit <rule>", "simulator: request budget of addresses (default: off)").choices([
      "venue",
      "off",
    ]),
    new Option(
      "--switch-volume <usd>",
      "simulator: volume an account needs for the dead man's switch (default: none; the venue's is 1000000)",
    ).argParser(number(0, 1e12)),
    new Option(
      "--ip-limits",
      "simulator: the venue's limits of request weights, sockets and messages per IP",
    ),
    new Option("--dexs <names>", 'simulator: list these as well: HIP-3 dexs, "spot" or "all"'),
  ];
}

/** The same options as arguments for a simulator that is started as a process; undefined: none were given. */
export function simulatorArguments(flags: SimulatorFlags): readonly string[] | undefined {
  const given: string[] = [];
  const add = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) given.push(name, String(value));
  };
  add("--faults", flags.faults);
  for (const text of flags.fault) add("--fault", text);
  add("--block-ms", flags.blockMs);
  add("--latency-ms", flags.latencyMs?.text);
  add("--funding-interval", flags.fundingInterval);
  add("--address-limit", flags.addressLimit);
  add("--switch-volume", flags.switchVolume);
  if (flags.ipLimits === true) given.push("--ip-limits");
  add("--dexs", flags.dexs);
  return given.length === 0 ? undefined : given;
}

/** The rules of both fault options, the file's first. */
export function faultRules(flags: SimulatorFlags): FaultRule[] {
  const fromFile = flags.faults === undefined ? [] : parseFaultFile(read(flags.faults), flags.faults);
  return [...fromFile, ...flags.fault.map(parseFaultText)];
}

function latency(text: string): LatencyFlag {
  if (text === "venue") return { text, range: "venue" };
  const ends = text.split("..").map(number(0, 60_000));
  const [minMs, maxMs = minMs] = ends;
  if (ends.length > 2 || minMs! > maxMs!) throw new InvalidArgumentError('want 50, 20..80 or "venue".');
  return { text, range: [minMs!, maxMs!] };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new InvalidArgumentError(`cannot read ${path}: ${(error as Error).message}`);
  }
}

function refusing(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
