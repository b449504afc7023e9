import { basename } from "node:path";
import type { RecordKind } from "../../../abi/layout.js";
import { TapeError } from "../errors.js";
import type { Format, ImportContext, LineImporter } from "./context.js";
import { BadLine, type Problems } from "./problems.js";
import { QueuedSource, type RecordSource } from "./records.js";
import { LineFile } from "./text.js";

/** Records of text files of one format, one file after the other through one importer. */
export class LineSource extends QueuedSource {
  private at_ = 0;
  private lines: LineFile | undefined;
  private companion: Companion | undefined;

  constructor(
    private readonly context: ImportContext,
    private readonly importer: LineImporter,
    private readonly format: Format,
    private readonly paths: readonly string[],
  ) {
    super(context.out);
  }

  get file(): string {
    return this.context.file;
  }
  get share(): number {
    return Math.min(1, (this.at_ + (this.lines?.share ?? 0)) / this.paths.length);
  }

  async fill(): Promise<boolean> {
    while (!this.hasFront) {
      const path = this.paths[this.at_];
      if (path === undefined) return false;
      if (this.lines === undefined) {
        this.lines = new LineFile(path);
        this.companion = await Companion.of(this.format.companion?.(path));
        this.importer.startFile?.(path);
      }
      const batch = await this.nextBatch(this.lines);
      if (batch === undefined) {
        this.importer.endFile?.();
        this.lines.close();
        this.companion?.close();
        this.lines = undefined;
        this.at_++;
        continue;
      }
      await this.companion?.have(batch.length);
      for (const line of batch) this.line(this.lines, line);
    }
    return true;
  }

  private async nextBatch(file: LineFile): Promise<string[] | undefined> {
    try {
      return await file.next();
    } catch (error) {
      if (!(error instanceof TapeError) || !this.context.problems.isLeavingDamage) throw error;
      this.context.problems.repaired(
        `the damaged rest of ${basename(file.path)} behind line ${file.lineNumber} left out`,
      );
      return undefined;
    }
  }

  private line(file: LineFile, text: string): void {
    const { context } = this;
    const { problems, out } = context;
    problems.lines++;
    file.lineNumber++;
    context.at(file.path, file.lineNumber);
    const beside = this.companion?.next();
    if (text === "") {
      problems.ignored++;
      return;
    }
    const mark = out.mark;
    context.beginLine();
    try {
      this.importer.line(text, beside);
    } catch (cause) {
      if (!(cause instanceof BadLine) && !(cause instanceof SyntaxError)) throw cause;
      out.rollback(mark);
      context.dropLine();
      problems.line(context.file, file.lineNumber, cause);
    }
  }

  close(): void {
    this.lines?.close();
    this.companion?.close();
  }
}

/** Lines that go with those of another file, one by one. */
class Companion {
  private lines: string[] = [];
  private at = 0;

  private constructor(private readonly file: LineFile) {}

  static async of(path: string | undefined): Promise<Companion | undefined> {
    if (path === undefined) return undefined;
    try {
      return new Companion(new LineFile(path));
    } catch {
      // There is none: the format does without.
      return undefined;
    }
  }

  async have(count: number): Promise<void> {
    this.lines = this.lines.slice(this.at);
    this.at = 0;
    while (this.lines.length < count) {
      const batch = await this.file.next();
      if (batch === undefined) return;
      this.lines.push(...batch);
    }
  }

  next(): string | undefined {
    return this.lines[this.at++];
  }

  close(): void {
    this.file.close();
  }
}

interface Held {
  readonly recvNs: number;
  readonly order: number;
  readonly kind: RecordKind;
  readonly asset: number;
  readonly body: Float64Array;
}

/** Puts records of a recording without receive times into the order of their stamps, within a window. */
export class SortedSource implements RecordSource {
  private readonly heap: Held[] = [];
  private count = 0;
  private newestNs = Number.NEGATIVE_INFINITY;
  private lastNs = Number.NEGATIVE_INFINITY;
  private isOver = false;
  readonly at = 0;

  constructor(
    private readonly inner: RecordSource,
    private readonly windowNs: number,
    private readonly problems: Problems,
    private readonly name: string,
  ) {}

  get hasFront(): boolean {
    return this.heap.length > 0 && (this.isOver || this.heap[0]!.recvNs + this.windowNs <= this.newestNs);
  }
  get recvNs(): number {
    return this.heap[0]!.recvNs;
  }
  get kind(): RecordKind {
    return this.heap[0]!.kind;
  }
  get asset(): number {
    return this.heap[0]!.asset;
  }
  get f64(): Float64Array {
    return this.heap[0]!.body;
  }
  get bodyBytes(): number {
    return this.heap[0]!.body.length * 8;
  }
  get share(): number {
    return this.inner.share;
  }

  pop(): void {
    const { heap } = this;
    this.lastNs = heap[0]!.recvNs;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      this.sink();
    }
  }

  async fill(): Promise<boolean> {
    while (!this.hasFront && !this.isOver) {
      if (!this.inner.hasFront && !(await this.inner.fill())) {
        this.isOver = true;
        break;
      }
      this.take();
      this.inner.pop();
    }
    return this.hasFront;
  }

  private take(): void {
    const { inner } = this;
    const body = inner.f64.slice(inner.at >> 3, (inner.at + inner.bodyBytes) >> 3);
    let { recvNs } = inner;
    if (recvNs < this.lastNs) {
      this.problems.brokenStamp(
        this.name,
        `time runs back by ${((this.newestNs - recvNs) / 1e9).toFixed(3)} s, further than its messages are ever out of order`,
        "a time that ran back is set to the newest that was written",
      );
      recvNs = this.lastNs;
      body[inner.bodyBytes === 16 || inner.bodyBytes === 64 ? 0 : 1] = recvNs;
    }
    if (recvNs > this.newestNs) this.newestNs = recvNs;
    this.heap.push({ recvNs, order: this.count++, kind: inner.kind, asset: inner.asset, body });
    this.rise();
  }

  private isBefore(a: number, b: number): boolean {
    const x = this.heap[a]!;
    const y = this.heap[b]!;
    return x.recvNs < y.recvNs || (x.recvNs === y.recvNs && x.order < y.order);
  }

  private rise(): void {
    for (let i = this.heap.length - 1; i > 0; ) {
      const up = (i - 1) >> 1;
      if (!this.isBefore(i, up)) return;
      this.swap(i, up);
      i = up;
    }
  }

  private sink(): void {
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      if (left >= this.heap.length) return;
      const best = left + 1 < this.heap.length && this.isBefore(left + 1, left) ? left + 1 : left;
      if (!this.isBefore(best, i)) return;
      this.swap(i, best);
      i = best;
    }
  }

  private swap(i: number, j: number): void {
    const kept = this.heap[i]!;
    this.heap[i] = this.heap[j]!;
    this.heap[j] = kept;
  }
}
