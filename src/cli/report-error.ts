/** Prints one clear line for an error a user can act on; the stack only when debugging was asked for. Returns the exit code. */
export function reportError(error: unknown, isDebug: boolean): number {
  const e = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`error: ${e.message.split("\n")[0]}\n`);
  if (isDebug && e.stack !== undefined) {
    process.stderr.write(`${e.stack}\n`);
    for (let cause = e.cause; cause instanceof Error; cause = cause.cause) {
      process.stderr.write(`caused by: ${cause.stack ?? cause.message}\n`);
    }
  }
  return 1;
}
