// OffsetCommit: stores offsets of a group. Topics come by name, from version 10 on by id; those that exist go to the
// group's actor, the others are answered here.

import type { offsetCommit } from '../../../protocol/apis/offset-commit.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import type { Topic } from '../../admin/catalog.ts';
import type { CommitReply, CommitRequest } from '../../group/protocol.ts';
import { askGroup, GroupUnavailable } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof offsetCommit>;
type Response = ResponseOf<typeof offsetCommit>;
type AskedTopic = Request['topics'][number];

/** First version that names topics by their ids. */
const topicIdsSince = 10;

export async function handleOffsetCommit(
  request: Request,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const byId = context.apiVersion >= topicIdsSince;
  const { catalog } = services;
  const found = request.topics.map((asked) => (byId ? catalog.byId(asked.topicId) : catalog.byName(asked.name)));
  const topics: CommitRequest['topics'][number][] = [];
  request.topics.forEach(({ partitions }, i) => {
    const topic = found[i];
    if (topic === undefined) return;
    const existing = partitions.every((partition) => exists(topic, partition.partitionIndex))
      ? partitions
      : partitions.filter((partition) => exists(topic, partition.partitionIndex));
    if (existing.length > 0) topics.push({ name: topic.name, topicId: topic.id, partitions: existing });
  });
  const reply =
    topics.length === 0
      ? nothingCommitted
      : await askGroup(services, context, request.groupId, 'commitOffsets', {
          memberId: request.memberId,
          groupInstanceId: request.groupInstanceId,
          generationId: request.generationIdOrMemberEpoch,
          retentionTimeMs: request.retentionTimeMs,
          apiVersion: context.apiVersion,
          topics,
        });
  const answers = request.topics.map((asked, i) => answer(asked, found[i], byId, reply));
  return { throttleTimeMs: 0, topics: answers };
}

const nothingCommitted: CommitReply = { errorCode: ErrorCode.NONE, refused: [] };

function exists(topic: Topic, index: number): boolean {
  return index >= 0 && index < topic.partitionCount;
}

function answer(
  { name, topicId, partitions }: AskedTopic,
  topic: Topic | undefined,
  byId: boolean,
  reply: CommitReply | GroupUnavailable,
): Response['topics'][number] {
  const refused = reply instanceof GroupUnavailable ? nothingCommitted.refused : reply.refused;
  const codeOf = (index: number): number => {
    if (topic === undefined) return byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (!exists(topic, index)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (refused.length === 0) return reply.errorCode;
    const refusal = refused.find((one) => one.topic === topic.name && one.partitionIndex === index);
    return refusal?.errorCode ?? reply.errorCode;
  };
  return {
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: codeOf(partitionIndex) })),
  };
}
