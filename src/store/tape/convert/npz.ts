/** Reads numpy's .npy and .npz files as streams: memory is bounded by one chunk. Source: numpy.lib.format; PKZIP APPNOTE. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { createInflateRaw } from "node:zlib";
import { TapeError } from "../errors.js";

const EOCD = 0x06054b50;
const EOCD64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const NPY_MAGIC = "\x93NUMPY";

export const isNpy = (head: Uint8Array): boolean => Buffer.from(head).toString("latin1", 0, 6) === NPY_MAGIC;
export const isZip = (head: Uint8Array): boolean =>
  head.length >= 4 && Buffer.from(head).readUInt32LE(0) === LOCAL;

interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly storedBytes: number;
  readonly localAt: number;
}

/** @throws {TapeError} `unreadable`. */
export async function zipEntries(path: string): Promise<ZipEntry[]> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    const read = async (at: number, n: number): Promise<Buffer> => {
      const b = Buffer.alloc(Math.max(0, Math.min(n, size - at)));
      await handle.read(b, 0, b.length, at);
      return b;
    };
    const tailAt = Math.max(0, size - 66_000);
    const tail = await read(tailAt, 66_000);
    let at = -1;
    for (let i = tail.length - 22; i >= 0 && at < 0; i--) if (tail.readUInt32LE(i) === EOCD) at = i;
    if (at < 0) throw new TapeError("unreadable", `${path}: the zip archive has no directory; it is cut off`);
    let count = tail.readUInt16LE(at + 10);
    let directoryAt = tail.readUInt32LE(at + 16);
    let directoryBytes = tail.readUInt32LE(at + 12);
    if (directoryAt === 0xffffffff && at >= 20) {
      const end64 = await read(Number(tail.readBigUInt64LE(at - 20 + 8)), 56);
      if (end64.length < 56 || end64.readUInt32LE(0) !== EOCD64)
        throw new TapeError("unreadable", `${path}: the zip64 directory is damaged`);
      count = Number(end64.readBigUInt64LE(32));
      directoryBytes = Number(end64.readBigUInt64LE(40));
      directoryAt = Number(end64.readBigUInt64LE(48));
    }
    const directory = await read(directoryAt, Math.min(directoryBytes, 16 * 2 ** 20));
    const entries: ZipEntry[] = [];
    for (let n = 0, i = 0; n < count && i + 46 <= directory.length; n++) {
      if (directory.readUInt32LE(i) !== CENTRAL)
        throw new TapeError("unreadable", `${path}: the zip directory is damaged`);
      const nameBytes = directory.readUInt16LE(i + 28);
      const extraBytes = directory.readUInt16LE(i + 30);
      entries.push(centralEntry(directory, i, nameBytes, extraBytes));
      i += 46 + nameBytes + extraBytes + directory.readUInt16LE(i + 32);
    }
    return entries;
  } finally {
    await handle.close();
  }
}

function centralEntry(d: Buffer, i: number, nameBytes: number, extraBytes: number): ZipEntry {
  const rawBytes = d.readUInt32LE(i + 24);
  let storedBytes = d.readUInt32LE(i + 20);
  let localAt = d.readUInt32LE(i + 42);
  const extraEnd = Math.min(d.length, i + 46 + nameBytes + extraBytes);
  for (let e = i + 46 + nameBytes; e + 4 <= extraEnd; e += 4 + d.readUInt16LE(e + 2)) {
    if (d.readUInt16LE(e) !== 1) continue;
    // zip64: only the fields that did not fit, in this order.
    let at = e + 4 + (rawBytes === 0xffffffff ? 8 : 0);
    if (storedBytes === 0xffffffff && at + 8 <= extraEnd) {
      storedBytes = Number(d.readBigUInt64LE(at));
      at += 8;
    }
    if (localAt === 0xffffffff && at + 8 <= extraEnd) localAt = Number(d.readBigUInt64LE(at));
  }
  return {
    name: d.toString("utf8", i + 46, i + 46 + nameBytes),
    method: d.readUInt16LE(i + 10),
    storedBytes,
    localAt,
  };
}

/** The bytes of one entry. */
export async function zipStream(path: string, entry: ZipEntry): Promise<AsyncIterable<Uint8Array>> {
  const handle = await open(path, "r");
  const local = Buffer.alloc(30);
  try {
    await handle.read(local, 0, 30, entry.localAt);
  } finally {
    await handle.close();
  }
  if (local.readUInt32LE(0) !== LOCAL || (entry.method !== 0 && entry.method !== 8))
    throw new TapeError("unreadable", `${path}: ${entry.name} is packed in a way that is not known`);
  const start = entry.localAt + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
  if (entry.storedBytes === 0) return (async function* () {})();
  const raw = createReadStream(path, { start, end: start + entry.storedBytes - 1 });
  if (entry.method === 0) return raw;
  const inflate = createInflateRaw();
  raw.on("error", (cause) => inflate.destroy(cause));
  return raw.pipe(inflate);
}

export interface NpyField {
  readonly name: string;
  readonly type: string;
  readonly offset: number;
}
export interface NpyHeader {
  readonly fields: readonly NpyField[];
  readonly rowBytes: number;
  readonly rows: number;
  readonly dataAt: number;
}

/** @throws {TapeError} `unreadable` When it is no one-dimensional array of a structured type. */
export function npyHeader(bytes: Buffer, path: string): NpyHeader {
  const bad = (why: string): TapeError => new TapeError("unreadable", `${basename(path)}: ${why}`);
  if (!isNpy(bytes) || bytes.length < 12) throw bad("not a numpy array");
  const isLong = bytes[6]! > 1;
  const headerBytes = isLong ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8);
  const dataAt = (isLong ? 12 : 10) + headerBytes;
  const text = bytes.toString("latin1", isLong ? 12 : 10, dataAt);
  const rows = /'shape':\s*\((\d+),\s*\)/.exec(text);
  const list = /'descr':\s*\[(.*?)\],\s*'fortran/.exec(text);
  if (rows === null || list === null || bytes.length < dataAt)
    throw bad(
      "not a one-dimensional array of events (ev, exch_ts, local_ts, px, qty); arrays of hftbacktest 1 have to be converted with its own tools",
    );
  let offset = 0;
  const fields = [...list[1]!.matchAll(/\('([^']*)',\s*'([<|=>]?)([a-zA-Z])(\d+)'\)/g)].map((m) => {
    if (m[2] === ">") throw bad("big-endian numbers");
    const field = { name: m[1]!, type: m[3]! + m[4]!, offset };
    offset += m[3] === "U" ? 4 * Number(m[4]) : Number(m[4]);
    return field;
  });
  return { fields, rowBytes: offset, rows: Number(rows[1]), dataAt };
}
