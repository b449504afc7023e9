import { Writable } from "node:stream";
import { type Logger, pino } from "pino";
import pretty from "pino-pretty";
import { LOG_STREAMS, LogFile, streamOf, streamPaths } from "./log-streams.js";

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
  /** A file of everything and one a stream, as JSON lines; undefined: none. */
  readonly multiStream?: { readonly dir: string; readonly name: string } | undefined;
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
 * Files are appended to and survive their rotation when `follow` is called every second or so.
 *
 * @throws {Error} When a log file cannot be created.
 */
export function createLogger(options: LogOptions): {
  logger: Logger;
  log: LogFn;
  follow: () => void;
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
  const files: LogFile[] = [];
  const open = (path: string): LogFile => {
    const file = new LogFile(path, options.write);
    files.push(file);
    return file;
  };
  if (options.file !== undefined) streams.push({ level: options.level, stream: open(options.file) });
  const multi = options.multiStream;
  const paths = multi === undefined ? undefined : streamPaths(multi.dir, multi.name);
  if (paths !== undefined) streams.push({ level: options.level, stream: open(paths.all) });
  const settings = {
    level: options.level,
    messageKey: "message",
    base: { target: "market_maker" },
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`, // tidy-ok: log stamps are for people, nothing is computed from them
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_KEYS, censor: "[redacted]" },
  };
  const logger = pino(settings, pino.multistream(streams, { dedupe: false }));
  const byStream =
    paths === undefined
      ? undefined
      : new Map(LOG_STREAMS.map((stream) => [stream, pino(settings, open(paths.streams[stream]))]));
  return {
    logger,
    log: (level, event, fields) => {
      const stream = byStream === undefined ? undefined : streamOf(event);
      for (const to of [logger, stream === undefined ? undefined : byStream?.get(stream)]) {
        if (to === undefined) continue;
        if (fields === undefined) to[level](event);
        else to[level](fields, event);
      }
    },
    follow: () => {
      for (const file of files) file.follow();
    },
    close: async () => {
      await Promise.all(files.map((file) => new Promise<void>((resolve) => file.end(resolve))));
    },
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
