import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { InvalidArgumentError } from "commander";

/** Parsers of option values: each failure is one line that says what is accepted. */
export function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < min || value > max) {
      throw new InvalidArgumentError(`want a number from ${min} to ${max}.`);
    }
    return value;
  };
}

export function integer(min: number, max: number): (text: string) => number {
  const parse = number(min, max);
  return (text) => {
    const value = parse(text);
    if (!Number.isInteger(value)) throw new InvalidArgumentError("want a whole number.");
    return value;
  };
}

export function speed(text: string): number | "max" {
  if (text === "max") return "max";
  return number(0.01, 100_000)(text.replace(/[x×]$/, ""));
}

/** A file that is written at the end of something long: its folder must be there at the start. */
export function outputFile(path: string): string {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch {
    throw new InvalidArgumentError(`${dirname(path)} is no folder that can be written to.`);
  }
  return path;
}
