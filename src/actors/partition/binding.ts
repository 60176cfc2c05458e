// Ties a partition's writer to its shard: loads its state from the store (checkpoint, then headers) and commits its
// records through the shard's group commit.

import { readBatchHeader } from '../../protocol/records/batch.ts';
import type { Binding } from '../runtime/define.ts';
import type { TraceContext } from '../runtime/ports.ts';
import type { LogEntry, PartitionKey } from '../shard/ports.ts';
import { StorageFault } from '../shard/ports.ts';
import type { Shards } from '../shard/shards.ts';
import type { LoadedPartition } from './partition.ts';
import { applyRecord, emptyState, encodeCheckpoint, type PartitionRecord, restoreCheckpoint } from './state.ts';

/** @param exists whether the partition (still) is one: a deleted topic's writer must not come back. */
export function bindPartition(
  key: PartitionKey,
  shards: Shards,
  exists: (key: PartitionKey) => boolean,
): Binding<LoadedPartition, PartitionRecord> {
  let state: LoadedPartition | undefined;
  let commitEntries: (entries: readonly LogEntry[], trace?: TraceContext) => Promise<void>;

  return {
    async load() {
      const shard = shards.of(key);
      if (shard === undefined) throw new StorageFault('fenced', `${key} is not owned by this node`);
      if (!exists(key)) throw new StorageFault('fenced', `${key} does not exist`);
      const { log, committer } = shard;
      // What a crashed predecessor had submitted may still land; a log read before that would be short.
      await committer.settled(key);
      const generation = committer.generation(key);
      commitEntries = (entries, trace) => committer.submit(key, generation, entries, trace);
      const description = await log.describe(key);
      const loaded: LoadedPartition = { ...emptyState(log.epoch), key };
      if (description.checkpoint !== undefined) restoreCheckpoint(loaded, description.checkpoint.bytes);
      for await (const bytes of log.headers(key, description.checkpoint?.offset ?? 0n)) {
        const header = readBatchHeader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
        if (header.baseOffset < (description.checkpoint?.offset ?? 0n)) continue;
        applyRecord(loaded, { kind: 'appended', header });
      }
      applyRecord(loaded, { kind: 'logStartMoved', offset: description.logStartOffset });
      if (description.nextOffset > loaded.nextOffset) loaded.nextOffset = description.nextOffset;
      state = loaded;
      return loaded;
    },

    commit: (records, trace) => commitEntries(toEntries(key, state as LoadedPartition, records), trace),

    restartable: (error) => !(error instanceof StorageFault && (error.code === 'fenced' || error.code === 'corrupt')),
  };
}

function toEntries(key: PartitionKey, state: LoadedPartition, records: readonly PartitionRecord[]): LogEntry[] {
  const entries: LogEntry[] = [];
  for (const record of records) {
    if (record.kind === 'appended' && record.entry !== undefined) entries.push(record.entry);
    else if (record.kind === 'logStartMoved') entries.push({ kind: 'logStart', partition: key, offset: record.offset });
    // Runs right after the turn, before any other: the state is as of the turn's end.
    else if (record.kind === 'checkpointed') {
      entries.push({ kind: 'checkpoint', partition: key, offset: state.nextOffset, bytes: encodeCheckpoint(state) });
    }
  }
  return entries;
}
