import { orderErrorCode, VenueError } from "../venues/hyperliquid/errors.js";
import { explainOrderError } from "../venues/order-errors.js";

/** The venue's own text, and what it means where that is known. */
export function errorLine(error: Error): string {
  const line = error.message.split("\n")[0]!;
  if (!(error instanceof VenueError) || error.code !== "Refused") return line;
  // A control action names itself before the venue's words.
  const code = [line, line.slice(line.indexOf(": ") + 2)].map(orderErrorCode).find((c) => c !== "Other");
  return code === undefined ? line : `${line} (${explainOrderError(code)})`;
}

/** Prints one clear line for an error a user can act on; the stack only when debugging was asked for. Returns the exit code. */
export function reportError(error: unknown, isDebug: boolean): number {
  const e = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`error: ${errorLine(e)}\n`);
  if (isDebug && e.stack !== undefined) {
    process.stderr.write(`${e.stack}\n`);
    for (let cause = e.cause; cause instanceof Error; cause = cause.cause) {
      process.stderr.write(`caused by: ${cause.stack ?? cause.message}\n`);
    }
  }
  return 1;
}
