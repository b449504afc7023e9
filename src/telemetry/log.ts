import { createWriteStream, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { Writable } from "node:stream";
import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

export type { Logger } from "pino";
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";
export type LogFormat = "pretty" | "json" | "compact";

/** The form in which rooms without a logger of their own report: level, event name, fields. */
export type LogFn = (level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>) => void;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Also written to this file, as JSON lines; undefined: terminal only. */
  readonly file: string | undefined;
  /** Where terminal output goes: the status line's writer on a terminal. */
  readonly write: (text: string) => void;
  readonly isColored: boolean;
}

/** Keys whose values never reach a log, at any depth we use. */
const SECRET_KEYS = [
  "privateKey",
  "private_key",
  "*.privateKey",
  "*.private_key",
  "password",
  "*.password",
  "secret",
  "*.secret",
];

/**
 * One logger for the process. JSON lines carry `timestamp`, `level`, `target`, `message` as SOP §7.2's jq examples expect.
 *
 * @throws {Error} When the log file cannot be created.
 */
export function createLogger(options: LogOptions): {
  logger: Logger;
  log: LogFn;
  close: () => Promise<void>;
} {
  const terminal = new Writable({
    write(chunk: Buffer, _encoding, done) {
      options.write(chunk.toString());
      done();
    },
  });
  const streams: { level: LogLevel; stream: NodeJS.WritableStream }[] = [
    { level: options.level, stream: options.format === "json" ? terminal : prettyStream(options, terminal) },
  ];
  let file: NodeJS.WritableStream | undefined;
  if (options.file !== undefined) {
    mkdirSync(dirname(options.file), { recursive: true });
    file = createWriteStream(options.file, { flags: "a", mode: 0o640 });
    let isTold = false;
    // A full disk costs the log, not the quotes.
    file.on("error", (error: Error) => {
      if (!isTold) options.write(`log file ${options.file} cannot be written: ${error.message}\n`);
      isTold = true;
    });
    streams.push({ level: options.level, stream: file });
  }
  const logger = pino(
    {
      level: options.level,
      messageKey: "message",
      base: { target: "market_maker" },
      timestamp: () => `,"timestamp":"${new Date().toISOString()}"`, // tidy-ok: log stamps are for people, nothing is computed from them
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_KEYS, censor: "[redacted]" },
    },
    pino.multistream(streams, { dedupe: false }),
  );
  return {
    logger,
    log: (level, event, fields) =>
      fields === undefined ? logger[level](event) : logger[level](fields, event),
    close: () => new Promise((resolve) => (file === undefined ? resolve() : (file as Writable).end(resolve))),
  };
}

function prettyStream(options: LogOptions, destination: Writable): NodeJS.WritableStream {
  return pretty({
    colorize: options.isColored,
    messageKey: "message",
    timestampKey: "timestamp",
    translateTime: options.format === "compact" ? "SYS:HH:MM:ss.l" : "SYS:yyyy-mm-dd HH:MM:ss.l",
    ignore: "target",
    singleLine: options.format === "compact",
    hideObject: false,
    destination,
  });
}
