import { describe, expect, test } from "vitest";
import { TapeBoard, type TapeChannel, type TapeProgress } from "../../src/telemetry/tape-board.js";
import { createRecordMetrics } from "../../src/telemetry/tape-metrics.js";

interface Made {
  records: number;
  path: string | undefined;
  isFailing: boolean;
  readonly newest: Map<string, number>;
}

function made(): Made & TapeProgress {
  const newest = new Map<string, number>();
  return {
    records: 0,
    path: "/tapes/a.mmt",
    isFailing: false,
    newest,
    get stats() {
      const { records } = this as Made;
      return {
        records,
        rawBytes: 9000,
        fileBytes: 3000,
        blocks: 4,
        files: 2,
        lost: 5,
        gaps: 1,
        diskErrors: 3,
      };
    },
    channelRecords: (asset: number, channel: TapeChannel) => (newest.has(`${asset} ${channel}`) ? 7 : 0),
    channelNewestNs: (asset: number, channel: TapeChannel) => newest.get(`${asset} ${channel}`) ?? Number.NaN,
  };
}

function rig() {
  const sab = TapeBoard.bytes(2);
  const writer = new TapeBoard(sab, 2);
  let nowNs = 0;
  const metrics = createRecordMetrics({
    tape: {
      coins: ["BTC", "hyna:BTC"],
      board: new TapeBoard(sab, 2),
      nowNs: () => nowNs,
      feedGaps: () => 10,
      feedLost: () => 100,
    },
    feed: () => [["connects", 3]],
    feedClockOffsetMs: () => Number.NaN,
    streamAges: () => [
      ["BTC", "book", 4],
      ["BTC", "trades", 2.5],
      ["hyna:BTC", "book", Number.POSITIVE_INFINITY],
    ],
    feedGauges: () => [["primary", 1]],
    ringDrops: () => 0,
    threads: () => [["feed", 0.1]],
    rssBytes: () => 1024,
  });
  return {
    writer,
    metrics,
    at: (ns: number) => {
      nowNs = ns;
    },
  };
}

describe("metrics of a tape", () => {
  test("totals stand, scrape after scrape, with what the feed lost and interrupted", async () => {
    const { writer, metrics } = rig();
    const tape = made();
    tape.records = 42;
    writer.tell(tape);
    await metrics.render();
    const text = await metrics.render();
    for (const line of [
      "mm_tape_records_total 42",
      "mm_tape_raw_bytes_total 9000",
      "mm_tape_bytes_total 3000",
      "mm_tape_blocks_total 4",
      "mm_tape_files_total 2",
      "mm_tape_gaps_total 11",
      "mm_tape_lost_total 105",
      "mm_tape_disk_errors_total 3",
      "mm_tape_disk_failing 0",
      'mm_feed_events_total{kind="connects"} 3',
    ]) {
      expect(text).toContain(`\n${line}\n`);
    }
  });

  test("each asset and channel has an age and a count of its own; one never heard has no age", async () => {
    const { writer, metrics, at } = rig();
    const tape = made();
    tape.newest.set("0 book", 1e9);
    tape.newest.set("1 trades", 4e9);
    writer.tell(tape);
    at(6e9);
    const text = await metrics.render();
    expect(text).toContain('mm_tape_record_age_seconds{asset="BTC",channel="book"} 5\n');
    expect(text).toContain('mm_tape_record_age_seconds{asset="hyna:BTC",channel="trades"} 2\n');
    expect(text.match(/^mm_tape_record_age_seconds\{/gm)).toHaveLength(2);
    expect(text).toContain('mm_tape_channel_records_total{asset="BTC",channel="book"} 7\n');
    expect(text).toContain('mm_tape_channel_records_total{asset="BTC",channel="bbo"} 0\n');
    // A record taken after the clock was read is not from the future.
    at(0);
    expect(await metrics.render()).toContain(
      'mm_tape_record_age_seconds{asset="hyna:BTC",channel="trades"} 0\n',
    );
  });

  test("staleness is the youngest stream's, whatever the disk does", async () => {
    const text = await rig().metrics.render();
    expect(text).toContain('mm_data_staleness_secs{asset="BTC"} 2.5\n');
    expect(text).not.toMatch(/mm_data_staleness_secs\{asset="hyna/);
  });

  test("one file is current, none while none could be opened", async () => {
    const { writer, metrics } = rig();
    const tape = made();
    writer.tell(tape);
    expect(await metrics.render()).toContain('mm_tape_file_info{file="/tapes/a.mmt"} 1\n');
    tape.path = '/tapes/ü "b".mmt';
    writer.tell(tape);
    const next = await metrics.render();
    expect(next).toContain('mm_tape_file_info{file="/tapes/ü \\"b\\".mmt"} 1\n');
    expect(next.match(/^mm_tape_file_info/gm)).toHaveLength(1);
    tape.path = undefined;
    tape.isFailing = true;
    writer.tell(tape);
    const none = await metrics.render();
    expect(none).not.toMatch(/^mm_tape_file_info/m);
    expect(none).toContain("\nmm_tape_disk_failing 1\n");
  });

  test("a board of other assets is refused", () => {
    expect(() => new TapeBoard(TapeBoard.bytes(2), 3)).toThrow(/3 assets/);
  });
});
