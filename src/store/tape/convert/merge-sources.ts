import type { RecordSource } from "./records.js";

/** Takes the records of several sources in the order of their receive times; at equal times the earlier source comes first. */
export async function mergeSources(
  sources: readonly RecordSource[],
  take: (source: RecordSource) => boolean,
): Promise<void> {
  const live = [...sources];
  for (;;) {
    for (let i = 0; i < live.length; ) {
      if (live[i]!.hasFront || (await live[i]!.fill())) i++;
      else live.splice(i, 1);
    }
    if (live.length === 0) return;
    // Without a wait as long as all have a record.
    for (;;) {
      let first = live[0]!;
      for (let i = 1; i < live.length; i++) if (live[i]!.recvNs < first.recvNs) first = live[i]!;
      if (!take(first)) return;
      first.pop();
      if (!first.hasFront) break;
    }
  }
}
