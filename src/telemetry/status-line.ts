/**
 * One live line at the bottom of a terminal; log text is printed above it. Off a terminal it stays silent.
 */
export class StatusLine {
  private current = "";

  constructor(
    private readonly out: {
      write(text: string): unknown;
      readonly isTTY?: boolean;
      readonly columns?: number;
    },
  ) {}

  get isLive(): boolean {
    return this.out.isTTY === true;
  }

  /** Prints text above the line. */
  readonly print = (text: string): void => {
    if (!this.isLive || this.current === "") {
      this.out.write(text);
      return;
    }
    this.out.write(`\r\x1b[K${text.endsWith("\n") ? text : `${text}\n`}${this.current}`);
  };

  set(text: string): void {
    if (!this.isLive) return;
    this.current = text.slice(0, Math.max(20, (this.out.columns || 120) - 1));
    this.out.write(`\r\x1b[K${this.current}`);
  }

  clear(): void {
    if (this.isLive && this.current !== "") this.out.write("\r\x1b[K");
    this.current = "";
  }
}
