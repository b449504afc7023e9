import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import * as abi from "../../../abi/layout.js";
import { RecordKind } from "../../../abi/layout.js";
import { EXPORT_TABLES, type ExportColumn, type ExportTable } from "./columns.js";
import { type Progressed, refuseExisting } from "./cut.js";
import { FileSource, recvOffset } from "./file-source.js";

export interface ExportOptions {
  readonly input: string;
  /** A folder: one file for each kind of record that the tape holds. */
  readonly outDir: string;
  readonly format: "csv" | "parquet";
  readonly onProgress?: Progressed;
}

export interface ExportedTable {
  readonly path: string;
  readonly rows: number;
}

const ROWS_PER_GROUP = 65_536;
const PROGRESS_EVERY = 16_384;

type Cell = number | bigint | string;

/** Writes rows of one table; memory is bounded by one group of rows. */
interface TableFile {
  readonly path: string;
  row(cells: readonly Cell[]): void;
  close(): ExportedTable;
}

/** Until a table is whole. */
const partOf = (path: string): string => `${path}.part`;

/** @throws {TapeError} for a tape that cannot be read, and for a table that exists already. Thread: any. */
export async function exportTape(o: ExportOptions): Promise<ExportedTable[]> {
  mkdirSync(o.outDir, { recursive: true });
  const source = new FileSource(o.input);
  const { meta } = source.reader;
  const base = BigInt(meta.baseWallNs);
  const coins = new Map(meta.instruments.map((i) => [i.asset, i.coin]));
  const files = new Map<number, TableFile>();
  const epoch = (monoNs: number): bigint => base + BigInt(Math.round(monoNs));
  try {
    let n = 0;
    while (await source.fill()) {
      const table = EXPORT_TABLES.get(source.kind);
      if (table !== undefined) {
        let file = files.get(source.kind);
        if (file === undefined) {
          refuseExisting(join(o.outDir, `${table.name}.${o.format}`));
          file = o.format === "csv" ? new CsvTable(o.outDir, table) : new ParquetTable(o.outDir, table);
          files.set(source.kind, file);
        }
        const head: Cell[] = [epoch(source.f64[(source.at + recvOffset(source.kind)) >> 3]!)];
        if (table.hasExchTs) head.push(source.i64[source.at >> 3]!);
        head.push(coins.get(source.asset) ?? String(source.asset));
        if (source.kind === RecordKind.Book) bookRows(source, table, head, file);
        else file.row([...head, ...table.columns.map((c) => cell(source, c, source.at + c.offset, epoch))]);
      }
      if (++n % PROGRESS_EVERY === 0) o.onProgress?.(source.share, n);
      source.pop();
    }
    const tables = [...files.values()].map((f) => f.close());
    for (const { path } of tables) renameSync(partOf(path), path);
    return tables;
  } catch (error) {
    for (const { path } of files.values()) rmSync(partOf(path), { force: true });
    throw error;
  } finally {
    source.close();
  }
}

function bookRows(source: FileSource, table: ExportTable, head: readonly Cell[], file: TableFile): void {
  const [, , ...level] = table.columns;
  for (const [side, countAt, levelsAt] of [
    [1, abi.BOOK_BID_COUNT, abi.BOOK_BIDS],
    [-1, abi.BOOK_ASK_COUNT, abi.BOOK_ASKS],
  ] as const)
    for (let i = 0; i < source.u8[source.at + countAt]!; i++) {
      const at = source.at + levelsAt + i * abi.LEVEL_SIZE;
      file.row([...head, side, i, ...level.map((c) => cell(source, c, at + c.offset, () => 0n))]);
    }
}

function cell(s: FileSource, c: ExportColumn, at: number, epoch: (monoNs: number) => bigint): Cell {
  switch (c.type) {
    case "f64":
      return s.f64[at >> 3]!;
    case "u64":
      return BigInt.asUintN(64, s.i64[at >> 3]!);
    case "stamp":
      return s.i64[at >> 3]!;
    case "u32":
      return s.i32[at >> 2]! >>> 0;
    case "u16":
      return s.u8[at]! | (s.u8[at + 1]! << 8);
    case "u8":
      return s.u8[at]!;
    case "i8":
      return (s.u8[at]! << 24) >> 24;
    case "mono": {
      const monoNs = s.f64[at >> 3]!;
      return monoNs === 0 ? 0n : epoch(monoNs);
    }
    case "text":
      return c.names?.get(s.u8[at]!) ?? String(s.u8[at]!);
  }
}

const headerOf = (table: ExportTable): string[] => [
  "recv_ns",
  ...(table.hasExchTs ? ["exch_ts_ns"] : []),
  "coin",
  ...table.columns.map((c) => c.name),
];

class CsvTable implements TableFile {
  readonly path: string;
  private readonly fd: number;
  private text: string[];
  private rows = 0;

  constructor(dir: string, table: ExportTable) {
    this.path = join(dir, `${table.name}.csv`);
    this.fd = openSync(partOf(this.path), "w");
    this.text = [headerOf(table).join(",")];
  }

  /** A value that is not known is an empty cell. */
  row(cells: readonly Cell[]): void {
    this.rows++;
    this.text.push(cells.map((c) => (typeof c === "number" && Number.isNaN(c) ? "" : String(c))).join(","));
    if (this.text.length >= 4096) this.flush();
  }

  close(): ExportedTable {
    this.flush();
    closeSync(this.fd);
    return { path: this.path, rows: this.rows };
  }

  private flush(): void {
    if (this.text.length > 0) writeSync(this.fd, `${this.text.join("\n")}\n`);
    this.text = [];
  }
}

type ParquetType = "INT64" | "INT32" | "DOUBLE" | "BYTE_ARRAY";
const PARQUET: Readonly<Record<ExportColumn["type"], ParquetType>> = {
  f64: "DOUBLE",
  u64: "INT64",
  stamp: "INT64",
  mono: "INT64",
  u32: "INT32",
  u16: "INT32",
  u8: "INT32",
  i8: "INT32",
  text: "BYTE_ARRAY",
};

class ParquetTable implements TableFile {
  readonly path: string;
  private readonly names: readonly string[];
  private readonly types: readonly ParquetType[];
  private readonly writer: ParquetWriter;
  private columns: Cell[][];
  private rows = 0;

  constructor(dir: string, table: ExportTable) {
    this.path = join(dir, `${table.name}.parquet`);
    this.names = headerOf(table);
    this.types = [
      "INT64",
      ...(table.hasExchTs ? (["INT64"] as const) : []),
      "BYTE_ARRAY",
      ...table.columns.map((c) => PARQUET[c.type]),
    ];
    this.writer = new ParquetWriter({
      writer: fileWriter(partOf(this.path)),
      createdBy: "market-maker",
      schema: [
        { name: "root", num_children: this.names.length },
        ...this.names.map((name, i) => ({
          name,
          type: this.types[i]!,
          repetition_type: "REQUIRED" as const,
          ...(this.types[i] === "BYTE_ARRAY" ? { converted_type: "UTF8" as const } : {}),
        })),
      ],
    });
    this.columns = this.names.map(() => []);
  }

  row(cells: readonly Cell[]): void {
    this.rows++;
    // 64 bits are signed in the file: an id beyond 2^63 keeps its bits.
    for (let i = 0; i < cells.length; i++) {
      const c = cells[i]!;
      this.columns[i]!.push(typeof c === "bigint" ? BigInt.asIntN(64, c) : c);
    }
    if (this.columns[0]!.length >= ROWS_PER_GROUP) this.flush();
  }

  close(): ExportedTable {
    this.flush();
    void this.writer.finish();
    return { path: this.path, rows: this.rows };
  }

  private flush(): void {
    if (this.columns[0]!.length === 0) return;
    // The file writer is synchronous: nothing is pending when this returns.
    void this.writer.write({
      columnData: this.names.map((name, i) => ({ name, data: this.columns[i]! })),
      rowGroupSize: ROWS_PER_GROUP,
    });
    this.columns = this.names.map(() => []);
  }
}
