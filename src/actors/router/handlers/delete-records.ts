// DeleteRecords (KIP-107): moves the start of logs up. Answers once the new start is durable, so there is nothing left to
// wait for as with Kafka's followers.

import type { deleteRecords } from '../../../protocol/apis/delete-records.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { partitionKey } from '../../shard/ports.ts';
import { TIMED_OUT, withinMs } from '../deadline.ts';
import { errorCodeOf } from '../faults.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof deleteRecords>;
type Response = ResponseOf<typeof deleteRecords>;
type Asked = Request['topics'][number]['partitions'][number];
type Answer = Response['topics'][number]['partitions'][number];

const noLowWatermark = -1n;

export async function handleDeleteRecords(
  request: Request,
  _context: RequestContext,
  services: Services,
): Promise<Response> {
  const topics = request.topics.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(
      partitions.map((partition) => deleteOne(name, partition, request.timeoutMs, services)),
    ),
  }));
  return { throttleTimeMs: 0, topics: await Promise.all(topics) };
}

async function deleteOne(
  name: string,
  { partitionIndex, offset }: Asked,
  timeoutMs: number,
  { catalog, clock, directory, logger }: Services,
): Promise<Answer> {
  const failure = (errorCode: number): Answer => ({ partitionIndex, lowWatermark: noLowWatermark, errorCode });
  const topic = catalog.byName(name);
  if (topic === undefined || partitionIndex < 0 || partitionIndex >= topic.partitionCount) {
    return failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  }
  if (topic.internal) return failure(ErrorCode.INVALID_TOPIC_EXCEPTION);
  const { cleanupPolicy } = topic.values;
  if (cleanupPolicy.includes('compact') && !cleanupPolicy.includes('delete'))
    return failure(ErrorCode.POLICY_VIOLATION);
  try {
    const deleting = directory.partition(partitionKey(topic.id, partitionIndex)).ask('deleteRecords', {
      beforeOffset: offset,
    });
    const outcome = await withinMs(clock, timeoutMs, deleting);
    if (outcome === TIMED_OUT) return failure(ErrorCode.REQUEST_TIMED_OUT);
    if (outcome.errorCode !== ErrorCode.NONE) return failure(outcome.errorCode);
    return { partitionIndex, lowWatermark: outcome.logStartOffset, errorCode: ErrorCode.NONE };
  } catch (fault) {
    logger.log('warn', 'records not deleted', { topic: name, partition: partitionIndex, error: fault });
    return failure(errorCodeOf(fault, 'partition'));
  }
}
