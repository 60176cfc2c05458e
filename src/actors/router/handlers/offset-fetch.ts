// OffsetFetch: committed offsets of a group, or of several from version 8 on (KIP-709). Topics come by name, from
// version 10 on by id.

import type { offsetFetch } from '../../../protocol/apis/offset-fetch.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { ZERO_TOPIC_ID } from '../../admin/topic-ids.ts';
import type { OffsetsRequest } from '../../group/protocol.ts';
import { askGroup, GroupUnavailable } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof offsetFetch>;
type Response = ResponseOf<typeof offsetFetch>;
type AskedGroup = Request['groups'][number];
type AnsweredGroup = NonNullable<Response['groups']>[number];
type AnsweredTopic = NonNullable<AnsweredGroup['topics']>[number];

/** First version with an error code for the whole group. */
const groupErrorSince = 2;
/** First version for several groups. */
const severalGroupsSince = 8;
/** First version that names topics by their ids. */
const topicIdsSince = 10;

export async function handleOffsetFetch(
  request: Request,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  if (context.apiVersion >= severalGroupsSince) {
    const groups = request.groups.map((group) => fetchGroup(group, request.requireStable, context, services));
    return { throttleTimeMs: 0, groups: await Promise.all(groups) };
  }
  const { groupId, topics } = request;
  const asked =
    topics?.map(({ name, partitionIndexes }) => ({ name, topicId: ZERO_TOPIC_ID, partitionIndexes })) ?? null;
  const group = await fetchGroup(
    { groupId, memberId: null, memberEpoch: -1, topics: asked },
    request.requireStable,
    context,
    services,
  );
  return {
    throttleTimeMs: 0,
    errorCode: group.errorCode ?? ErrorCode.NONE,
    topics: (group.topics ?? []).map(({ name = '', partitions }) => ({ name, partitions })),
  };
}

async function fetchGroup(
  { groupId, memberId, memberEpoch, topics: asked }: AskedGroup,
  requireStable: boolean,
  context: RequestContext,
  services: Services,
): Promise<AnsweredGroup> {
  const byId = context.apiVersion >= topicIdsSince;
  const { catalog } = services;
  const unknown: AnsweredTopic[] = [];
  let topics: OffsetsRequest['topics'] = null;
  if (asked !== null) {
    topics = asked.flatMap(({ name, topicId, partitionIndexes }) => {
      const topic = byId ? catalog.byId(topicId) : undefined;
      if (!byId) return [{ name, topicId: catalog.byName(name)?.id ?? ZERO_TOPIC_ID, partitionIndexes }];
      if (topic !== undefined) return [{ name: topic.name, topicId, partitionIndexes }];
      unknown.push(failed(name, topicId, partitionIndexes, ErrorCode.UNKNOWN_TOPIC_ID));
      return [];
    });
  }
  const reply = await askGroup(services, context, groupId, 'fetchOffsets', {
    topics,
    requireStable,
    memberId,
    memberEpoch,
  });
  if (reply.errorCode !== ErrorCode.NONE || reply instanceof GroupUnavailable) {
    if (context.apiVersion >= groupErrorSince) return { groupId, topics: [], errorCode: reply.errorCode };
    // Before that each partition bears the group's error.
    return {
      groupId,
      topics: (asked ?? []).map((topic) => failed(topic.name, topic.topicId, topic.partitionIndexes, reply.errorCode)),
    };
  }
  const known = reply.topics.map((topic) =>
    topic.topicId === ZERO_TOPIC_ID ? { ...topic, topicId: catalog.byName(topic.name)?.id ?? ZERO_TOPIC_ID } : topic,
  );
  // Without a name in the response, a topic that has no id any more cannot be told.
  const tellable = byId ? known.filter(({ topicId }) => topicId !== ZERO_TOPIC_ID) : known;
  return { groupId, topics: [...tellable, ...unknown], errorCode: ErrorCode.NONE };
}

function failed(name: string, topicId: string, partitionIndexes: readonly number[], errorCode: number): AnsweredTopic {
  return {
    name,
    topicId,
    partitions: partitionIndexes.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: -1n,
      committedLeaderEpoch: -1,
      metadata: '',
      errorCode,
    })),
  };
}
