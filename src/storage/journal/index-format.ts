// The binary form of a shard's messages in the index stream. All integers are little-endian.
//
//   0   u8   version of the format that wrote it          16  u48  sequence of the chain's message before it; 0: none
//   1   u8   oldest version that may interpret it         22  u48  sequence of the chain's first message; 0: this one
//   2   u8   kind: 1 base, 2 digest                       28  u48  log sequence up to which chain and message tell all
//   3   u8   flags: 1 = last part of a base               34  u48  0
//   4   u32  epoch of the opening that wrote it           40  content
//   8   u32  part of a base, from 0
//   12  u32  count of records of a digest, else 0
//
// A chain is a base (in parts), if any, and the digests behind it; the log's messages name its last message. Anything else
// on the subject was left behind by an owner that was fenced, or is not named yet.
//
// A base's content, its parts put together, is the shard's state:
//   u32 partitions, the partitions (partition-state.ts), the ledger (ledger.ts), u32 foreign heads, by each u48 sequence, u32 bytes, head
// A digest's content is a record for each message of the log since the message of the index before it:
//   u48 sequence, u32 bytes of the message, u32 bytes of its head (0: it has no effect), head, 61 bytes of each of its batches

import { StorageFault } from '../../actors/shard/ports.ts';
import { HEADER_BYTES } from './header-window.ts';
import { Ledger } from './ledger.ts';
import { type BatchItem, decodeHead, FORMAT_VERSION } from './message-format.ts';
import { PartitionState } from './partition-state.ts';
import type { AppliedMessage, ShardState } from './shard-state.ts';

export const INDEX_HEAD_BYTES = 40;
const RECORD_BYTES = 14;
const LAST_PART = 1;

export interface IndexHead {
  readonly kind: 'base' | 'digest';
  readonly lastPart: boolean;
  readonly epoch: number;
  readonly part: number;
  readonly records: number;
  readonly previous: number;
  readonly first: number;
  readonly covered: number;
}

/** Puts a head and content together. */
export function encodeIndexMessage(head: IndexHead, content: readonly Uint8Array[]): Buffer {
  const bytes = content.reduce((sum, part) => sum + part.length, INDEX_HEAD_BYTES);
  const message = Buffer.allocUnsafeSlow(bytes);
  message[0] = FORMAT_VERSION;
  message[1] = FORMAT_VERSION;
  message[2] = head.kind === 'base' ? 1 : 2;
  message[3] = head.lastPart ? LAST_PART : 0;
  message.writeUInt32LE(head.epoch, 4);
  message.writeUInt32LE(head.part, 8);
  message.writeUInt32LE(head.records, 12);
  message.writeUIntLE(head.previous, 16, 6);
  message.writeUIntLE(head.first, 22, 6);
  message.writeUIntLE(head.covered, 28, 6);
  message.fill(0, 34, INDEX_HEAD_BYTES);
  let at = INDEX_HEAD_BYTES;
  for (const part of content) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}

/** @throws StorageFault `corrupt`, or `unavailable` when only a later version can read it */
export function decodeIndexHead(from: Buffer, where: string): IndexHead {
  if (from.length < INDEX_HEAD_BYTES || from[0] === 0 || (from[2] !== 1 && from[2] !== 2)) {
    throw new StorageFault('corrupt', `${where}: this is no index message`);
  }
  if (from[1]! > FORMAT_VERSION) {
    const what = `written by format ${from[0]}, which this version (format ${FORMAT_VERSION}) cannot read; update it`;
    throw new StorageFault('unavailable', `${where}: ${what}`);
  }
  return {
    kind: from[2] === 1 ? 'base' : 'digest',
    lastPart: (from[3]! & LAST_PART) !== 0,
    epoch: from.readUInt32LE(4),
    part: from.readUInt32LE(8),
    records: from.readUInt32LE(12),
    previous: from.readUIntLE(16, 6),
    first: from.readUIntLE(22, 6),
    covered: from.readUIntLE(28, 6),
  };
}

/** A digest's record of a committed message. */
export function encodeRecord(message: AppliedMessage): Buffer {
  const batches = message.head.items.filter((item): item is BatchItem => item.kind === 'batch');
  const { headBytes } = message;
  const record = Buffer.allocUnsafe(RECORD_BYTES + headBytes.length + batches.length * HEADER_BYTES);
  record.writeUIntLE(message.sequence, 0, 6);
  record.writeUInt32LE(message.bytes, 6);
  record.writeUInt32LE(headBytes.length, 10);
  record.set(headBytes, RECORD_BYTES);
  let at = RECORD_BYTES + headBytes.length;
  for (const item of batches) {
    record.set(message.headerOf(item).subarray(0, HEADER_BYTES), at);
    at += HEADER_BYTES;
  }
  return record;
}

/** A digest's record of a message without effect. */
export function encodeNote(sequence: number, bytes: number): Buffer {
  const record = Buffer.alloc(RECORD_BYTES);
  record.writeUIntLE(sequence, 0, 6);
  record.writeUInt32LE(bytes, 6);
  return record;
}

/** Applies a digest's records. @throws StorageFault `corrupt` */
export function applyDigest(message: Buffer, records: number, state: ShardState, where: string): void {
  readOrCorrupt(where, () => {
    let at = INDEX_HEAD_BYTES;
    for (let index = 0; index < records; index++) {
      const sequence = message.readUIntLE(at, 6);
      const bytes = message.readUInt32LE(at + 6);
      const headBytes = message.readUInt32LE(at + 10);
      at += RECORD_BYTES;
      if (headBytes === 0) {
        state.note(sequence, bytes);
        continue;
      }
      const raw = message.subarray(at, at + headBytes);
      const head = decodeHead(raw, `${where}, record of message ${sequence}`);
      const headers = new Map<BatchItem, Uint8Array>();
      at += headBytes;
      for (const item of head.items) {
        if (item.kind !== 'batch') continue;
        headers.set(item, message.subarray(at, at + HEADER_BYTES));
        at += HEADER_BYTES;
      }
      if (at > message.length) throw new RangeError(`the record of message ${sequence} is cut`);
      state.apply({ sequence, bytes, head, headBytes: raw, headerOf: (item) => headers.get(item) as Uint8Array });
    }
  });
}

/** The content of a base. */
export function encodeState(state: ShardState): Buffer {
  let bytes = 4 + state.ledger.encodedBytes + 4;
  for (const partition of state.partitions.values()) bytes += partition.encodedBytes;
  for (const head of state.foreign.values()) bytes += 10 + head.length;
  const content = Buffer.allocUnsafeSlow(bytes);
  let at = content.writeUInt32LE(state.partitions.size, 0);
  for (const partition of state.partitions.values()) at = partition.encode(content, at);
  at = state.ledger.encode(content, at);
  at = content.writeUInt32LE(state.foreign.size, at);
  for (const [sequence, head] of state.foreign) {
    at = content.writeUIntLE(sequence, at, 6);
    at = content.writeUInt32LE(head.length, at);
    content.set(head, at);
    at += head.length;
  }
  return content;
}

/** Fills an empty state from the content of a base. @throws StorageFault `corrupt` */
export function decodeState(content: Buffer, state: ShardState, where: string): void {
  readOrCorrupt(where, () => {
    const partitions = content.readUInt32LE(0);
    let at = 4;
    for (let index = 0; index < partitions; index++) {
      const { partition, end } = PartitionState.decode(content, at);
      state.partitions.set(partition.key, partition);
      at = end;
    }
    const { ledger, end } = Ledger.decode(content, at);
    state.ledger = ledger;
    const foreign = content.readUInt32LE(end);
    at = end + 4;
    for (let index = 0; index < foreign; index++) {
      const sequence = content.readUIntLE(at, 6);
      const length = content.readUInt32LE(at + 6);
      // Its row in the ledger is among what was decoded.
      state.foreign.set(sequence, Buffer.from(content.subarray(at + 10, at + 10 + length)));
      at += 10 + length;
    }
  });
}

function readOrCorrupt(where: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new StorageFault('corrupt', `${where}: ${error.message}`, error);
  }
}
