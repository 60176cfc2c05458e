// What a journal record holds: the committed changes, in order, and their binary form.
//
//   partition   1 u8, id u32, shard u32, key length u8, key        a partition gets an id
//   run inline  2 u8, id u32, base i64, last i64, time i64, batches u32, bytes u32, the batches
//   run placed  3 u8, id u32, base i64, last i64, time i64, batches u32, bytes u32, file u32, position u48
//   checkpoint  4 u8, id u32, offset i64, bytes u32, the checkpoint
//   log start   5 u8, id u32, offset i64, bytes gone u48
//   removal     6 u8, id u32
//   opening     7 u8, shard u32, epoch u32
//
// All integers are big-endian.

import type { PartitionKey } from '../../actors/shard/ports.ts';
import type { PartitionLog } from './partition-log.ts';
import { Run } from './partition-log.ts';

export interface RunItem {
  readonly kind: 'run';
  readonly log: PartitionLog;
  readonly run: Run;
  /** The batches of an inline run before they are encoded; empty for a placed run. */
  readonly parts: readonly Uint8Array[];
}

export type Item =
  | { readonly kind: 'partition'; readonly log: PartitionLog }
  | RunItem
  | { readonly kind: 'checkpoint'; readonly log: PartitionLog; readonly offset: bigint; bytes: Uint8Array }
  | { readonly kind: 'logStart'; readonly log: PartitionLog; readonly offset: bigint; bytesGone: number }
  | { readonly kind: 'removal'; readonly log: PartitionLog }
  | { readonly kind: 'opening'; readonly shard: number; readonly epoch: number };

const RUN_HEAD_BYTES = 1 + 4 + 8 * 3 + 4 + 4;

/** Bytes that `item` takes in a record. */
export function itemBytes(item: Item): number {
  switch (item.kind) {
    case 'partition':
      return 10 + Buffer.byteLength(item.log.key);
    case 'run':
      return RUN_HEAD_BYTES + (item.parts.length > 0 ? item.run.bytes : 10);
    case 'checkpoint':
      return 17 + item.bytes.length;
    case 'logStart':
      return 19;
    case 'removal':
      return 5;
    case 'opening':
      return 9;
  }
}

/** Writes `item` at `at`; inline bytes are henceforth those of `into`. @returns the position after it. */
export function encodeItem(item: Item, into: Buffer, at: number): number {
  switch (item.kind) {
    case 'partition': {
      into[at] = 1;
      into.writeUInt32BE(item.log.id, at + 1);
      into.writeUInt32BE(item.log.shard, at + 5);
      const length = into.write(item.log.key, at + 10, 'utf8');
      into[at + 9] = length;
      return at + 10 + length;
    }
    case 'run':
      return encodeRun(item, into, at);
    case 'checkpoint': {
      into[at] = 4;
      into.writeUInt32BE(item.log.id, at + 1);
      into.writeBigInt64BE(item.offset, at + 5);
      into.writeUInt32BE(item.bytes.length, at + 13);
      into.set(item.bytes, at + 17);
      item.bytes = into.subarray(at + 17, at + 17 + item.bytes.length);
      return at + 17 + item.bytes.length;
    }
    case 'logStart':
      into[at] = 5;
      into.writeUInt32BE(item.log.id, at + 1);
      into.writeBigInt64BE(item.offset, at + 5);
      return into.writeUIntBE(item.bytesGone, at + 13, 6);
    case 'removal':
      into[at] = 6;
      return into.writeUInt32BE(item.log.id, at + 1);
    case 'opening':
      into[at] = 7;
      into.writeUInt32BE(item.shard, at + 1);
      return into.writeUInt32BE(item.epoch, at + 5);
  }
}

function encodeRun(item: RunItem, into: Buffer, start: number): number {
  const run = item.run;
  const inline = item.parts.length > 0;
  into[start] = inline ? 2 : 3;
  into.writeUInt32BE(item.log.id, start + 1);
  into.writeBigInt64BE(run.baseOffset, start + 5);
  into.writeBigInt64BE(run.lastOffset, start + 13);
  into.writeBigInt64BE(run.maxTimestampMs, start + 21);
  into.writeUInt32BE(run.batches, start + 29);
  into.writeUInt32BE(run.bytes, start + 33);
  let at = start + RUN_HEAD_BYTES;
  if (!inline) {
    into.writeUInt32BE(run.file, at);
    return into.writeUIntBE(run.position, at + 4, 6);
  }
  const from = at;
  for (const part of item.parts) {
    into.set(part, at);
    at += part.length;
  }
  run.memory = into.subarray(from, at);
  return at;
}

/** Finds the log an item names; for a `partition` item it makes it. Undefined: no such partition (any more). */
export interface LogsById {
  byId(id: number): PartitionLog | undefined;
  declare(id: number, key: PartitionKey, shard: number): PartitionLog;
}

/** Reads the items of a record's body and hands over each in order. @throws RangeError when it is not well formed. */
export function decodeItems(body: Buffer, logs: LogsById, take: (item: Item) => void): void {
  for (let at = 0; at < body.length; ) at = decodeItem(body, at, logs, take);
}

function decodeItem(body: Buffer, at: number, logs: LogsById, take: (item: Item) => void): number {
  const kind = body[at];
  const id = body.readUInt32BE(at + 1);
  switch (kind) {
    case 1: {
      const end = at + 10 + body[at + 9]!;
      const key = body.toString('utf8', at + 10, end) as PartitionKey;
      take({ kind: 'partition', log: logs.declare(id, key, body.readUInt32BE(at + 5)) });
      return end;
    }
    case 2:
    case 3:
      return decodeRun(body, at, known(logs, id), take);
    case 4: {
      const end = at + 17 + body.readUInt32BE(at + 13);
      if (end > body.length) throw new RangeError(`checkpoint at ${at} is cut`);
      const bytes = body.subarray(at + 17, end);
      take({ kind: 'checkpoint', log: known(logs, id), offset: body.readBigInt64BE(at + 5), bytes });
      return end;
    }
    case 5: {
      const bytesGone = body.readUIntBE(at + 13, 6);
      take({ kind: 'logStart', log: known(logs, id), offset: body.readBigInt64BE(at + 5), bytesGone });
      return at + 19;
    }
    case 6:
      take({ kind: 'removal', log: known(logs, id) });
      return at + 5;
    case 7:
      take({ kind: 'opening', shard: id, epoch: body.readUInt32BE(at + 5) });
      return at + 9;
    default:
      throw new RangeError(`unknown item ${kind} at ${at}`);
  }
}

function decodeRun(body: Buffer, start: number, log: PartitionLog, take: (item: Item) => void): number {
  const bytes = body.readUInt32BE(start + 33);
  const run = new Run(
    body.readBigInt64BE(start + 5),
    body.readBigInt64BE(start + 13),
    body.readBigInt64BE(start + 21),
    bytes,
    body.readUInt32BE(start + 29),
  );
  const at = start + RUN_HEAD_BYTES;
  if (body[start] === 3) {
    run.file = body.readUInt32BE(at);
    run.position = body.readUIntBE(at + 4, 6);
    take({ kind: 'run', log, run, parts: [] });
    return at + 10;
  }
  if (at + bytes > body.length) throw new RangeError(`run at ${start} is cut`);
  run.memory = body.subarray(at, at + bytes);
  take({ kind: 'run', log, run, parts: [run.memory] });
  return at + bytes;
}

function known(logs: LogsById, id: number): PartitionLog {
  const log = logs.byId(id);
  if (log === undefined) throw new RangeError(`partition ${id} is unknown`);
  return log;
}
