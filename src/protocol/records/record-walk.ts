// Walks the records of an uncompressed payload without making an object of any: checks that each is framed as it says,
// and collects what validation needs. This is the only per-record work on the produce path.
//
// Lengths are read with 32-bit arithmetic. Timestamp deltas longer than 28 bits are read apart, and those that a double
// cannot hold exactly are flagged, so that the caller judges such a batch record by record.
import { VarintReader, varintBytes, writeVarint } from './varint.ts';

export interface RecordWalk {
  /** Extremes of the timestamp deltas; meaningless with `wideDeltas`. */
  timestampDeltaMin: number;
  timestampDeltaMax: number;
  /** A delta needs more than 49 bits. */
  wideDeltas: boolean;
  /** Every record's offset delta is its index. */
  offsetsInOrder: boolean;
  nullKeys: number;
}

const PREMATURE_END = 'Incorrect declared batch size, premature EOF reached';
const LONG_VARINT = 'Found invalid record structure: a varint of more than 5 bytes';
const MALFORMED = Number.NaN;

/** Where the reading of a varint ended; module state keeps the loop free of allocation. */
let position = 0;

/** The unsigned varint at `position`, whose first byte has more to follow. NaN if it is too long or cut. */
function continueVarint(buffer: Buffer, first: number, end: number): number {
  let value = first & 0x7f;
  for (let shift = 7; shift <= 28; shift += 7) {
    if (position >= end) return MALFORMED;
    const byte = buffer[position++] as number;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
  }
  return MALFORMED;
}

/** A signed 32-bit varint. NaN if it is too long or cut. */
function readVarint(buffer: Buffer, end: number): number {
  if (position >= end) return MALFORMED;
  const byte = buffer[position++] as number;
  return byte < 0x80 ? (byte >>> 1) ^ -(byte & 1) : continueVarint(buffer, byte, end);
}

/** A signed 64-bit varint as a double. NaN if it is too long or cut, infinite when it has more than 49 bits. */
function readVarlong(buffer: Buffer, end: number): number {
  let low = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    if (position >= end) return MALFORMED;
    const byte = buffer[position++] as number;
    low |= (byte & 0x7f) << shift;
    if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
  }
  let high = 0;
  for (let shift = 0; shift < 42; shift += 7) {
    if (position >= end) return MALFORMED;
    const byte = buffer[position++] as number;
    if (shift < 21) high |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (shift >= 21) return Number.POSITIVE_INFINITY;
      const zigzag = high * 0x1000_0000 + low;
      return low & 1 ? -(zigzag + 1) / 2 : zigzag / 2;
    }
  }
  return MALFORMED;
}

/**
 * Walks `recordCount` records that must fill `payload` from `start` to its end.
 * @param walk filled in
 * @returns what is wrong with the framing, undefined if nothing is
 */
export function walkRecords(payload: Buffer, start: number, recordCount: number, walk: RecordWalk): string | undefined {
  const payloadEnd = payload.length;
  let deltaMin = Number.POSITIVE_INFINITY;
  let deltaMax = Number.NEGATIVE_INFINITY;
  let nullKeys = 0;
  let offsetsInOrder = true;
  position = start;
  for (let index = 0; index < recordCount; index++) {
    const bodyBytes = readVarint(payload, payloadEnd);
    const bodyEnd = position + bodyBytes;
    // Attributes, delta, delta, key, value and header count take a byte each at least. Also false for NaN.
    if (!(bodyBytes >= 6 && bodyEnd <= payloadEnd)) {
      return Number.isNaN(bodyBytes)
        ? position >= payloadEnd
          ? PREMATURE_END
          : LONG_VARINT
        : `Invalid record size: expected ${bodyBytes} bytes in record payload, but ${payloadEnd - position} remain`;
    }
    position++;
    const timestampDelta = readVarlong(payload, bodyEnd);
    if (timestampDelta < deltaMin) deltaMin = timestampDelta;
    if (timestampDelta > deltaMax) deltaMax = timestampDelta;
    const offsetDelta = readVarint(payload, bodyEnd);
    if (offsetDelta !== index) {
      if (Number.isNaN(offsetDelta)) return 'Found invalid record structure: offset delta';
      offsetsInOrder = false;
    }
    const keyBytes = readVarint(payload, bodyEnd);
    if (keyBytes >= 0) position += keyBytes;
    else nullKeys++;
    const valueBytes = readVarint(payload, bodyEnd);
    if (valueBytes > 0) position += valueBytes;
    const headerCount = readVarint(payload, bodyEnd);
    if (headerCount !== 0) {
      const fault = walkHeaders(payload, headerCount, bodyEnd);
      if (fault !== undefined) return fault;
    }
    // A NaN anywhere above, or a length beyond the record, ends here: the next read finds the end passed.
    if (position !== bodyEnd || Number.isNaN(timestampDelta) || Number.isNaN(keyBytes + valueBytes)) {
      return `Invalid record size: expected to read ${bodyBytes} bytes in record payload of record ${index}`;
    }
  }
  if (position !== payloadEnd) return 'Incorrect declared batch size, records still remaining in file';
  walk.timestampDeltaMin = deltaMin;
  walk.timestampDeltaMax = deltaMax;
  walk.wideDeltas = deltaMax === Number.POSITIVE_INFINITY;
  walk.offsetsInOrder = offsetsInOrder;
  walk.nullKeys = nullKeys;
  return undefined;
}

function walkHeaders(payload: Buffer, headerCount: number, end: number): string | undefined {
  if (!(headerCount > 0 && headerCount <= end - position)) {
    return `Found invalid number of record headers ${headerCount}`;
  }
  for (let index = 0; index < headerCount; index++) {
    const keyBytes = readVarint(payload, end);
    if (!(keyBytes >= 0)) return `Invalid header key size ${keyBytes}`;
    position += keyBytes;
    const valueBytes = readVarint(payload, end);
    if (Number.isNaN(valueBytes)) return 'Invalid header value size';
    if (valueBytes > 0) position += valueBytes;
  }
  return undefined;
}

/**
 * The payload with offset deltas counted from 0, whatever they were.
 * @param payload one that `walkRecords` found nothing wrong with
 */
export function renumberRecords(payload: Buffer, recordCount: number): Buffer {
  // A record grows by a longer delta, at most 5 bytes, and by one more byte of its own length.
  const target = Buffer.allocUnsafe(payload.length + recordCount * 5);
  let written = 0;
  position = 0;
  for (let index = 0; index < recordCount; index++) {
    const bodyBytes = readVarint(payload, payload.length);
    const bodyAt = position;
    position++;
    readVarlong(payload, payload.length);
    const deltaAt = position;
    readVarint(payload, payload.length);
    const restAt = position;
    const bodyEnd = bodyAt + bodyBytes;
    written = writeVarint(target, written, bodyBytes - (restAt - deltaAt) + varintBytes(index));
    written += payload.copy(target, written, bodyAt, deltaAt);
    written = writeVarint(target, written, index);
    written += payload.copy(target, written, restAt, bodyEnd);
    position = bodyEnd;
  }
  return target.subarray(0, written);
}

/** Calls `visit` with each record's key presence and timestamp delta; false from it ends the visit. As above. */
export function visitRecords(
  payload: Buffer,
  recordCount: number,
  visit: (index: number, hasKey: boolean, timestampDelta: bigint) => boolean,
): void {
  const reader = new VarintReader(payload, 0, payload.length);
  for (let index = 0; index < recordCount; index++) {
    const bodyBytes = reader.varint();
    const bodyEnd = reader.position + bodyBytes;
    reader.position++;
    const timestampDelta = reader.varlong();
    reader.varint();
    if (!visit(index, reader.varint() >= 0, timestampDelta)) return;
    reader.position = bodyEnd;
  }
}
