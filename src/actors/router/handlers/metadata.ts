// Metadata: where everything is. Names the cluster's nodes by the addresses of the listener that the client came in by,
// and the asked topics with the owners of their partitions; creates a topic that is asked for, if it may.

import type { metadata } from '../../../protocol/apis/metadata.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED, TOPIC_OPERATIONS } from '../../admin/authorized-operations.ts';
import type { Topic } from '../../admin/catalog.ts';
import { isInternalTopic } from '../../admin/internal-topics.ts';
import { brokersOf, type PartitionPlace, Placement } from '../../admin/placement.ts';
import { ZERO_TOPIC_ID } from '../../admin/topic-ids.ts';
import { topicNameProblem } from '../../admin/topic-names.ts';
import { errorCodeOf } from '../faults.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof metadata>;
type Response = ResponseOf<typeof metadata>;
type TopicAnswer = NonNullable<Response['topics']>[number];

/** First version in which a topic may be asked for by its id. */
const topicIdsSince = 12;

export async function handleMetadata(request: Request, context: RequestContext, services: Services): Promise<Response> {
  const { view, shards, catalog, config } = services;
  const { apiVersion: version, listener } = context;
  const answer = (topics: TopicAnswer[], errorCode: number = ErrorCode.NONE): Response => ({
    throttleTimeMs: 0,
    brokers: brokersOf(view, listener),
    clusterId: view.clusterId,
    controllerId: view.members.length === 0 ? -1 : view.controllerId,
    topics,
    clusterAuthorizedOperations:
      version >= 8 && version <= 10 && request.includeClusterAuthorizedOperations
        ? CLUSTER_OPERATIONS
        : OPERATIONS_NOT_ASKED,
    errorCode,
  });
  const { topics: asked } = request;
  // Kafka has ids from version 12 on, though versions 10 and 11 have room for them.
  const invalid = asked?.some(({ name, topicId }) =>
    version < topicIdsSince ? name === null || topicId !== ZERO_TOPIC_ID : name === null && topicId === ZERO_TOPIC_ID,
  );
  if (invalid) {
    const refused = asked!.map(({ name, topicId }) => failure(ErrorCode.INVALID_REQUEST, name ?? '', topicId));
    return answer(refused, ErrorCode.INVALID_REQUEST);
  }
  const placement = new Placement(view, shards, listener);
  // Told of a topic that does not exist as well: nobody is forbidden to make it.
  const topicAuthorizedOperations = request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : OPERATIONS_NOT_ASKED;
  const describe = (topic: Topic): TopicAnswer => ({
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions: Array.from({ length: topic.partitionCount }, (_, index) =>
      answerPartition(placement.partition(topic, index), version),
    ),
    topicAuthorizedOperations,
  });
  // An empty list means all topics in version 0 and none later, where null means all.
  if (asked === null || (version === 0 && asked.length === 0)) return answer([...catalog.all()].map(describe));

  const ids = new Set(asked.map(({ topicId }) => topicId).filter((id) => id !== ZERO_TOPIC_ID));
  if (ids.size > 0) {
    return answer(
      [...ids].map((id) => {
        const topic = catalog.byId(id);
        return topic === undefined ? failure(ErrorCode.UNKNOWN_TOPIC_ID, null, id) : describe(topic);
      }),
    );
  }
  const mayCreate = config.autoCreateTopicsEnable && request.allowAutoTopicCreation;
  const names = new Set(asked.map(({ name }) => name!));
  const answers = [...names].map((name) => {
    const topic = catalog.byName(name);
    if (topic !== undefined) return describe(topic);
    if (topicNameProblem(name) !== undefined) return failure(ErrorCode.INVALID_TOPIC_EXCEPTION, name);
    return mayCreate ? create(name, services, describe) : failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name);
  });
  const told = await Promise.all(answers);
  return answer(told.map((topic) => ({ ...topic, topicAuthorizedOperations })));
}

/**
 * Creates the topic and describes it at once. Kafka answers UNKNOWN_TOPIC_OR_PARTITION and lets the client ask again,
 * because there the creation takes longer than the request; clients take the finished topic just as well.
 */
async function create(name: string, services: Services, describe: (topic: Topic) => TopicAnswer): Promise<TopicAnswer> {
  const { topics, catalog, logger } = services;
  try {
    const outcome = await (isInternalTopic(name) ? topics.ensureInternal(name) : topics.create({ name }));
    const topic = outcome.topic ?? catalog.byName(name);
    if (topic !== undefined) return describe(topic);
    // Somebody else has created it, and this node is about to hear of it.
    const { errorCode } = outcome;
    if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) {
      return failure(ErrorCode.LEADER_NOT_AVAILABLE, name);
    }
    return failure(errorCode, name);
  } catch (fault) {
    logger.log('warn', 'topic not created on demand', { topic: name, error: fault });
    return failure(errorCodeOf(fault, 'broker'), name);
  }
}

function answerPartition(place: PartitionPlace, version: number) {
  // Up to version 5 a missing listener is LEADER_NOT_AVAILABLE too.
  return place.errorCode === ErrorCode.LISTENER_NOT_FOUND && version < 6
    ? { ...place, errorCode: ErrorCode.LEADER_NOT_AVAILABLE }
    : place;
}

function failure(errorCode: number, name: string | null, topicId = ZERO_TOPIC_ID): TopicAnswer {
  return { errorCode, name, topicId, isInternal: name !== null && isInternalTopic(name), partitions: [] };
}
