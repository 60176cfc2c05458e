// DescribeTopicPartitions (KIP-966): topics and their partitions in pages. Topics come in the order of their names; a page
// holds so many partitions, and the cursor names the first one that did not fit.

import type { describeTopicPartitions } from '../../../protocol/apis/describe-topic-partitions.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { TOPIC_OPERATIONS } from '../../admin/authorized-operations.ts';
import type { Topic } from '../../admin/catalog.ts';
import { isInternalTopic } from '../../admin/internal-topics.ts';
import { Placement } from '../../admin/placement.ts';
import { ZERO_TOPIC_ID } from '../../admin/topic-ids.ts';
import { topicNameProblem } from '../../admin/topic-names.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof describeTopicPartitions>;
type Response = ResponseOf<typeof describeTopicPartitions>;
type TopicAnswer = Response['topics'][number];

export function handleDescribeTopicPartitions(request: Request, context: RequestContext, services: Services): Response {
  const { cursor } = request;
  const everything = request.topics.length === 0;
  const from = cursor?.topicName ?? '';
  const asked = everything ? [...services.catalog.all()] : request.topics;
  // Names are compared by their UTF-16 code units, as Java does.
  const names = [...new Set(asked.map(({ name }) => name))].filter((name) => name >= from).sort();
  const misplaced = cursor !== null && ((!everything && !names.includes(from)) || cursor.partitionIndex < 0);
  if (misplaced) return refusal(request);

  const placement = new Placement(services.view, services.shards, context.listener);
  let remaining = Math.max(Math.min(services.config.maxRequestPartitionSizeLimit, request.responsePartitionLimit), 1);
  const topics: TopicAnswer[] = [];
  for (const name of names) {
    if (remaining === 0) return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: 0 } };
    const topic = services.catalog.byName(name);
    if (topic === undefined) {
      // In a listing of all topics there is nobody to tell that one is gone.
      if (!everything) topics.push(failure(name));
      continue;
    }
    const first = cursor !== null && name === from ? cursor.partitionIndex : 0;
    const end = Math.min(topic.partitionCount, first + remaining);
    topics.push(describe(topic, first, end, placement));
    if (end < topic.partitionCount) {
      return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: end } };
    }
    remaining -= Math.max(0, end - first);
  }
  return { throttleTimeMs: 0, topics, nextCursor: null };
}

function describe(topic: Topic, first: number, end: number, placement: Placement): TopicAnswer {
  const partitions = [];
  for (let index = first; index < end; index++) {
    // Kafka leaves the error of a partition without a leader out of this answer.
    const place = placement.partition(topic, index);
    partitions.push({ ...place, errorCode: ErrorCode.NONE, eligibleLeaderReplicas: [], lastKnownElr: [] });
  }
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions,
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

function failure(name: string): TopicAnswer {
  return {
    errorCode:
      topicNameProblem(name) === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION,
    name,
    topicId: ZERO_TOPIC_ID,
    isInternal: isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

/** A cursor that belongs to no page of this request; there is no place for the error but the topics. */
function refusal(request: Request): Response {
  const topics = request.topics.map(({ name }) => ({
    errorCode: ErrorCode.INVALID_REQUEST,
    name,
    topicId: ZERO_TOPIC_ID,
    partitions: [],
  }));
  return { throttleTimeMs: 0, topics, nextCursor: null };
}
