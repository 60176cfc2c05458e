// OffsetDelete: a group's offsets of topics that it does not read any more (KIP-496).

import type { offsetDelete } from '../../../protocol/apis/offset-delete.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { askGroup, GroupUnavailable } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

type Response = ResponseOf<typeof offsetDelete>;

export async function handleOffsetDelete(
  { groupId, topics: asked }: RequestOf<typeof offsetDelete>,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  if (groupId === '') return { errorCode: ErrorCode.INVALID_GROUP_ID, throttleTimeMs: 0, topics: [] };
  const known: { name: string; partitionIndexes: number[] }[] = [];
  for (const { name, partitions } of asked) {
    const count = services.catalog.byName(name)?.partitionCount ?? 0;
    const indexes = partitions.map(({ partitionIndex }) => partitionIndex);
    const partitionIndexes = indexes.filter((index) => index >= 0 && index < count);
    if (partitionIndexes.length > 0) known.push({ name, partitionIndexes });
  }
  const reply = await askGroup(services, context, groupId, 'deleteOffsets', { topics: known });
  if (reply instanceof GroupUnavailable || reply.errorCode !== ErrorCode.NONE) {
    return { errorCode: reply.errorCode, throttleTimeMs: 0, topics: [] };
  }
  const answers = new Map(
    reply.topics.map(({ name, partitions }) => [
      name,
      new Map(partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode])),
    ]),
  );
  const topics = asked.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode: answers.get(name)?.get(partitionIndex) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    })),
  }));
  return { errorCode: ErrorCode.NONE, throttleTimeMs: 0, topics };
}
