import {
  assetOfRecord,
  FILE_EXTENSION,
  JournalError,
  JournalReader,
  type RunJournal,
  recvOffset,
  TapeFileWriter,
} from "../store/index.js";
import { IntakeReplay } from "./kernel-replay.js";
import { readSetup } from "./replay.js";
import { tapeInstruments } from "./tape-plan.js";

export interface JournalTape {
  readonly path: string;
  readonly records: number;
  /** Smallest receive minus exchange time, ns. */
  readonly clockOffsetNs: number;
  /** What the journal does not hold. */
  readonly notes: readonly string[];
}

/**
 * The market that a run saw, as a tape: the journalled frames through the production decoder. Own orders are not in it; where they
 * rested, the venue's books show them.
 *
 * @param path of the tape to write; must not exist.
 * @throws {JournalError} Without the feed's journal. {TapeError} When the tape cannot be written.
 */
export function journalToTape(journal: RunJournal, path: string): JournalTape {
  const { setup } = readSetup(journal);
  const files = journal.threads.get("ingest");
  if (files === undefined)
    throw new JournalError("not_replayable", `${journal.dir}/${journal.runId} has no journal of the feed`);
  const { config, instruments } = setup;
  const intake = new IntakeReplay(
    instruments,
    instruments.map(() => 0),
    1,
    {
      staleAfterMs: config.risk.pull_quotes_after_stale_secs * 1000,
      hasStandby: config.engine.standby,
    },
  );
  const reader = new JournalReader(files);
  let writer: TapeFileWriter | undefined;
  let records = 0;
  let offsetNs = Number.POSITIVE_INFINITY;
  let baseNs = 0n;
  const notes: string[] = [];
  for (const record of reader) {
    if (writer === undefined) {
      const { wallBaseMs, monoBaseNs, segmentIndex } = reader.headers[0]!;
      if (segmentIndex !== 0) notes.push("the oldest part of the feed's journal was pruned");
      baseNs = BigInt(Math.round(wallBaseMs - monoBaseNs / 1e6)) * 1_000_000n;
      writer = new TapeFileWriter({
        path,
        meta: {
          venue: `hyperliquid-${setup.endpoints.name}`,
          baseWallNs: String(baseNs),
          instruments: tapeInstruments(instruments),
          source: `journal ${journal.runId}`,
          notes: [],
        },
      });
    }
    intake.take(record);
    for (const { kind, body } of intake.records[0]!) {
      const recvNs = body[recvOffset(kind) >> 3]!;
      if (recvOffset(kind) === 8) {
        const exchNs = new BigInt64Array(body.buffer, body.byteOffset, 1)[0]!;
        if (exchNs > 0n) offsetNs = Math.min(offsetNs, recvNs - Number(exchNs - baseNs));
      }
      const asset = assetOfRecord(kind, new Uint8Array(body.buffer), 0);
      writer.append(kind, asset, body, 0, body.byteLength, recvNs);
      records++;
    }
    intake.records[0]!.length = 0;
    if (intake.gap !== "") {
      notes.push(intake.gap);
      intake.gap = "";
    }
  }
  if (writer === undefined)
    throw new JournalError("not_replayable", `${journal.dir}/${journal.runId}: the feed's journal is empty`);
  if (Number.isFinite(offsetNs)) writer.setClockOffset(offsetNs);
  writer.close();
  return { path, records, clockOffsetNs: Number.isFinite(offsetNs) ? offsetNs : 0, notes };
}

/** What tape files end with. */
export const tapeNameOf = (journal: RunJournal): string => `${journal.runId}${FILE_EXTENSION}`;
