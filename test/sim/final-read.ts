// Reads one partition whole when everything has come to rest, with plain fetches: what it finds is what the log holds.

import { fetch } from '../../src/protocol/apis/fetch.ts';
import { listOffsets } from '../../src/protocol/apis/list-offsets.ts';
import { ErrorCode } from '../../src/protocol/errors.ts';
import { lastOffsetOf, readBatchHeader, splitBatches } from '../../src/protocol/records/batch.ts';
import { decodeRecords } from '../../src/protocol/records/record.ts';
import { type ClusterClient, partitionId, retrying, type TopicPartition } from './clients/cluster-client.ts';
import { EARLIEST, LATEST } from './clients/consumer.ts';
import type { LogRecordSeen } from './history.ts';

const TIME_MS = 30_000;
const LIST_VERSION = 7;
const FETCH_VERSION = 11;

/** High watermark of a partition. @throws Error when it cannot be learned in time */
export async function endOf(client: ClusterClient, partition: TopicPartition): Promise<bigint> {
  const end = await retrying(client, client.environment.scheduler.nowMs + TIME_MS, async () => {
    client.leaderMoved(partition.topic);
    const nodeId = (await client.leaderOf(partition))?.nodeId;
    return nodeId === undefined ? undefined : offsetOf(client, nodeId, partition, LATEST);
  });
  if (end === undefined) throw new Error(`the end of ${partitionId(partition)} cannot be learned`);
  return end;
}

/** Notes the partition's whole content in the history. @throws Error when it cannot be read in time */
export async function readWhole(client: ClusterClient, partition: TopicPartition): Promise<void> {
  const { scheduler, history } = client.environment;
  const { topic, index } = partition;
  const read = await retrying(client, scheduler.nowMs + TIME_MS, async () => {
    client.leaderMoved(topic);
    const nodeId = (await client.leaderOf(partition))?.nodeId;
    if (nodeId === undefined) return undefined;
    const start = await offsetOf(client, nodeId, partition, EARLIEST);
    const end = await offsetOf(client, nodeId, partition, LATEST);
    if (start === undefined || end === undefined) return undefined;
    const records: LogRecordSeen[] = [];
    let position = start;
    while (position < end) {
      const answer = await client.request(
        nodeId,
        fetch,
        {
          maxWaitMs: 0,
          minBytes: 1,
          topics: [{ topic, partitions: [{ partition: index, fetchOffset: position, partitionMaxBytes: 1_000_000 }] }],
        },
        { version: FETCH_VERSION },
      );
      const result = answer.responses[0]?.partitions[0];
      if (result === undefined || result.errorCode !== ErrorCode.NONE) return undefined;
      const before = position;
      for (const batch of splitBatches(result.records ?? Buffer.alloc(0), { allowPartialTail: true })) {
        for (const { offset, value } of decodeRecords(batch)) {
          if (offset >= before) records.push([offset, (value ?? Buffer.alloc(0)).toString().replace(/\.+$/, '')]);
        }
        position = lastOffsetOf(readBatchHeader(batch)) + 1n;
      }
      // A log that gives nothing below its end has a hole: the checkers see that it is short.
      if (position === before) break;
    }
    return { logStartOffset: start, highWatermark: end, records };
  });
  if (read === undefined) throw new Error(`${partitionId(partition)} cannot be read`);
  history.add(client.name, { kind: 'finalRead', partition: partitionId(partition), ...read });
}

async function offsetOf(
  client: ClusterClient,
  nodeId: number,
  { topic, index }: TopicPartition,
  timestamp: bigint,
): Promise<bigint | undefined> {
  const answer = await client.request(
    nodeId,
    listOffsets,
    { replicaId: -1, topics: [{ name: topic, partitions: [{ partitionIndex: index, timestamp }] }] },
    { version: LIST_VERSION },
  );
  const result = answer.topics[0]?.partitions[0];
  return result?.errorCode === ErrorCode.NONE ? result.offset : undefined;
}
