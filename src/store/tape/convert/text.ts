import { createReadStream, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { TapeError } from "../errors.js";
import { isLz4Frame, lz4Frames } from "./lz4-frame.js";

const CHUNK_BYTES = 256 * 1024;
const LINE_CHARS_MAX = 8 * 1024 * 1024;

/** Lines of a plain, gzip or LZ4 text file, in batches: memory is bounded by one chunk and one line. */
export class LineFile {
  lineNumber = 0;
  private readonly file;
  private readonly size: number;
  private batches: AsyncGenerator<string[]> | undefined;

  /** @throws {TapeError} `no_such_file`. */
  constructor(readonly path: string) {
    try {
      this.size = statSync(path).size;
    } catch (cause) {
      throw new TapeError("no_such_file", `${path}: cannot be opened (${(cause as Error).message})`, {
        cause,
      });
    }
    this.file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
    this.file.on("error", () => {});
  }

  /** Share of the file that was read. */
  get share(): number {
    return this.size === 0 ? 1 : Math.min(1, this.file.bytesRead / this.size);
  }

  /** The next lines, without their ends; undefined at the end. @throws {TapeError} `unreadable`, where the file is damaged. */
  async next(): Promise<string[] | undefined> {
    this.batches ??= this.lines();
    try {
      const batch = await this.batches.next();
      return batch.done === true ? undefined : batch.value;
    } catch (cause) {
      this.close();
      if (cause instanceof TapeError) throw cause;
      throw new TapeError(
        "unreadable",
        `${this.path}: cannot be read beyond line ${this.lineNumber} (${(cause as Error).message}); the file is damaged or incomplete. \`market-maker tape convert --repair\` keeps what is before`,
        { cause },
      );
    }
  }

  close(): void {
    this.file.destroy();
  }

  private async *lines(): AsyncGenerator<string[]> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of await bytesOf(this.path, this.file)) {
      const text = rest + decoder.decode(chunk, { stream: true });
      const end = text.lastIndexOf("\n");
      rest = text.slice(end + 1);
      if (rest.length > LINE_CHARS_MAX)
        throw new TapeError(
          "unreadable",
          `${this.path}: a line is longer than 8 MiB; this is not a recording`,
        );
      if (end >= 0) yield text.slice(0, end).split("\n").map(withoutReturn);
    }
    if (rest.length > 0) yield [withoutReturn(rest)];
  }
}

const withoutReturn = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line);

async function bytesOf(path: string, file: import("node:fs").ReadStream): Promise<AsyncIterable<Uint8Array>> {
  const head = await firstBytes(path, 4);
  if (head[0] === 0x1f && head[1] === 0x8b) {
    const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
    file.on("error", (cause) => gunzip.destroy(cause));
    file.on("close", () => {
      if (!file.readableEnded) gunzip.destroy();
    });
    return file.pipe(gunzip);
  }
  return isLz4Frame(head) ? lz4Frames(file) : file;
}

export async function firstBytes(path: string, n: number): Promise<Uint8Array> {
  const handle = await open(path, "r");
  try {
    const bytes = new Uint8Array(n);
    const { bytesRead } = await handle.read(bytes, 0, n, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** The first lines, for recognising a format. */
export async function headLines(path: string, count: number): Promise<string[]> {
  const file = new LineFile(path);
  const lines: string[] = [];
  try {
    while (lines.length < count) {
      const batch = await file.next();
      if (batch === undefined) break;
      lines.push(...batch.slice(0, count - lines.length));
    }
  } finally {
    file.close();
  }
  return lines;
}
