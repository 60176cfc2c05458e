// One pass over the partitions of a Fetch: where each log stands, and the batches that fit the client's bounds.

import type { fetch } from '../../../protocol/apis/fetch.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import { splitBatches } from '../../../protocol/records/batch.ts';
import { downConvert } from '../../../protocol/records/legacy.ts';
import type { ResponseOf } from '../../../protocol/schema/define.ts';
import type { Topic } from '../../admin/catalog.ts';
import type { FetchPartition } from '../../connection/fetch-sessions.ts';
import type { Position } from '../../partition/protocol.ts';
import type { TraceContext } from '../../runtime/ports.ts';
import { type PartitionKey, partitionKey } from '../../shard/ports.ts';
import { errorCodeOf } from '../faults.ts';
import { currentLeader } from '../leaders.ts';
import type { Services } from '../services.ts';

/** First version with room for a partition's leader in its answer. */
const LEADER_VERSION = 12;

export type FetchPartitionResponse = ResponseOf<typeof fetch>['responses'][number]['partitions'][number] & {
  readonly records: Uint8Array | readonly Uint8Array[] | null;
};

export interface FetchBudget {
  /** Bytes of records in the whole response. */
  readonly bytesMax: number;
  /** The response's first batch is given whole even if it is larger than any bound (KIP-74). */
  readonly firstBatchWhole: boolean;
  readonly readCommitted: boolean;
  readonly usesTopicIds: boolean;
  readonly apiVersion: number;
  /** Of the request; undefined: not sampled. */
  readonly trace: TraceContext | undefined;
}

export interface PartitionFetch {
  readonly wanted: FetchPartition;
  readonly key: PartitionKey;
  /** As seen before reading; a wait is for more than this. */
  readonly highWatermark: bigint;
  readonly bytes: number;
  /** The batches read, v2 whatever the client gets. */
  readonly batches: readonly Uint8Array[];
  readonly response: FetchPartitionResponse;
}

/** A partition that may be read, and how far. */
interface Readable {
  readonly wanted: FetchPartition;
  readonly key: PartitionKey;
  readonly topic: Topic;
  readonly position: Position;
}

/** Reads all partitions in their order; several at a time as long as their bounds fit the budget together. */
export async function readPartitions(
  partitions: readonly FetchPartition[],
  budget: FetchBudget,
  services: Services,
): Promise<PartitionFetch[]> {
  const located = await Promise.all(partitions.map((wanted) => locate(wanted, budget, services)));
  const first = located.findIndex((partition) => !('response' in partition) && hasRecords(partition, budget));
  const fetched: PartitionFetch[] = [];
  let bytesLeft = budget.bytesMax;
  for (let start = 0; start < located.length; ) {
    let promised = 0;
    let end = start;
    while (end < located.length) {
      promised += Math.max(0, (partitions[end] as FetchPartition).partitionMaxBytes);
      if (end > start && promised > bytesLeft) break;
      end++;
    }
    const wave = await Promise.all(
      located.slice(start, end).map((partition, index) => {
        if ('response' in partition) return partition;
        const bytesMax = Math.max(0, Math.min(bytesLeft, partition.wanted.partitionMaxBytes));
        return readOne(partition, bytesMax, budget.firstBatchWhole && start + index === first, budget, services);
      }),
    );
    for (const partition of wave) bytesLeft = Math.max(0, bytesLeft - partition.bytes);
    fetched.push(...wave);
    start = end;
  }
  return fetched;
}

function hasRecords({ wanted, position }: Readable, budget: FetchBudget): boolean {
  return wanted.fetchOffset < endOf(position, budget);
}

function endOf(position: Position, budget: FetchBudget): bigint {
  return budget.readCommitted ? position.lastStableOffset : position.highWatermark;
}

/** Finds the partition and where its log stands. */
async function locate(
  wanted: FetchPartition,
  budget: FetchBudget,
  services: Services,
): Promise<Readable | PartitionFetch> {
  const topic = budget.usesTopicIds ? services.catalog.byId(wanted.topicId) : services.catalog.byName(wanted.topic);
  const key = partitionKey(topic?.id ?? wanted.topicId, wanted.partition);
  if (topic === undefined) {
    return failed(wanted, key, budget.usesTopicIds ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  }
  if (wanted.partition < 0 || wanted.partition >= topic.partitionCount) {
    return failed(wanted, key, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  }
  try {
    const position = await services.directory.partition(key).ask('position', wanted, budget.trace);
    if (position.errorCode !== ErrorCode.NONE) {
      return failed(wanted, key, position.errorCode, {
        ...(position.errorCode === ErrorCode.OFFSET_OUT_OF_RANGE ? limits(position) : {}),
        ...leaderIfNeeded(position.errorCode, topic, wanted, budget, services),
      });
    }
    if (position.divergingEpoch !== undefined) {
      return failed(wanted, key, ErrorCode.NONE, { ...limits(position), divergingEpoch: position.divergingEpoch });
    }
    return { wanted, key, topic, position };
  } catch (fault) {
    return faulty(wanted, key, topic, fault, budget, services);
  }
}

async function readOne(
  { wanted, key, topic, position }: Readable,
  bytesMax: number,
  atLeastOne: boolean,
  budget: FetchBudget,
  services: Services,
): Promise<PartitionFetch> {
  const endOffset = endOf(position, budget);
  try {
    const magic = budget.apiVersion >= 4 ? 2 : budget.apiVersion >= 2 ? 1 : 0;
    // Versions below 3 cut a batch that is too large; the client tells by the cut that it must ask for more.
    const needOne = atLeastOne || (magic < 2 && bytesMax > 0);
    const batches = await services.reader.read(
      key,
      wanted.fetchOffset,
      endOffset,
      Math.max(0, bytesMax),
      needOne,
      budget.trace,
    );
    if (await logStartPassed(key, wanted.fetchOffset, batches[0], services)) {
      return failed(wanted, key, ErrorCode.OFFSET_OUT_OF_RANGE, limits(position));
    }
    let records: readonly Uint8Array[] = batches;
    if (magic !== 2 && batches.length > 0) {
      const cut = budget.firstBatchWhole ? Number.MAX_SAFE_INTEGER : bytesMax;
      const converted = downConvert(batches.flatMap(asBatches), magic, wanted.fetchOffset, cut);
      if ('errorCode' in converted) return failed(wanted, key, converted.errorCode, limits(position));
      records = [converted.records];
    }
    const bytes = records.reduce((sum, chunk) => sum + chunk.length, 0);
    return {
      wanted,
      key,
      highWatermark: position.highWatermark,
      bytes,
      batches,
      response: {
        partitionIndex: wanted.partition,
        errorCode: ErrorCode.NONE,
        ...limits(position),
        abortedTransactions: budget.readCommitted ? [] : null,
        records,
      },
    };
  } catch (fault) {
    return faulty(wanted, key, topic, fault, budget, services);
  }
}

function asBatches(chunk: Uint8Array): Buffer[] {
  return splitBatches(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
}

/** Whether records were deleted while they were read: what was read then begins behind a gap. @throws StorageFault, ActorFault */
async function logStartPassed(
  key: PartitionKey,
  fetchOffset: bigint,
  first: Uint8Array | undefined,
  services: Services,
): Promise<boolean> {
  if (first === undefined) return false;
  const baseOffset = Buffer.from(first.buffer, first.byteOffset, first.byteLength).readBigInt64BE(0);
  if (baseOffset <= fetchOffset) return false;
  const { logStartOffset } = await services.directory
    .partition(key)
    .ask('position', { fetchOffset, currentLeaderEpoch: -1, lastFetchedEpoch: -1 });
  return fetchOffset < logStartOffset;
}

function limits({ highWatermark, lastStableOffset, logStartOffset }: Position) {
  return { highWatermark, lastStableOffset, logStartOffset };
}

function failed(
  wanted: FetchPartition,
  key: PartitionKey,
  errorCode: number,
  more: Partial<FetchPartitionResponse> = {},
): PartitionFetch {
  return {
    wanted,
    key,
    highWatermark: more.highWatermark ?? -1n,
    bytes: 0,
    batches: [],
    response: {
      partitionIndex: wanted.partition,
      errorCode,
      highWatermark: -1n,
      abortedTransactions: [],
      records: [],
      ...more,
    },
  };
}

function faulty(
  wanted: FetchPartition,
  key: PartitionKey,
  topic: Topic,
  fault: unknown,
  budget: FetchBudget,
  services: Services,
): PartitionFetch {
  const errorCode = errorCodeOf(fault, 'fetch');
  services.logger.log('warn', 'fetch failed', {
    topic: topic.name,
    partition: wanted.partition,
    errorCode,
    error: fault,
  });
  return failed(wanted, key, errorCode, leaderIfNeeded(errorCode, topic, wanted, budget, services));
}

function leaderIfNeeded(
  errorCode: number,
  topic: Topic,
  wanted: FetchPartition,
  { apiVersion }: FetchBudget,
  services: Services,
) {
  if (apiVersion < LEADER_VERSION) return {};
  const moved = errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER || errorCode === ErrorCode.FENCED_LEADER_EPOCH;
  return moved ? { currentLeader: currentLeader(topic, wanted.partition, services) } : {};
}
