// Produce: validates each partition's records, hands each batch to its partition's writer, and answers when all are
// durable. Nothing is awaited before the writers have their batches, so pipelined requests keep their order.

import type { produce } from '../../../protocol/apis/produce.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import { type BatchHeader, readBatchHeader } from '../../../protocol/records/batch.ts';
import { validateProduced } from '../../../protocol/records/validate.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import type { Topic } from '../../admin/catalog.ts';
import { compressionLevel } from '../../admin/topic-configs.ts';
import type { AppendReply } from '../../partition/protocol.ts';
import { partitionKey } from '../../shard/ports.ts';
import { errorCodeOf } from '../faults.ts';
import { currentLeader, nodeEndpoints } from '../leaders.ts';
import { NO_RESPONSE, type RequestContext, type Services } from '../services.ts';

type Request = RequestOf<typeof produce>;
type Response = ResponseOf<typeof produce>;
type PartitionData = Request['topicData'][number]['partitionData'][number];
type PartitionResponse = Response['responses'][number]['partitionResponses'][number];

/** First version that names topics by id (KIP-516). */
const TOPIC_ID_VERSION = 13;
/** First version that tells where a partition has moved (KIP-951). */
const LEADER_VERSION = 10;

export async function handleProduce(
  request: Request,
  context: RequestContext,
  services: Services,
): Promise<Response | typeof NO_RESPONSE> {
  const byId = context.apiVersion >= TOPIC_ID_VERSION;
  const refusal = refusedAsAWhole(request);
  const pending = request.topicData.map((data) => {
    const topic = byId ? services.catalog.byId(data.topicId) : services.catalog.byName(data.name);
    const unknown = byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    return {
      name: data.name,
      topicId: data.topicId,
      partitions: data.partitionData.map((partition) => {
        if (refusal !== undefined) return refused(partition.index, refusal);
        if (topic === undefined) return refused(partition.index, unknown);
        return appendPartition(topic, partition, context, services);
      }),
    };
  });
  const responses: Response['responses'][number][] = [];
  for (const { name, topicId, partitions } of pending) {
    responses.push({ name, topicId, partitionResponses: await Promise.all(partitions) });
  }
  if (request.acks === 0) {
    // Nothing can be told with acks=0; Kafka closes the connection so that the client notices (KafkaApis).
    const failed = responses.flatMap((topic) => topic.partitionResponses).find(({ errorCode }) => errorCode !== 0);
    if (failed !== undefined) throw new Error(`produce with acks=0 failed with error code ${failed.errorCode}`);
    return NO_RESPONSE;
  }
  const moved =
    context.apiVersion >= LEADER_VERSION &&
    responses
      .flatMap((topic) => topic.partitionResponses)
      .some(({ errorCode }) => errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER);
  return { responses, nodeEndpoints: moved ? nodeEndpoints(context, services) : [] };
}

function refusedAsAWhole({ acks, transactionalId }: Request): number | undefined {
  if (acks !== -1 && acks !== 0 && acks !== 1) return ErrorCode.INVALID_REQUIRED_ACKS;
  if (transactionalId !== null && transactionalId.length === 0) return ErrorCode.INVALID_REQUEST;
  return undefined;
}

function refused(index: number, errorCode: number, errorMessage: string | null = null): PartitionResponse {
  return { index, errorCode, baseOffset: -1n, errorMessage };
}

/** Validates and appends; the append is under way when this returns. */
function appendPartition(
  topic: Topic,
  partition: PartitionData,
  context: RequestContext,
  services: Services,
): PartitionResponse | Promise<PartitionResponse> {
  const { index } = partition;
  if (index < 0 || index >= topic.partitionCount) return refused(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  if (topic.internal && context.clientId !== '__admin_client') return refused(index, ErrorCode.INVALID_TOPIC_EXCEPTION);
  const nowMs = services.clock.nowMs();
  const { values } = topic;
  const verdict = validateProduced(partition.records ?? Buffer.alloc(0), {
    apiVersion: context.apiVersion,
    maxMessageBytes: values.maxMessageBytes,
    timestampType: values.messageTimestampType,
    timestampBeforeMaxMs: values.messageTimestampBeforeMaxMs,
    timestampAfterMaxMs: values.messageTimestampAfterMaxMs,
    nowMs: BigInt(nowMs),
    compressionType: values.compressionType,
    compressionLevel: compressionLevel(values),
    compacted: values.cleanupPolicy.includes('compact'),
  });
  if (!verdict.ok) {
    return {
      ...refused(index, verdict.errorCode, verdict.errorMessage),
      recordErrors: (verdict.recordErrors ?? []).map(({ batchIndex, message }) => ({
        batchIndex,
        batchIndexErrorMessage: message,
      })),
    };
  }
  const [batch] = verdict.batches;
  // Only the old formats can bring nothing at all.
  if (batch === undefined) return { index, errorCode: ErrorCode.NONE, baseOffset: -1n };
  const logAppendTimeMs = values.messageTimestampType === 'LogAppendTime' ? BigInt(nowMs) : -1n;
  const header = readBatchHeader(batch);
  const append = services.directory
    .partition(partitionKey(topic.id, index))
    .ask('append', { batch, header, logAppendTimeMs }, context.trace);
  return settle(index, topic, header, append, context, services);
}

async function settle(
  index: number,
  topic: Topic,
  header: BatchHeader,
  append: Promise<AppendReply>,
  { apiVersion }: RequestContext,
  services: Services,
): Promise<PartitionResponse> {
  try {
    const { errorCode, errorMessage, baseOffset, logAppendTimeMs, logStartOffset } = await append;
    if (errorCode !== ErrorCode.NONE) return refused(index, errorCode, errorMessage ?? null);
    return { index, errorCode, baseOffset, logAppendTimeMs, logStartOffset };
  } catch (fault) {
    const errorCode = errorCodeOf(fault, 'partition');
    services.refusedBatches.note(partitionKey(topic.id, index), header);
    services.logger.log('warn', 'append failed', { topic: topic.name, partition: index, errorCode, error: fault });
    const message = fault instanceof Error ? fault.message : null;
    const moved = errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER && apiVersion >= LEADER_VERSION;
    if (!moved) return refused(index, errorCode, message);
    return { ...refused(index, errorCode, message), currentLeader: currentLeader(topic, index, services) };
  }
}
