import { readFileSync } from "node:fs";
import { InvalidArgumentError, Option } from "commander";
import { parseFaultFile, parseFaultText } from "../sim/fault-rules.js";
import type { FaultRule } from "../sim/faults.js";

/** What goes wrong in the simulated exchange, as given on the command line. */
export interface FaultFlags {
  fault: string[];
  faults?: string;
}

/** Options about faults, of `sim` and of a `run` that starts the simulated exchange itself. */
export function faultOptions(): Option[] {
  return [
    new Option(
      "--fault <rule>",
      "make the simulated exchange fail, e.g. loss:rate=0.01,stream=private (repeatable)",
    )
      .argParser((text: string, given: string[]) => {
        refusing(() => parseFaultText(text));
        return [...given, text];
      })
      .default([], "none"),
    new Option("--faults <file>", "rules of faults from a TOML or JSON file").argParser((path: string) => {
      refusing(() => parseFaultFile(read(path), path));
      return path;
    }),
  ];
}

/** The rules of both options, the file's first. */
export function faultRules(flags: FaultFlags): FaultRule[] {
  const fromFile = flags.faults === undefined ? [] : parseFaultFile(read(flags.faults), flags.faults);
  return [...fromFile, ...flags.fault.map(parseFaultText)];
}

/** The same options as the arguments of a simulator that is started as a process; undefined: none were given. */
export function faultArguments(flags: FaultFlags): readonly string[] | undefined {
  const file = flags.faults === undefined ? [] : ["--faults", flags.faults];
  const given = [...file, ...flags.fault.flatMap((text) => ["--fault", text])];
  return given.length === 0 ? undefined : given;
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
