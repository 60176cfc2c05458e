// A shard's log that says when it turns out to be fenced, whichever call finds out. Reads find out as well as appends: an
// owner to whom nobody writes would otherwise refuse its readers for ever, having lost the shard to a node whose view of
// the cluster was older.

import type { PartitionKey, ShardLog } from './ports.ts';
import { StorageFault } from './ports.ts';

/** @param onFenced told with each call that fails so */
export function watchedLog(log: ShardLog, onFenced: (error: StorageFault) => void): ShardLog {
  function watched<T>(result: Promise<T>): Promise<T> {
    result.catch((error) => {
      if (error instanceof StorageFault && error.code === 'fenced') onFenced(error);
    });
    return result;
  }
  return {
    shard: log.shard,
    epoch: log.epoch,
    // The committer tells of every append that fails.
    append: (entries) => log.append(entries),
    describe: (partition) => watched(log.describe(partition)),
    read: (...question) => watched(log.read(...question)),
    headers: (partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array> => ({
      [Symbol.asyncIterator]: () => {
        const iterator = log.headers(partition, fromOffset)[Symbol.asyncIterator]();
        return {
          next: () => watched(iterator.next()),
          return: (value) => iterator.return?.(value) ?? Promise.resolve({ done: true, value }),
        };
      },
    }),
    firstBatchAtOrAfter: (partition, timestampMs) => watched(log.firstBatchAtOrAfter(partition, timestampMs)),
    batchOfMaxTimestamp: (partition) => watched(log.batchOfMaxTimestamp(partition)),
    offsetToKeep: (partition, bytes) => watched(log.offsetToKeep(partition, bytes)),
    sizes: () => watched(log.sizes()),
    close: () => log.close(),
  };
}
