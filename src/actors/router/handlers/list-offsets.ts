// ListOffsets: the offsets at the ends of a log, and by timestamp (KIP-79, KIP-734, KIP-405's markers where they make
// sense without tiers).

import type { listOffsets } from '../../../protocol/apis/list-offsets.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import type { Position } from '../../partition/protocol.ts';
import type { FoundRecord } from '../../partition/reader.ts';
import { type PartitionKey, partitionKey } from '../../shard/ports.ts';
import { errorCodeOf } from '../faults.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof listOffsets>;
type Response = ResponseOf<typeof listOffsets>;
type PartitionRequest = Request['topics'][number]['partitions'][number];
type PartitionResponse = Response['topics'][number]['partitions'][number];

/** Special timestamps (ListOffsetsRequest). */
const LATEST = -1n;
const EARLIEST = -2n;
const MAX_TIMESTAMP = -3n;
const EARLIEST_LOCAL = -4n;
const LATEST_TIERED = -5n;
const EARLIEST_PENDING_UPLOAD = -6n;

/** First version that knows each of the later markers. */
const MARKER_VERSIONS: ReadonlyMap<bigint, number> = new Map([
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_PENDING_UPLOAD, 11],
]);

/** First version that tells the epoch of the record found. */
const LEADER_EPOCH_VERSION = 4;

export async function handleListOffsets(
  request: Request,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const named = new Map<string, number>();
  for (const { name, partitions } of request.topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${name}/${partitionIndex}`;
      named.set(key, (named.get(key) ?? 0) + 1);
    }
  }
  const topics = request.topics.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(
      partitions.map((partition) => {
        // Kafka refuses a partition that is named twice (KafkaApis.handleListOffsetRequest).
        if ((named.get(`${name}/${partition.partitionIndex}`) as number) > 1) {
          return failed(partition, ErrorCode.INVALID_REQUEST);
        }
        return listPartition(name, partition, request.isolationLevel === 1, context, services);
      }),
    ),
  }));
  return { topics: await Promise.all(topics) };
}

async function listPartition(
  name: string,
  partition: PartitionRequest,
  readCommitted: boolean,
  context: RequestContext,
  services: Services,
): Promise<PartitionResponse> {
  const topic = services.catalog.byName(name);
  const { partitionIndex, timestamp, currentLeaderEpoch } = partition;
  if (topic === undefined || partitionIndex < 0 || partitionIndex >= topic.partitionCount) {
    return failed(partition, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  }
  if (timestamp < 0n) {
    const since = MARKER_VERSIONS.get(timestamp) ?? (timestamp >= EARLIEST ? 0 : Number.POSITIVE_INFINITY);
    if (context.apiVersion < since) return failed(partition, ErrorCode.UNSUPPORTED_VERSION);
  }
  const key = partitionKey(topic.id, partitionIndex);
  try {
    const position = await services.directory
      .partition(key)
      .ask('position', { fetchOffset: 0n, currentLeaderEpoch, lastFetchedEpoch: -1 });
    if (position.errorCode !== ErrorCode.NONE && position.errorCode !== ErrorCode.OFFSET_OUT_OF_RANGE) {
      return failed(partition, position.errorCode);
    }
    if (context.apiVersion === 0) return await oldStyle(key, partition, position, services);
    const found = await find(key, timestamp, position, readCommitted, services);
    const leaderEpoch = context.apiVersion >= LEADER_EPOCH_VERSION ? found.leaderEpoch : -1;
    return { partitionIndex, errorCode: ErrorCode.NONE, ...found, leaderEpoch };
  } catch (fault) {
    services.logger.log('warn', 'list offsets failed', { topic: name, partition: partitionIndex, error: fault });
    return failed(partition, errorCodeOf(fault, 'partition'));
  }
}

const NOT_FOUND: FoundRecord = { timestamp: -1n, offset: -1n, leaderEpoch: -1 };

async function find(
  key: PartitionKey,
  timestamp: bigint,
  position: Position,
  readCommitted: boolean,
  services: Services,
): Promise<FoundRecord> {
  const endOffset = readCommitted ? position.lastStableOffset : position.highWatermark;
  const { logStartOffset } = position;
  switch (timestamp) {
    case LATEST:
      return { timestamp: -1n, offset: endOffset, leaderEpoch: position.lastEpoch };
    case EARLIEST:
    case EARLIEST_LOCAL:
      return { timestamp: -1n, offset: logStartOffset, leaderEpoch: position.logStartEpoch };
    // Nothing is ever moved to a remote tier in Kafka's sense.
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return NOT_FOUND;
    default: {
      const query = {
        timestamp: timestamp === MAX_TIMESTAMP ? ('largest' as const) : timestamp,
        logStartOffset,
        endOffset,
      };
      return (await services.reader.offsetByTimestamp(key, query)) ?? NOT_FOUND;
    }
  }
}

/** Version 0 reports starts of segments, newest first. A log here has no segments: it is one, and its end. */
async function oldStyle(
  key: PartitionKey,
  partition: PartitionRequest,
  position: Position,
  services: Services,
): Promise<PartitionResponse> {
  let offsets: bigint[];
  if (partition.timestamp === LATEST) offsets = [position.highWatermark, position.logStartOffset];
  else if (partition.timestamp === EARLIEST) offsets = [position.logStartOffset];
  else {
    const found = await find(key, partition.timestamp, position, false, services);
    offsets = found.offset >= 0n ? [found.offset, position.logStartOffset] : [position.logStartOffset];
  }
  return {
    partitionIndex: partition.partitionIndex,
    errorCode: ErrorCode.NONE,
    oldStyleOffsets: [...new Set(offsets)].slice(0, Math.max(0, partition.maxNumOffsets)),
  };
}

function failed({ partitionIndex }: PartitionRequest, errorCode: number): PartitionResponse {
  return { partitionIndex, errorCode, oldStyleOffsets: [] };
}
