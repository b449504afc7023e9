export type TapeErrorCode =
  | "no_such_file"
  | "nothing_recognised"
  | "ambiguous"
  | "coin_not_in_tape"
  | "unknown_coin"
  | "no_book"
  | "unreadable"
  | "damaged"
  | "bad_timestamps"
  | "cannot_write";

/** A tape that cannot be opened: one line saying what, where and what to do. */
export class TapeError extends Error {
  override readonly name = "TapeError";

  constructor(
    readonly code: TapeErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
