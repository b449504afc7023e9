/**
 * Bytes of a journal segment. Little-endian. A segment is a header and records back to back; a record never crosses segments.
 *
 * Header (256 bytes): magic, version, layout hash, what and when, what was pruned before it, crc32 of the rest.
 * Record: u32 length, u32 crc32, f64 monoNs, u32 sequence, u8 kind, u8 stream, u16 zero, then `length` bytes.
 * The crc32 covers everything from monoNs on and is seeded with the length, so that a damaged length fails too.
 */
export const JOURNAL_MAGIC = "MMJOURNL";
export const JOURNAL_VERSION = 1;
export const HEADER_BYTES = 256;
export const HEADER = {
  magic: 0,
  version: 8,
  layoutHash: 12,
  segmentIndex: 16,
  firstSequence: 20,
  wallBaseMs: 24,
  monoBaseNs: 32,
  prunedBytes: 40,
  prunedSegments: 48,
  runId: 64,
  thread: 128,
  crc: 252,
} as const;
/** Bytes for run id and thread name, zero-filled. */
export const NAME_BYTES = 64;

export const RECORD_HEAD_BYTES = 24;
export const RECORD = {
  length: 0,
  crc: 4,
  monoNs: 8,
  sequence: 16,
  kind: 20,
  stream: 21,
} as const;
/** First byte that the checksum covers. */
export const RECORD_CRC_FROM = 8;

/** What a record holds. Numbers are part of the format: never reuse one. */
export const JournalKind = {
  /** Bytes as a socket or a response delivered them, before decoding. */
  InboundFrame: 1,
  /** Bytes as handed to a socket. */
  OutboundBytes: 2,
  /** A timer fired; `stream` says which, the payload is the owner's. */
  TimerTick: 3,
  /** The configuration as run, without secrets (UTF-8 JSON). */
  Config: 4,
  /** For people (UTF-8). */
  Note: 5,
  /** A ladder record as published on the board. */
  Ladder: 6,
  /** A connection opened or closed (UTF-8 reason). */
  Connection: 7,
  /** A ring record verbatim. */
  RingRecord: 8,
  /** A state written or read as a checkpoint. */
  Checkpoint: 9,
  /** The kill latch was tripped (UTF-8 reason). */
  Kill: 10,
  /** What a run began with, for its replay (UTF-8 JSON of `packed`). */
  Session: 11,
  /** Turns of the main thread, in order (`journal-turns`). */
  Turns: 12,
  /** Passes of a kernel, in order (`journal-turns`); `stream` is the kernel's number. */
  KernelPasses: 13,
  /** What the feed thread did apart from frames; `stream` is an `IntakeNote`. */
  Intake: 14,
  /** Records that could not be kept: u32 count, u32 zero, f64 bytes. */
  Lost: 254,
  /** The writer was closed in order. */
  End: 255,
} as const;
export type JournalKind = (typeof JournalKind)[keyof typeof JournalKind];

/** Where an inbound frame came from or outbound bytes went. */
export const JournalStream = { None: 0, Public: 1, Private: 2, Http: 3, Relay: 4, Standby: 5 } as const;
export type JournalStream = (typeof JournalStream)[keyof typeof JournalStream];

/** `stream` of an `Intake` record. */
export const IntakeNote = {
  /** A venue connection opened or closed. */
  Up: 1,
  Down: 2,
  StandbyUp: 3,
  StandbyDown: 4,
  /** A tick changed an asset's state. */
  Tick: 5,
  /** The next frame was refused for its stamp. */
  Future: 6,
  /** A ring was full: something of the market never reached its kernel. */
  NoRoom: 7,
  /** A pusher came: its first trades are old. */
  Backlog: 8,
} as const;
export type IntakeNote = (typeof IntakeNote)[keyof typeof IntakeNote];

export const LOST_PAYLOAD_BYTES = 16;

const NAME = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/;
export const isJournalName = (name: string): boolean => NAME.test(name);
export const segmentFileName = (runId: string, thread: string, index: number): string =>
  `${runId}.${thread}.${String(index).padStart(6, "0")}.mmj`;
export const SEGMENT_FILE = /^([A-Za-z0-9-]+)\.([A-Za-z0-9-]+)\.(\d{6,})\.mmj$/;
