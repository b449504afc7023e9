/**
 * Times of a conversion: ns since the tape's base, as numbers (exact for 104 days). Recorded stamps are split into whole seconds
 * and the rest, because 19 digits do not fit a double.
 */
import { BadLine } from "./problems.js";

const NS = 1e9;
const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)?$/;
const SECONDS = /^(\d{1,11})(?:\.(\d+))?$/;

export class Timeline {
  /** Whole seconds since the epoch; NaN: the first stamp decides. */
  constructor(public baseS = Number.NaN) {}

  of(s: number, ns: number): number {
    if (Number.isNaN(this.baseS)) this.baseS = s;
    return (s - this.baseS) * NS + ns;
  }

  /** 10 digits are seconds, 13 ms, 16 µs, 19 ns. */
  ofDigits(text: string): number {
    const n = text.length;
    if ((n !== 10 && n !== 13 && n !== 16 && n !== 19) || !/^\d+$/.test(text))
      throw new BadLine("not a time stamp", text.slice(0, 24));
    return this.of(Number(text.slice(0, 10)), Number(text.slice(10).padEnd(9, "0")));
  }

  /** @param ms Integer. */
  ofMs(ms: unknown): number {
    if (!Number.isSafeInteger(ms) || (ms as number) < 0)
      throw new BadLine("not a time stamp", String(ms).slice(0, 24));
    const s = Math.floor((ms as number) / 1000);
    return this.of(s, ((ms as number) - s * 1000) * 1e6);
  }

  /** "1757015216.673878". */
  ofSeconds(text: string | undefined): number {
    const m = SECONDS.exec(text ?? "");
    if (m === null) throw new BadLine("not a time stamp", String(text).slice(0, 24));
    return this.of(Number(m[1]), Number((m[2] ?? "").slice(0, 9).padEnd(9, "0")));
  }

  /** ISO 8601 in UTC with up to nine digits of a second. */
  ofIso(text: unknown): number {
    const m = typeof text === "string" ? ISO.exec(text) : null;
    const ms = m === null ? Number.NaN : Date.parse(`${m[1]}T${m[2]}Z`);
    if (Number.isNaN(ms)) throw new BadLine("not a time stamp", String(text).slice(0, 32));
    return this.of(ms / 1000, Number((m![3] ?? "").padEnd(9, "0")));
  }

  epochNs(monoNs: number): bigint {
    return BigInt(this.baseS) * 1_000_000_000n + BigInt(Math.round(monoNs));
  }
}
