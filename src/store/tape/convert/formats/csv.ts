import { BadLine } from "../problems.js";

/** Cells of a comma-separated line, found by the names of the header. No recording quotes its cells. */
export class CsvRow {
  private cells: readonly string[] = [];
  private readonly columns: ReadonlyMap<string, number>;

  constructor(names: readonly string[]) {
    this.columns = new Map(names.map((name, i) => [name.trim(), i]));
  }

  load(line: string): void {
    this.cells = line.split(",");
    if (this.cells.length < this.columns.size)
      throw new BadLine("too few cells", `${this.cells.length} instead of ${this.columns.size}`);
  }

  has(name: string): boolean {
    return this.columns.has(name);
  }

  text(name: string): string {
    return this.cells[this.columns.get(name) ?? -1]?.trim() ?? "";
  }

  /** NaN where the cell is empty or absent. */
  number(name: string): number {
    const text = this.text(name);
    return text === "" ? Number.NaN : Number(text);
  }

  /** @throws {BadLine} */
  integer(name: string): number {
    const text = this.text(name);
    const value = Number(text);
    if (text === "" || !Number.isSafeInteger(value))
      throw new BadLine(`${name} is not a whole number`, text.slice(0, 24));
    return value;
  }

  isTrue(name: string): boolean {
    const text = this.text(name).toLowerCase();
    if (text !== "true" && text !== "false")
      throw new BadLine(`${name} is neither true nor false`, text.slice(0, 24));
    return text === "true";
  }
}

/** A trade id where it is a number that fits; else 0, not known. */
export function idOf(text: string): number | bigint {
  if (!/^\d{1,19}$/.test(text)) return 0;
  const n = Number(text);
  return Number.isSafeInteger(n) ? n : BigInt.asUintN(63, BigInt(text));
}
