import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { TapeError } from "./errors.js";

const CHUNK_BYTES = 256 * 1024;
/** A REST snapshot of 1,000 levels a side is about 50 KB; anything near this is not a recording. */
const MAX_LINE_CHARS = 8 * 1024 * 1024;

/**
 * Streams the lines of a gzip or plain text file to `onLine` (numbered from 1, without line end).
 * @param maxLines Stops early after so many lines.
 * @returns the number of lines read.
 * @throws {TapeError} `unreadable` When the file is damaged or not text; what was read before has been delivered.
 */
export async function readLines(
  path: string,
  onLine: (line: string, lineNumber: number) => void,
  maxLines = Number.POSITIVE_INFINITY,
): Promise<number> {
  const decoder = new TextDecoder();
  let lineNumber = 0;
  let rest = "";
  const take = (from: number, text: string, to: number): void => {
    const end = text.charCodeAt(to - 1) === 13 ? to - 1 : to;
    onLine(text.slice(from, Math.max(from, end)), ++lineNumber);
  };
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const stream = (await isGzip(path)) ? file.pipe(createGunzip({ chunkSize: CHUNK_BYTES })) : file;
  if (stream !== file) file.on("error", (cause) => stream.destroy(cause));
  let isDelivering = false;
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      const text = rest + decoder.decode(chunk, { stream: true });
      isDelivering = true;
      let from = 0;
      for (let to = text.indexOf("\n"); to >= 0; to = text.indexOf("\n", from)) {
        take(from, text, to);
        from = to + 1;
        if (lineNumber >= maxLines) return lineNumber;
      }
      isDelivering = false;
      rest = text.slice(from);
      if (rest.length > MAX_LINE_CHARS)
        throw new TapeError("unreadable", `${path}: line ${lineNumber + 1} is longer than 8 MiB`);
    }
  } catch (cause) {
    if (isDelivering || cause instanceof TapeError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TapeError(
      "unreadable",
      `${path}: cannot be read beyond line ${lineNumber} (${why}); the file is damaged or incomplete`,
      { cause },
    );
  } finally {
    stream.destroy();
    file.destroy();
  }
  if (rest.length > 0) take(0, rest, rest.length);
  return lineNumber;
}

async function isGzip(path: string): Promise<boolean> {
  const handle = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
    throw new TapeError("no_such_file", `${path}: cannot be opened (${cause.code ?? cause.message})`, {
      cause,
    });
  });
  try {
    const head = new Uint8Array(2);
    const { bytesRead } = await handle.read(head, 0, 2, 0);
    return bytesRead === 2 && head[0] === 0x1f && head[1] === 0x8b;
  } finally {
    await handle.close();
  }
}
