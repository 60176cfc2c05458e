// Reads of partitions wherever they are owned: here from the log, elsewhere through the mailbox.

import type { ReadAhead, ReadRange } from '../partition/read-ahead.ts';
import type { FoundRecord, LogReader, PartitionReader, TimestampQuery } from '../partition/reader.ts';
import type { TraceContext } from '../runtime/ports.ts';
import type { PartitionKey } from '../shard/ports.ts';
import { parsePartitionKey } from '../shard/shards.ts';
import type { View } from '../shard/view.ts';
import type { Owners } from './owners.ts';

/** How long another node may take over a read, ms. */
const READ_TIMEOUT_MS = 30_000;

export class OwnedReader implements PartitionReader {
  readonly #local: LogReader;
  readonly #owners: Owners;
  readonly #view: View;
  readonly #ahead: ReadAhead;

  constructor(local: LogReader, owners: Owners, view: View, ahead: ReadAhead) {
    this.#local = local;
    this.#owners = owners;
    this.#view = view;
    this.#ahead = ahead;
  }

  read(
    key: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
    trace?: TraceContext,
  ): Uint8Array[] | Promise<Uint8Array[]> {
    const shard = this.#shardOf(key);
    if (this.#owners.isLocal(shard)) return this.#local.read(key, fromOffset, endOffset, bytesMax, atLeastOne);
    if (fromOffset >= endOffset) return [];
    const load = (message: ReadRange) =>
      this.#owners.send(
        shard,
        () => this.#local.read(key, message.fromOffset, message.endOffset, message.bytesMax, message.atLeastOne),
        { service: 'log', key, kind: 'read', message, timeoutMs: READ_TIMEOUT_MS, trace },
      );
    return this.#ahead.read(key, { fromOffset, endOffset, bytesMax, atLeastOne }, load, () => true);
  }

  offsetByTimestamp(key: PartitionKey, query: TimestampQuery): Promise<FoundRecord | undefined> {
    return this.#owners.send(this.#shardOf(key), () => this.#local.offsetByTimestamp(key, query), {
      service: 'log',
      key,
      kind: 'offsetByTimestamp',
      message: query,
      timeoutMs: READ_TIMEOUT_MS,
    });
  }

  #shardOf(key: PartitionKey): number {
    const { topicId, index } = parsePartitionKey(key);
    return this.#view.shardOf(topicId, index);
  }
}
