// The binary form of a message on a shard's subject of the log stream. All integers are little-endian.
//
//   0   u8   version of the format that wrote it          16  u48  sequence of the index message to open from; 0: none
//   1   u8   oldest version that may interpret it         22  u16  0
//   2   u8   kind: 1 opened, 2 group, 3 marker            24  u32  bytes of the head: the body begins there
//   3   u8   flags: 1 = the group's last part             28  u32  count of items
//   4   u32  epoch of the opening that wrote it           32  items
//   8   u32  counter within the epoch                     body: the batches of the items, in a row, byte for byte
//   12  u32  part within the group, from 0
//
// An item:  u8 kind, u8 bytes of the key, u16 0, u32 bytes of its fields, u32 bytes it has in the body, key, fields
//
//   1 batch       i64 base offset, i64 last offset, i64 largest timestamp
//   2 checkpoint  i64 offset, the state
//   3 log start   i64 offset
//   4 removal
//   5 moved       i64 offset: what lies below it is in the cold store
//   6 opened      i32 node, u48 sequence of the subject's message before it; no key
//
// A group takes effect when its last part is there. An opening fences what came before it. A marker holds no entries: it
// takes the place of an append whose outcome was lost, so that it can no longer land. Items of a kind that a reader does
// not know are kept, with their message, until a version that knows them has looked.

import type { LogEntry, PartitionKey } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';

export const FORMAT_VERSION = 1;
const HEAD_BYTES = 32;
const ITEM_BYTES = 12;
const LAST_PART = 1;

const KINDS = ['opened', 'group', 'marker'] as const;
export type MessageKind = (typeof KINDS)[number];

export interface MovedEntry {
  readonly kind: 'moved';
  readonly partition: PartitionKey;
  /** Everything of the partition below it is in the cold store. */
  readonly offset: bigint;
}

export interface OpenedEntry {
  readonly kind: 'opened';
  readonly node: number;
  /** Sequence of the subject's last message before this one; 0: there was none. */
  readonly previous: number;
}

/** What a message may carry: the entries of the port and the journal's own. */
export type JournalEntry = LogEntry | MovedEntry | OpenedEntry;

export interface BatchItem {
  readonly kind: 'batch';
  readonly partition: PartitionKey;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly maxTimestampMs: bigint;
  /** Where the batch lies in its message. */
  readonly position: number;
  readonly length: number;
}

/** An item of a kind that this version does not know. */
export interface ForeignItem {
  readonly kind: 'foreign';
  readonly code: number;
}

export type Item = BatchItem | Exclude<JournalEntry, { kind: 'batch' }> | ForeignItem;

/** Who wrote a message and when: no two messages of a shard share all three. */
export interface MessageIdentity {
  readonly epoch: number;
  readonly counter: number;
  readonly part: number;
}

export interface MessageHead extends MessageIdentity {
  readonly kind: MessageKind;
  readonly lastPart: boolean;
  /** Message of the index stream that an opener starts from; 0: it replays the whole log. */
  readonly indexSequence: number;
  readonly items: readonly Item[];
  /** Length of the head; the first batch lies there. */
  readonly bytes: number;
}

/** Bytes that the entry takes in a head. */
export function itemBytes(entry: JournalEntry): number {
  switch (entry.kind) {
    case 'batch':
      return ITEM_BYTES + entry.partition.length + 24;
    case 'checkpoint':
      return ITEM_BYTES + entry.partition.length + 8 + entry.bytes.length;
    case 'logStart':
    case 'moved':
      return ITEM_BYTES + entry.partition.length + 8;
    case 'removal':
      return ITEM_BYTES + entry.partition.length;
    case 'opened':
      return ITEM_BYTES + 10;
  }
}

/** Bytes that the entry takes in a message, body included. */
export function entryBytes(entry: JournalEntry): number {
  return itemBytes(entry) + (entry.kind === 'batch' ? entry.bytes.length : 0);
}

/** Bytes of a message with these entries. */
export function messageBytes(entries: readonly JournalEntry[]): number {
  return entries.reduce((sum, entry) => sum + entryBytes(entry), HEAD_BYTES);
}

/** A message as it is sent: the head as bytes, and the batches that make up the body. */
export interface EncodedMessage {
  /** As a reader sees it. */
  readonly head: MessageHead;
  readonly headBytes: Buffer;
  readonly bodies: readonly Uint8Array[];
  readonly bytes: number;
}

/** Encodes the head of a message; the batches go behind it as they are. */
export function encodeHead(
  fields: Omit<MessageHead, 'items' | 'bytes'>,
  entries: readonly JournalEntry[],
): EncodedMessage {
  let length = HEAD_BYTES;
  for (const entry of entries) length += itemBytes(entry);
  const headBytes = Buffer.allocUnsafe(length);
  headBytes[0] = FORMAT_VERSION;
  headBytes[1] = FORMAT_VERSION;
  headBytes[2] = KINDS.indexOf(fields.kind) + 1;
  headBytes[3] = fields.lastPart ? LAST_PART : 0;
  headBytes.writeUInt32LE(fields.epoch, 4);
  headBytes.writeUInt32LE(fields.counter, 8);
  headBytes.writeUInt32LE(fields.part, 12);
  headBytes.writeUIntLE(fields.indexSequence, 16, 6);
  headBytes.writeUInt16LE(0, 22);
  headBytes.writeUInt32LE(length, 24);
  headBytes.writeUInt32LE(entries.length, 28);
  const items: Item[] = [];
  const bodies: Uint8Array[] = [];
  let at = HEAD_BYTES;
  let position = length;
  for (const entry of entries) {
    at = writeItem(headBytes, at, entry);
    if (entry.kind !== 'batch') {
      items.push(entry);
      continue;
    }
    const { partition, baseOffset, lastOffset, maxTimestampMs, bytes } = entry;
    items.push({ kind: 'batch', partition, baseOffset, lastOffset, maxTimestampMs, position, length: bytes.length });
    bodies.push(bytes);
    position += bytes.length;
  }
  return { head: { ...fields, items, bytes: length }, headBytes, bodies, bytes: position };
}

/** A whole message in one buffer. */
export function encodeMessage(fields: Omit<MessageHead, 'items' | 'bytes'>, entries: readonly JournalEntry[]): Buffer {
  const { headBytes, bodies } = encodeHead(fields, entries);
  return Buffer.concat([headBytes, ...bodies]);
}

function writeItem(into: Buffer, start: number, entry: JournalEntry): number {
  const key = entry.kind === 'opened' ? '' : entry.partition;
  into[start + 1] = key.length;
  into.writeUInt16LE(0, start + 2);
  into.writeUInt32LE(itemBytes(entry) - ITEM_BYTES - key.length, start + 4);
  into.writeUInt32LE(entry.kind === 'batch' ? entry.bytes.length : 0, start + 8);
  const at = start + ITEM_BYTES + into.write(key, start + ITEM_BYTES, 'latin1');
  switch (entry.kind) {
    case 'batch':
      into[start] = 1;
      into.writeBigInt64LE(entry.baseOffset, at);
      into.writeBigInt64LE(entry.lastOffset, at + 8);
      return into.writeBigInt64LE(entry.maxTimestampMs, at + 16);
    case 'checkpoint':
      into[start] = 2;
      into.writeBigInt64LE(entry.offset, at);
      into.set(entry.bytes, at + 8);
      return at + 8 + entry.bytes.length;
    case 'logStart':
      into[start] = 3;
      return into.writeBigInt64LE(entry.offset, at);
    case 'removal':
      into[start] = 4;
      return at;
    case 'moved':
      into[start] = 5;
      return into.writeBigInt64LE(entry.offset, at);
    case 'opened':
      into[start] = 6;
      into.writeInt32LE(entry.node, at);
      return into.writeUIntLE(entry.previous, at + 4, 6);
  }
}

/**
 * Reads the head of a message; `bytes` may be the head alone.
 * @throws StorageFault `corrupt` when it is not one, `unavailable` when only a later version can read it
 */
export function decodeHead(bytes: Uint8Array, where: string): MessageHead {
  const from = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    return readHead(from, where);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new StorageFault('corrupt', `${where}: ${error.message}`, error);
  }
}

function readHead(from: Buffer, where: string): MessageHead {
  if (from.length < HEAD_BYTES || from[0] === 0 || from[1] === 0) throw new RangeError('this is not a journal message');
  if (from[1]! > FORMAT_VERSION) {
    throw new StorageFault(
      'unavailable',
      `${where}: written by format ${from[0]}, which this version (format ${FORMAT_VERSION}) cannot read; update it`,
    );
  }
  const kind = KINDS[from[2]! - 1];
  if (kind === undefined) throw new RangeError(`message kind ${from[2]} is unknown`);
  const headBytes = from.readUInt32LE(24);
  if (headBytes > from.length) throw new RangeError(`a head of ${headBytes} bytes in ${from.length}`);
  const count = from.readUInt32LE(28);
  const items: Item[] = [];
  let at = HEAD_BYTES;
  let position = headBytes;
  for (let index = 0; index < count; index++) {
    const bodyBytes = from.readUInt32LE(at + 8);
    items.push(readItem(from, at, position, bodyBytes));
    at += ITEM_BYTES + from[at + 1]! + from.readUInt32LE(at + 4);
    position += bodyBytes;
  }
  if (at > headBytes) throw new RangeError(`items end at ${at} in a head of ${headBytes} bytes`);
  return {
    kind,
    lastPart: (from[3]! & LAST_PART) !== 0,
    epoch: from.readUInt32LE(4),
    counter: from.readUInt32LE(8),
    part: from.readUInt32LE(12),
    indexSequence: from.readUIntLE(16, 6),
    items,
    bytes: headBytes,
  };
}

function readItem(from: Buffer, start: number, position: number, length: number): Item {
  const fields = start + ITEM_BYTES + from[start + 1]!;
  const partition = from.toString('latin1', start + ITEM_BYTES, fields) as PartitionKey;
  switch (from[start]) {
    case 1:
      return {
        kind: 'batch',
        partition,
        baseOffset: from.readBigInt64LE(fields),
        lastOffset: from.readBigInt64LE(fields + 8),
        maxTimestampMs: from.readBigInt64LE(fields + 16),
        position,
        length,
      };
    case 2: {
      const end = fields + from.readUInt32LE(start + 4);
      if (end > from.length) throw new RangeError(`a checkpoint ends at ${end} of ${from.length}`);
      return {
        kind: 'checkpoint',
        partition,
        offset: from.readBigInt64LE(fields),
        // A copy: the state outlives the message, which may be megabytes.
        bytes: Buffer.from(from.subarray(fields + 8, end)),
      };
    }
    case 3:
      return { kind: 'logStart', partition, offset: from.readBigInt64LE(fields) };
    case 4:
      return { kind: 'removal', partition };
    case 5:
      return { kind: 'moved', partition, offset: from.readBigInt64LE(fields) };
    case 6:
      return { kind: 'opened', node: from.readInt32LE(fields), previous: from.readUIntLE(fields + 4, 6) };
    default:
      return { kind: 'foreign', code: from[start]! };
  }
}
