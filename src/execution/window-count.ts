/** Events within a sliding window. Thread: owner. Allocates: nothing after construction. */
export class WindowCount {
  private readonly times: Float64Array;
  private added = 0;

  /** @param capacity events remembered: counts saturate there, so give at least the limit they are held against. */
  constructor(
    private readonly windowNs: number,
    capacity: number,
  ) {
    this.times = new Float64Array(Math.max(1, capacity));
  }

  add(monoNs: number): void {
    this.times[this.added++ % this.times.length] = monoNs;
  }

  count(nowMonoNs: number): number {
    const kept = Math.min(this.added, this.times.length);
    let n = 0;
    for (let i = 1; i <= kept; i++) {
      if (nowMonoNs - this.times[(this.added - i) % this.times.length]! > this.windowNs) break;
      n++;
    }
    return n;
  }
}
