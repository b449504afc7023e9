import { ByteBuffer } from "flatbuffers";
import { expect, test } from "vitest";
import { OwnFillMsg } from "../../src/abi/flat/own-fill-msg.js";
import { MSG_PREFIX_BYTES, RecordKind } from "../../src/abi/layout.js";
import type { Instrument } from "../../src/domain/index.js";
import { AccountFeed } from "../../src/engine/account-feed.js";
import { createSegments } from "../../src/engine/shared.js";
import { KillLatch, KillReason, RingConsumer } from "../../src/rings/index.js";

const INST: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
};

test("a fill told to a kernel is a whole message that stock accessors read, times and ids exact", () => {
  const segments = createSegments(1, 1);
  new AccountFeed(segments, [INST]).fill(0, 12_345, {
    coin: "BTC",
    oid: 400_000_000_123,
    cloid: undefined,
    tid: 833_120_162_794_147,
    side: -1,
    px: 109_755,
    pxTicks: 1_097_550,
    szLots: 250,
    startPosLots: 0,
    closedPnlUsd: 0.5,
    feeUsd: 0.041,
    isMaker: true,
    isLiquidation: false,
    exchMs: 1_757_015_216_253,
    isSnapshot: false,
  });
  const ring = new RingConsumer(segments.kernels[0]!.accountRing);
  const at = ring.poll();
  expect(ring.kind).toBe(RecordKind.OwnFill);
  const from = at - MSG_PREFIX_BYTES;
  const bytes = ring.u8.slice(from, at + ring.bodyBytes);
  const body = OwnFillMsg.getRootAsOwnFillMsg(new ByteBuffer(bytes)).body()!;
  expect(body.exchTsNs()).toBe(1_757_015_216_253_000_000n);
  expect(body.oid()).toBe(400_000_000_123n);
  expect(body.tid()).toBe(833_120_162_794_147n);
  expect([body.side(), body.isMaker(), body.sz(), body.feeUsd()]).toEqual([-1, 1, 0.0025, 0.041]);
});

test("a kernel that has stopped reading its fills trips the kill switch", () => {
  const segments = createSegments(1, 1);
  const feed = new AccountFeed(segments, [INST]);
  const latch = new KillLatch(segments.latch);
  const position = { posLots: 1, entryPx: 1, realizedPnlUsd: 0, feesUsd: 0 };
  for (let i = 0; i < 1e5 && !latch.isTripped(); i++) feed.position(0, i, position);
  expect(latch.reason()).toBe(KillReason.FillGap);
});
