// CreateTopics: each topic of the request by itself; one that fails does not hold back another.

import type { createTopics } from '../../../protocol/apis/create-topics.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { assignedShape } from '../../admin/assignments.ts';
import { describeTopicConfigs } from '../../admin/topic-configs.ts';
import { CLUSTER_METADATA } from '../../admin/topic-names.ts';
import type { TopicCreation, TopicOutcome } from '../../admin/topics.ts';
import { TIMED_OUT, withinMs } from '../deadline.ts';
import { errorCodeOf } from '../faults.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof createTopics>;
type Response = ResponseOf<typeof createTopics>;
type Creatable = Request['topics'][number];
type TopicAnswer = Response['topics'][number];

export async function handleCreateTopics(
  request: Request,
  _context: RequestContext,
  services: Services,
): Promise<Response> {
  const asked = new Map<string, Creatable[]>();
  for (const topic of request.topics) asked.set(topic.name, [...(asked.get(topic.name) ?? []), topic]);
  const topics = await Promise.all(
    [...asked].map(async ([name, [topic, ...others]]): Promise<TopicAnswer> => {
      if (others.length > 0) return failure(name, ErrorCode.INVALID_REQUEST, 'Duplicate topic name.');
      if (name === CLUSTER_METADATA) {
        return failure(name, ErrorCode.INVALID_REQUEST, `Creation of internal topic ${name} is prohibited.`);
      }
      const creating = createOne(topic!, request.validateOnly, services);
      const answer = await withinMs(services.clock, request.timeoutMs, creating);
      return answer === TIMED_OUT ? failure(name, ErrorCode.REQUEST_TIMED_OUT) : answer;
    }),
  );
  return { throttleTimeMs: 0, topics };
}

async function createOne(creatable: Creatable, validateOnly: boolean, services: Services): Promise<TopicAnswer> {
  const { name } = creatable;
  try {
    const creation = creationOf(creatable, validateOnly, services);
    const { errorCode, errorMessage, topic } =
      'errorCode' in creation ? creation : await services.topics.create(creation);
    if (errorCode !== ErrorCode.NONE || topic === undefined) return failure(name, errorCode, errorMessage);
    return {
      name,
      // Kafka answers the id of a topic that is only validated, too.
      topicId: topic.id,
      errorCode,
      errorMessage: null,
      numPartitions: topic.partitionCount,
      replicationFactor: topic.replicationFactor,
      configs: describeTopicConfigs(topic.configs, services.config).sort((left, right) =>
        left.name < right.name ? -1 : 1,
      ),
    };
  } catch (fault) {
    services.logger.log('warn', 'topic not created', { topic: name, error: fault });
    return failure(name, errorCodeOf(fault, 'broker'));
  }
}

function creationOf(creatable: Creatable, validateOnly: boolean, services: Services): TopicCreation | TopicOutcome {
  const { name, numPartitions, replicationFactor, assignments } = creatable;
  const nulls = creatable.configs.filter(({ value }) => value === null).map((config) => config.name);
  const configs = new Map(creatable.configs.map((config) => [config.name, config.value ?? '']));
  const creation: TopicCreation = {
    name,
    partitionCount: numPartitions,
    replicationFactor,
    configs,
    nullConfigs: nulls,
    validateOnly,
  };
  if (assignments.length === 0) return creation;
  // Whatever is wrong with the name or the configs is told first, as by Kafka.
  const problem = services.topics.problemOf({ ...creation, partitionCount: -1, replicationFactor: 1 });
  if (problem !== undefined) return problem;
  const subject = 'A manual partition assignment was specified, but';
  if (replicationFactor !== -1) return invalidRequest(`${subject} replication factor was not set to -1.`);
  if (numPartitions !== -1) return invalidRequest(`${subject} numPartitions was not set to -1.`);
  const shape = assignedShape(assignments, services.view);
  return 'errorCode' in shape ? shape : { ...creation, ...shape };
}

function invalidRequest(errorMessage: string): TopicOutcome {
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
}

function failure(name: string, errorCode: number, errorMessage: string | null = null): TopicAnswer {
  return { name, errorCode, errorMessage, configs: [] };
}
