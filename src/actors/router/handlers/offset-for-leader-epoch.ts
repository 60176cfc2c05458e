// OffsetForLeaderEpoch: where a leader epoch ends, by which a consumer notices that a log was cut (KIP-101, KIP-320).

import type { offsetForLeaderEpoch } from '../../../protocol/apis/offset-for-leader-epoch.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { partitionKey } from '../../shard/ports.ts';
import { errorCodeOf } from '../faults.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof offsetForLeaderEpoch>;
type Response = ResponseOf<typeof offsetForLeaderEpoch>;
type PartitionRequest = Request['topics'][number]['partitions'][number];
type PartitionResponse = Response['topics'][number]['partitions'][number];

export async function handleOffsetForLeaderEpoch(
  request: Request,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const topics = request.topics.map(async ({ topic, partitions }) => ({
    topic,
    partitions: await Promise.all(partitions.map((partition) => endOf(topic, partition, context, services))),
  }));
  return { topics: await Promise.all(topics) };
}

async function endOf(
  name: string,
  { partition, currentLeaderEpoch, leaderEpoch }: PartitionRequest,
  context: RequestContext,
  services: Services,
): Promise<PartitionResponse> {
  const topic = services.catalog.byName(name);
  if (topic === undefined || partition < 0 || partition >= topic.partitionCount) {
    return { partition, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
  }
  try {
    const writer = services.directory.partition(partitionKey(topic.id, partition));
    return { partition, ...(await writer.ask('epochEnd', { leaderEpoch, currentLeaderEpoch }, context.trace)) };
  } catch (error) {
    services.logger.log('warn', 'offset for leader epoch failed', { topic: name, partition, error });
    return { partition, errorCode: errorCodeOf(error, 'partition') };
  }
}
