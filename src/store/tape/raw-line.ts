export interface RawLine {
  readonly recvMs: number;
  readonly json: string;
}

/**
 * Splits `<recv> <json>`. The receive time is in nanoseconds (19 digits) or, in the captures of 2023, microseconds (16).
 * @returns undefined when the line is not of that shape.
 */
export function splitRawLine(line: string): RawLine | undefined {
  const space = line.indexOf(" ");
  if (space !== 19 && space !== 16) return undefined;
  for (let i = 0; i < space; i++) {
    const code = line.charCodeAt(i);
    if (code < 48 || code > 57) return undefined;
  }
  // 13 digits of ms and the rest as a fraction: 19 digits as one number would lose the last three.
  const recvMs = Number(line.slice(0, 13)) + Number(`0.${line.slice(13, space)}`);
  return { recvMs, json: line.slice(space + 1) };
}

const DAY_MS = 86_400_000;

/** False for an exchange time no clock error and no backlog explains. */
export const isPlausibleStamp = (recvMs: number, exchMs: unknown): boolean =>
  typeof exchMs === "number" && Math.abs(recvMs - exchMs) < DAY_MS;
