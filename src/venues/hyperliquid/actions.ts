/**
 * Encodes actions twice in one pass: as msgpack, which is hashed and signed, and as JSON, which is sent. Both come from the
 * same integers, so what is signed is what is sent. Key order is decisive in the hash. Source: reference §4, §5.2.
 */
import type { CancelOrder, Instrument, ModifyOrder, NewOrder, Tif } from "../../domain/index.js";
import { Side } from "../../domain/index.js";

/** Most elements of one signed action ("Signed action over weight limit of 200."). */
export const MAX_BATCH = 200;

/** Upper bound of one element in either encoding: a modify with two client ids and 16-digit numbers takes 250. */
const ELEMENT_BYTES = 320;
/** Room before the payload for the WebSocket envelope, which holds an id of up to 16 digits. */
const ENVELOPE_BYTES = 128;
/** Room behind the action for nonce, signature, vault, expiry. */
const TAIL_BYTES = 384;

const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

const HEX = ascii("0123456789abcdef");
/** Largest number of digits of a safe integer, a point and a leading zero, with room to spare. */
const SCRATCH_BYTES = 32;

/** A cursor over a fixed buffer. Running over its end is impossible by the sizes above. */
class Bytes {
  readonly buffer: Uint8Array;
  at = 0;

  constructor(capacity: number) {
    this.buffer = new Uint8Array(capacity);
  }

  byte(b: number): void {
    this.buffer[this.at++] = b;
  }

  put(source: Uint8Array): void {
    const { buffer } = this;
    let at = this.at;
    for (let i = 0; i < source.length; i++) buffer[at++] = source[i]!;
    this.at = at;
  }

  /** `source[from..to)`. */
  putRange(source: Uint8Array, from: number, to: number): void {
    const { buffer } = this;
    let at = this.at;
    for (let i = from; i < to; i++) buffer[at++] = source[i]!;
    this.at = at;
  }
}

/** A literal piece of an action in both encodings. */
interface Piece {
  readonly msgpack: Uint8Array;
  readonly json: Uint8Array;
}

const str = (text: string): number[] => [0xa0 | text.length, ...ascii(text)];
const piece = (msgpack: (number | number[])[], json: string): Piece => ({
  msgpack: Uint8Array.from(msgpack.flat()),
  json: ascii(json),
});

const PIECE = {
  orders: piece([0x83, str("type"), str("order"), str("orders")], '{"type":"order","orders":['),
  grouping: piece([str("grouping"), str("na")], '],"grouping":"na"}'),
  modifies: piece(
    [0x82, str("type"), str("batchModify"), str("modifies")],
    '{"type":"batchModify","modifies":[',
  ),
  cancels: piece([0x82, str("type"), str("cancel"), str("cancels")], '{"type":"cancel","cancels":['),
  cancelsFast: piece([0x83, str("type"), str("cancel"), str("cancels")], '{"type":"cancel","cancels":['),
  cloidCancels: piece(
    [0x82, str("type"), str("cancelByCloid"), str("cancels")],
    '{"type":"cancelByCloid","cancels":[',
  ),
  cloidCancelsFast: piece(
    [0x83, str("type"), str("cancelByCloid"), str("cancels")],
    '{"type":"cancelByCloid","cancels":[',
  ),
  fast: piece([str("f"), 0xc3], '],"f":true}'),
  listEnd: piece([], "]}"),

  a: piece([0x87, str("a")], '{"a":'),
  b: piece([str("b")], ',"b":'),
  p: piece([str("p")], ',"p":"'),
  s: piece([str("s")], '","s":"'),
  r: piece([str("r")], '","r":'),
  c: piece([str("c"), 0xd9, 34], ',"c":"'),
  quoteEnd: piece([], '"}'),

  modify: piece([0x82, str("oid"), 0xd9, 34], '{"oid":"'),
  modifyOrder: piece([str("order")], '","order":'),
  objectEnd: piece([], "}"),

  cancelAsset: piece([0x82, str("a")], '{"a":'),
  cancelOid: piece([str("o")], ',"o":'),
  cloidCancelAsset: piece([0x82, str("asset")], '{"asset":'),
  cloidCancelCloid: piece([str("cloid"), 0xd9, 34], ',"cloid":"'),

  yes: piece([0xc3], "true"),
  no: piece([0xc2], "false"),

  scheduleCancel: piece(
    [0x82, str("type"), str("scheduleCancel"), str("time")],
    '{"type":"scheduleCancel","time":',
  ),
  scheduleNone: piece([0x81, str("type"), str("scheduleCancel")], '{"type":"scheduleCancel"}'),
  noop: piece([0x81, str("type"), str("noop")], '{"type":"noop"}'),
  leverageAsset: piece(
    [0x84, str("type"), str("updateLeverage"), str("asset")],
    '{"type":"updateLeverage","asset":',
  ),
  leverageIsCross: piece([str("isCross")], ',"isCross":'),
  leverage: piece([str("leverage")], ',"leverage":'),
} as const;

const concat = (...pieces: Piece[]): Piece => ({
  msgpack: Uint8Array.from(pieces.flatMap((p) => [...p.msgpack])),
  json: Uint8Array.from(pieces.flatMap((p) => [...p.json])),
});
const bool = (value: boolean): Piece => (value ? PIECE.yes : PIECE.no);
const tifPiece = (tif: Tif): Piece =>
  piece([str("t"), 0x81, str("limit"), 0x81, str("tif"), str(tif)], `,"t":{"limit":{"tif":"${tif}"}}`);

/** What stands between an order's size and its client id, for each kind of order. */
const afterSize = (tif: Tif): Record<"yes" | "no", Piece> => ({
  yes: concat(PIECE.r, PIECE.yes, tifPiece(tif), PIECE.c),
  no: concat(PIECE.r, PIECE.no, tifPiece(tif), PIECE.c),
});
const AFTER_SIZE: Readonly<Record<Tif, Readonly<Record<"yes" | "no", Piece>>>> = {
  Alo: afterSize("Alo"),
  Ioc: afterSize("Ioc"),
  Gtc: afterSize("Gtc"),
};

const COMMA = 0x2c;
const ACTION = ascii('{"action":');
const NONCE = ascii(',"nonce":');
const SIGNATURE_R = ascii(',"signature":{"r":"0x');
const SIGNATURE_S = ascii('","s":"0x');
const SIGNATURE_V = ascii('","v":');
const SIGNATURE_END = ascii("}");
const VAULT = ascii(',"vaultAddress":"');
const EXPIRES = ascii(',"expiresAfter":');
const POST = ascii('{"method":"post","id":');
const POST_REQUEST = ascii(',"request":{"type":"action","payload":');

/**
 * Encoder with buffers of its own: call one action method, sign `msgpack[0..msgpackLength)`, then `seal`, then take
 * `postFrame` or `httpBody`. Views are valid until the next action.
 *
 * Action methods throw RangeError, before anything is sent, for what no venue could accept: a price or size that is not a
 * positive integer, an unknown asset, a client id that is not `0x` and 32 lower-case hex digits, a batch over `MAX_BATCH`.
 *
 * Thread: executor. Allocates: the returned views only.
 */
export class ActionEncoder {
  private readonly hash = new Bytes(256 + MAX_BATCH * ELEMENT_BYTES);
  private readonly text = new Bytes(ENVELOPE_BYTES + 256 + MAX_BATCH * ELEMENT_BYTES + TAIL_BYTES);
  private readonly scratch = new Uint8Array(SCRATCH_BYTES);
  private payloadEnd = 0;

  /** What stands before an order's price, for each market and side. */
  private readonly beforePrice: readonly { readonly buy: Piece; readonly sell: Piece }[];

  /** @param instruments by engine index (`NewOrder.asset`). */
  constructor(private readonly instruments: readonly Instrument[]) {
    const head = (venueAssetId: number, isBuy: boolean): Piece => {
      this.reset();
      const from = this.text.at;
      this.emit(PIECE.a);
      this.integer(venueAssetId);
      this.emit(PIECE.b);
      this.emit(bool(isBuy));
      this.emit(PIECE.p);
      return {
        msgpack: this.hash.buffer.slice(0, this.hash.at),
        json: this.text.buffer.slice(from, this.text.at),
      };
    };
    this.beforePrice = instruments.map(({ venueAssetId }) => ({
      buy: head(venueAssetId, true),
      sell: head(venueAssetId, false),
    }));
  }

  get msgpack(): Uint8Array {
    return this.hash.buffer;
  }
  get msgpackLength(): number {
    return this.hash.at;
  }
  /** The action alone as JSON, a view; to be read before `seal`. */
  get actionJson(): Uint8Array {
    return this.text.buffer.subarray(ENVELOPE_BYTES + ACTION.length, this.text.at);
  }

  placeOrders(orders: readonly NewOrder[], from = 0, to = orders.length): void {
    this.begin(PIECE.orders, to - from);
    for (let i = from; i < to; i++) {
      if (i > from) this.text.byte(COMMA);
      this.order(orders[i]!);
    }
    this.emit(PIECE.grouping);
  }

  modifyOrders(modifies: readonly ModifyOrder[], from = 0, to = modifies.length): void {
    this.begin(PIECE.modifies, to - from);
    for (let i = from; i < to; i++) {
      if (i > from) this.text.byte(COMMA);
      const { target, order } = modifies[i]!;
      this.emit(PIECE.modify);
      this.cloid(target);
      this.emit(PIECE.modifyOrder);
      this.order(order);
      this.emit(PIECE.objectEnd);
    }
    this.emit(PIECE.listEnd);
  }

  /** @param isFast adds `f:true`, by which a later venue upgrade will give cancels priority (reference §4.3). */
  cancelByCloid(cancels: readonly CancelOrder[], isFast: boolean, from = 0, to = cancels.length): void {
    this.begin(isFast ? PIECE.cloidCancelsFast : PIECE.cloidCancels, to - from);
    for (let i = from; i < to; i++) {
      if (i > from) this.text.byte(COMMA);
      const { asset, cloid } = cancels[i]!;
      this.emit(PIECE.cloidCancelAsset);
      this.integer(this.instrument(asset).venueAssetId);
      this.emit(PIECE.cloidCancelCloid);
      this.cloid(cloid);
      this.emit(PIECE.quoteEnd);
    }
    this.emit(isFast ? PIECE.fast : PIECE.listEnd);
  }

  /** Cancels by venue id: for orders that carry no client id of ours. */
  cancelByOid(
    cancels: readonly { readonly asset: number; readonly oid: number }[],
    isFast: boolean,
    from = 0,
    to = cancels.length,
  ): void {
    this.begin(isFast ? PIECE.cancelsFast : PIECE.cancels, to - from);
    for (let i = from; i < to; i++) {
      if (i > from) this.text.byte(COMMA);
      const { asset, oid } = cancels[i]!;
      this.emit(PIECE.cancelAsset);
      this.integer(this.instrument(asset).venueAssetId);
      this.emit(PIECE.cancelOid);
      this.integer(oid);
      this.emit(PIECE.objectEnd);
    }
    this.emit(isFast ? PIECE.fast : PIECE.listEnd);
  }

  /** Dead man's switch: cancel everything at `timeMs` (at least 5 s ahead); undefined disarms. */
  scheduleCancel(timeMs: number | undefined): void {
    this.reset();
    if (timeMs === undefined) {
      this.emit(PIECE.scheduleNone);
      return;
    }
    this.emit(PIECE.scheduleCancel);
    this.integer(timeMs);
    this.emit(PIECE.objectEnd);
  }

  updateLeverage(asset: number, isCross: boolean, leverage: number): void {
    this.reset();
    this.emit(PIECE.leverageAsset);
    this.integer(this.instrument(asset).venueAssetId);
    this.emit(PIECE.leverageIsCross);
    this.emit(bool(isCross));
    this.emit(PIECE.leverage);
    this.integer(leverage);
    this.emit(PIECE.objectEnd);
  }

  /** Consumes its nonce and does nothing: sent with the nonce of a lost action it invalidates that action. */
  noop(): void {
    this.reset();
    this.emit(PIECE.noop);
  }

  /**
   * Completes the payload with what was signed.
   * @param vaultAddress lower-case `0x` address as ASCII bytes.
   */
  seal(
    nonce: number,
    signature: Uint8Array,
    v: number,
    vaultAddress?: Uint8Array,
    expiresAfter?: number,
  ): void {
    const { text } = this;
    text.put(NONCE);
    this.digits(nonce, 0, text);
    text.put(SIGNATURE_R);
    this.hexBytes(signature, 0, 32);
    text.put(SIGNATURE_S);
    this.hexBytes(signature, 32, 64);
    text.put(SIGNATURE_V);
    this.digits(v, 0, text);
    text.put(SIGNATURE_END);
    if (vaultAddress !== undefined) {
      text.put(VAULT);
      text.put(vaultAddress);
      text.byte(0x22);
    }
    if (expiresAfter !== undefined) {
      text.put(EXPIRES);
      this.digits(expiresAfter, 0, text);
    }
    text.byte(0x7d);
    this.payloadEnd = text.at;
  }

  /** The sealed payload: body of `POST /exchange`, a view. */
  httpBody(): Uint8Array {
    return this.text.buffer.subarray(ENVELOPE_BYTES, this.payloadEnd);
  }

  /** The sealed payload inside a WebSocket post frame, a view. The envelope is written around it; nothing is copied. */
  postFrame(id: number): Uint8Array {
    const { text } = this;
    const { buffer } = text;
    buffer[this.payloadEnd] = 0x7d;
    buffer[this.payloadEnd + 1] = 0x7d;
    const digitsFrom = this.toScratch(id, 0);
    const start = ENVELOPE_BYTES - POST.length - (SCRATCH_BYTES - digitsFrom) - POST_REQUEST.length;
    text.at = start;
    text.put(POST);
    text.putRange(this.scratch, digitsFrom, SCRATCH_BYTES);
    text.put(POST_REQUEST);
    return buffer.subarray(start, this.payloadEnd + 2);
  }

  private reset(): void {
    this.hash.at = 0;
    this.text.at = ENVELOPE_BYTES;
    this.text.put(ACTION);
  }

  private begin(head: Piece, count: number): void {
    if (!(count > 0 && count <= MAX_BATCH)) {
      throw new RangeError(`a batch holds 1 to ${MAX_BATCH} elements, not ${count}`);
    }
    this.reset();
    this.emit(head);
    if (count <= 15) {
      this.hash.byte(0x90 | count);
    } else {
      this.hash.byte(0xdc);
      this.hash.byte(count >>> 8);
      this.hash.byte(count & 0xff);
    }
  }

  private order(order: NewOrder): void {
    const inst = this.instrument(order.asset);
    if (!(order.pxTicks > 0)) throw new RangeError(`order price ${order.pxTicks} ticks is not positive`);
    if (!(order.szLots > 0)) throw new RangeError(`order size ${order.szLots} lots is not positive`);
    const head = this.beforePrice[order.asset]!;
    this.emit(order.side === Side.Buy ? head.buy : head.sell);
    this.decimal(order.pxTicks, inst.pxDecimals);
    this.emit(PIECE.s);
    this.decimal(order.szLots, inst.szDecimals);
    const tail = AFTER_SIZE[order.tif];
    this.emit(order.reduceOnly ? tail.yes : tail.no);
    this.cloid(order.cloid);
    this.emit(PIECE.quoteEnd);
  }

  private instrument(asset: number): Instrument {
    const inst = this.instruments[asset];
    if (inst === undefined) throw new RangeError(`asset ${asset} is not one of this gateway's instruments`);
    return inst;
  }

  private emit(p: Piece): void {
    this.hash.put(p.msgpack);
    this.text.put(p.json);
  }

  private cloid(cloid: string): void {
    let isGood = cloid.length === 34 && cloid.charCodeAt(0) === 0x30 && cloid.charCodeAt(1) === 0x78;
    const a = this.hash.buffer;
    const b = this.text.buffer;
    const at = this.hash.at;
    const bt = this.text.at;
    for (let i = 0; i < 34; i++) {
      const code = cloid.charCodeAt(i);
      isGood &&= i < 2 || (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66);
      a[at + i] = code;
      b[bt + i] = code;
    }
    if (!isGood) throw new RangeError("a client order id must be 0x and 32 lower-case hex digits");
    this.hash.at = at + 34;
    this.text.at = bt + 34;
  }

  /** A wire decimal, as a msgpack string and as JSON text (the quotes are in the pieces around it). */
  private decimal(value: number, decimals: number): void {
    const from = this.toScratch(value, decimals);
    this.hash.byte(0xa0 | (SCRATCH_BYTES - from));
    this.hash.putRange(this.scratch, from, SCRATCH_BYTES);
    this.text.putRange(this.scratch, from, SCRATCH_BYTES);
  }

  /** A non-negative integer, as the shortest msgpack form and as JSON text. */
  private integer(value: number): void {
    this.digits(value, 0, this.text);
    const { hash } = this;
    if (value < 0x80) {
      hash.byte(value);
      return;
    }
    const bytes = value < 0x100 ? 1 : value < 0x1_0000 ? 2 : value < 0x1_0000_0000 ? 4 : 8;
    hash.byte(bytes === 1 ? 0xcc : bytes === 2 ? 0xcd : bytes === 4 ? 0xce : 0xcf);
    const high = Math.floor(value / 0x1_0000_0000);
    const low = value >>> 0;
    for (let i = bytes - 1; i >= 0; i--) hash.byte(i >= 4 ? high >>> ((i - 4) * 8) : low >>> (i * 8));
  }

  private digits(value: number, decimals: number, out: Bytes): void {
    const from = this.toScratch(value, decimals);
    out.putRange(this.scratch, from, SCRATCH_BYTES);
  }

  /**
   * Writes `value`·10^-decimals right-aligned into the scratch: no exponent, no trailing zeros, "0." before a bare fraction.
   * Integer arithmetic only: the quotient of a safe integer by ten, floored, is exact in a double.
   * @returns where the text begins.
   */
  private toScratch(value: number, decimals: number): number {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`${value} is not a non-negative integer: it cannot go on the wire`);
    }
    const { scratch } = this;
    let left = decimals;
    while (left > 0 && value % 10 === 0) {
      value /= 10;
      left--;
    }
    let at = SCRATCH_BYTES;
    while (value >= 0x7fff_ffff) {
      const rest = Math.floor(value / 10);
      scratch[--at] = 0x30 + (value - rest * 10);
      value = rest;
      if (--left === 0) scratch[--at] = 0x2e;
    }
    let small = value | 0;
    while (small > 0 || left >= 0) {
      const rest = (small / 10) | 0;
      scratch[--at] = 0x30 + (small - rest * 10);
      small = rest;
      if (--left === 0) scratch[--at] = 0x2e;
    }
    return at;
  }

  private hexBytes(bytes: Uint8Array, from: number, to: number): void {
    const { text } = this;
    for (let i = from; i < to; i++) {
      const b = bytes[i]!;
      text.byte(HEX[b >>> 4]!);
      text.byte(HEX[b & 15]!);
    }
  }
}
