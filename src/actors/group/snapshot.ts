// A group's part of a partition snapshot: its live records again, a bounded number a batch. Offsets that are committed
// while it is under way lie behind its start anyway.

import type { CoordinatedPartition, GroupEntry } from './coordinated-partition.ts';
import { snapshotRecordsMax } from './limits.ts';
import { type GroupRecord, type GroupState, recordsOf } from './state.ts';

/** What of a live group's snapshot is still to be written. */
export interface SnapshotQueue {
  readonly offsets: readonly { readonly topic: string; readonly partitionIndex: number }[];
  next: number;
}

/** Appends the records of a group that no actor works on. They are all handed to the log before this returns to the loop. */
export async function snapshotAtRest(partition: CoordinatedPartition, { state }: GroupEntry): Promise<void> {
  const records = [...recordsOf(state)];
  const appends: Promise<void>[] = [];
  for (let at = 0; at < records.length; at += snapshotRecordsMax) {
    appends.push(partition.append(state.groupId, records.slice(at, at + snapshotRecordsMax)));
  }
  await Promise.all(appends);
}

export function beginSnapshot(state: GroupState): SnapshotQueue {
  const offsets: { topic: string; partitionIndex: number }[] = [];
  for (const [topic, partitions] of state.offsets) {
    for (const partitionIndex of partitions.keys()) offsets.push({ topic, partitionIndex });
  }
  return { offsets, next: 0 };
}

/** Emits the next part. @returns how many offsets remain */
export function continueSnapshot(
  state: GroupState,
  queue: SnapshotQueue,
  record: (record: GroupRecord) => void,
): number {
  if (queue.next === 0 && state.generation !== undefined) {
    record({ kind: 'generationStored', generation: state.generation });
  }
  for (const { topic, partitionIndex } of queue.offsets.slice(queue.next, queue.next + snapshotRecordsMax)) {
    const offset = state.offsets.get(topic)?.get(partitionIndex);
    if (offset !== undefined) record({ kind: 'offsetCommitted', topic, partitionIndex, offset });
  }
  queue.next += snapshotRecordsMax;
  return Math.max(0, queue.offsets.length - queue.next);
}
