// The contract of a ShardLog in its simplest form, and what a store says of a partition in the same form, to compare.

import { createHash } from 'node:crypto';
import type { LogEntry, PartitionKey, ShardLog } from '../../src/actors/shard/ports.ts';
import { splitBatches } from './batches.ts';

const MANY = 1 << 30;
const END = 1n << 62n;

function digest(bytes: Uint8Array): string {
  return `${bytes.length}:${createHash('sha1').update(bytes).digest('hex')}`;
}

export async function headersOf(log: ShardLog, partition: PartitionKey, fromOffset: bigint): Promise<Uint8Array[]> {
  const headers: Uint8Array[] = [];
  for await (const header of log.headers(partition, fromOffset)) headers.push(Buffer.from(header));
  return headers;
}

/** Everything a store says of a partition, as plain data. */
export async function observed(log: ShardLog, partition: PartitionKey): Promise<unknown> {
  const description = await log.describe(partition);
  const batches = splitBatches(await log.read(partition, 0n, END, MANY, true));
  const headers = await headersOf(log, partition, 0n);
  return {
    logStartOffset: description.logStartOffset,
    nextOffset: description.nextOffset,
    bytes: description.bytes,
    checkpoint: description.checkpoint && {
      offset: description.checkpoint.offset,
      bytes: digest(description.checkpoint.bytes),
    },
    batches: batches.map(digest),
    headers: headers.map(digest),
    size: (await log.sizes()).get(partition),
    maxTimestamp: await log.batchOfMaxTimestamp(partition),
    byTimestamp: await Promise.all([0n, 5n, 17n, 40n, 99n].map((at) => log.firstBatchAtOrAfter(partition, at))),
    keep: await Promise.all([0, 1, 300, 2000, 1 << 20].map((bytes) => log.offsetToKeep(partition, bytes))),
  };
}

/** The contract in its simplest form: a list of batches. The stores must agree with it after any sequence of entries. */
export class Model {
  private readonly logs = new Map<
    PartitionKey,
    {
      start: bigint;
      next: bigint;
      batches: Extract<LogEntry, { kind: 'batch' }>[];
      checkpoint?: { offset: bigint; bytes: Uint8Array };
    }
  >();

  next(partition: PartitionKey): bigint {
    return this.logs.get(partition)?.next ?? 0n;
  }

  apply(entry: LogEntry): void {
    if (entry.kind === 'removal') {
      this.logs.delete(entry.partition);
      return;
    }
    const log = this.logs.get(entry.partition) ?? { start: 0n, next: 0n, batches: [] };
    this.logs.set(entry.partition, log);
    if (entry.kind === 'batch') {
      log.batches.push(entry);
      log.next = entry.lastOffset + 1n;
    } else if (entry.kind === 'checkpoint') {
      log.checkpoint = { offset: entry.offset, bytes: entry.bytes };
    } else if (entry.offset > log.start) {
      log.start = entry.offset;
      if (entry.offset > log.next) log.next = entry.offset;
      log.batches = log.batches.filter((one) => one.lastOffset >= entry.offset);
    }
  }

  observed(partition: PartitionKey): unknown {
    const log = this.logs.get(partition) ?? { start: 0n, next: 0n, batches: [], checkpoint: undefined };
    const bytes = log.batches.reduce((sum, one) => sum + one.bytes.length, 0);
    let latest = -1n;
    for (const one of log.batches) if (one.maxTimestampMs > latest) latest = one.maxTimestampMs;
    const keep = (wanted: number): bigint => {
      let kept = 0;
      let boundary = log.next;
      for (const one of [...log.batches].reverse()) {
        if (kept >= wanted) break;
        kept += one.bytes.length;
        boundary = one.baseOffset;
      }
      return kept < wanted || boundary < log.start ? log.start : boundary;
    };
    return {
      logStartOffset: log.start,
      nextOffset: log.next,
      bytes,
      checkpoint: log.checkpoint && {
        offset: log.checkpoint.offset,
        bytes: digest(log.checkpoint.bytes),
      },
      batches: log.batches.map((one) => digest(one.bytes)),
      headers: log.batches.map((one) => digest(one.bytes.subarray(0, 61))),
      size: this.logs.has(partition) ? bytes : undefined,
      maxTimestamp: latest < 0n ? undefined : log.batches.find((one) => one.maxTimestampMs === latest)!.baseOffset,
      byTimestamp: [0n, 5n, 17n, 40n, 99n].map((at) => log.batches.find((one) => one.maxTimestampMs >= at)?.baseOffset),
      keep: [0, 1, 300, 2000, 1 << 20].map(keep),
    };
  }
}
