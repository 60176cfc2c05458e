// Committed offsets of one group: who may commit, what is kept, and when it goes (KIP-211): while a consumer group lives,
// only the offsets of topics that it no longer reads grow old; once it is empty, all do, from then on; a group that never
// had members lives on its commits.

import { ErrorCode } from '../../protocol/errors.ts';
import type { ClassicGroup } from './classic/classic-group.ts';
import { checkMember, renewSession } from './classic/sessions.ts';
import type { ClassicContext } from './classic/turn.ts';
import type { GroupLimits } from './limits.ts';
import type {
  CommitReply,
  CommitRequest,
  DeleteOffsetsReply,
  DeleteOffsetsRequest,
  FetchedPartition,
  OffsetsReply,
  OffsetsRequest,
} from './protocol.ts';
import { type CommittedOffset, type GroupState, zeroUuid } from './state.ts';

const nothingRefused: CommitReply['refused'] = [];

export function commitOffsets(context: ClassicContext, state: GroupState, request: CommitRequest): CommitReply {
  const { turn, limits } = context;
  const errorCode = checkCommit(context, state, request);
  if (errorCode !== ErrorCode.NONE) return { errorCode, refused: nothingRefused };
  if (!fitsBatch(state.groupId, request, limits)) {
    return { errorCode: ErrorCode.INVALID_COMMIT_OFFSET_SIZE, refused: nothingRefused };
  }
  const nowMs = BigInt(turn.nowMs);
  const expireTimestampMs = request.retentionTimeMs < 0n ? -1n : nowMs + request.retentionTimeMs;
  let refused: CommitReply['refused'][number][] | undefined;
  for (const { name: topic, topicId, partitions } of request.topics) {
    for (const partition of partitions) {
      const { partitionIndex, committedMetadata, commitTimestamp } = partition;
      if (committedMetadata !== null && committedMetadata.length > limits.offsetMetadataLengthMax) {
        refused ??= [];
        refused.push({ topic, partitionIndex, errorCode: ErrorCode.OFFSET_METADATA_TOO_LARGE });
        continue;
      }
      const offset: CommittedOffset = {
        offset: partition.committedOffset,
        leaderEpoch: partition.committedLeaderEpoch,
        metadata: committedMetadata ?? '',
        commitTimestampMs: commitTimestamp === undefined || commitTimestamp === -1n ? nowMs : commitTimestamp,
        expireTimestampMs,
        topicId,
      };
      turn.record({ kind: 'offsetCommitted', topic, partitionIndex, offset });
    }
  }
  return { errorCode: ErrorCode.NONE, refused: refused ?? nothingRefused };
}

/** Kafka: OffsetMetadataManager.validateOffsetCommit, ClassicGroup.validateOffsetCommit. */
function checkCommit(context: ClassicContext, state: GroupState, request: CommitRequest): number {
  const { group } = context;
  const { memberId, groupInstanceId, generationId } = request;
  if (generationId < 0 && group.state === 'Empty') return ErrorCode.NONE;
  if (!state.exists) {
    return request.apiVersion >= 9 ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.ILLEGAL_GENERATION;
  }
  if (generationId >= 0 || memberId !== '' || groupInstanceId !== null) {
    const errorCode = checkMember(context, memberId, groupInstanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    if (generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  } else return ErrorCode.UNKNOWN_MEMBER_ID;
  // The member knows this generation but not yet its assignment: what it commits belongs to the one before.
  if (group.state === 'CompletingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS;
  const member = group.members.get(memberId);
  if (member !== undefined) renewSession(context, member);
  return ErrorCode.NONE;
}

/** A request's records are one batch of the log, which like any other has to keep to message.max.bytes. */
function fitsBatch(groupId: string, { topics }: CommitRequest, { batchBytesMax }: GroupLimits): boolean {
  let bytes = 0;
  for (const { name, partitions } of topics) {
    const keyBytes = recordBytes + groupId.length + name.length;
    for (const { committedMetadata } of partitions) bytes += keyBytes + (committedMetadata?.length ?? 0);
  }
  return bytes <= batchBytesMax;
}

/** About what the record of an offset takes besides its strings. */
const recordBytes = 64;

const nothingCommitted = { committedOffset: -1n, committedLeaderEpoch: -1, metadata: '', errorCode: ErrorCode.NONE };

/** Unknown groups and partitions have no offset, which is no error (Kafka: OffsetMetadataManager.fetchOffsets). */
export function fetchOffsets(state: GroupState, request: OffsetsRequest): OffsetsReply {
  if (request.topics === null) {
    const topics = [...state.offsets].map(([name, partitions]) => ({
      name,
      topicId: zeroUuid,
      partitions: [...partitions].map(([partitionIndex, offset]) => fetched(partitionIndex, offset)),
    }));
    return { errorCode: ErrorCode.NONE, topics };
  }
  const topics = request.topics.map(({ name, topicId, partitionIndexes }) => {
    const held = state.offsets.get(name);
    const partitions = partitionIndexes.map((partitionIndex) => {
      const offset = held?.get(partitionIndex);
      const isHeir = offset !== undefined && !mayBeSameTopic(offset.topicId, topicId);
      return offset === undefined || isHeir ? { partitionIndex, ...nothingCommitted } : fetched(partitionIndex, offset);
    });
    return { name, topicId, partitions };
  });
  return { errorCode: ErrorCode.NONE, topics };
}

function fetched(partitionIndex: number, offset: CommittedOffset): FetchedPartition {
  return {
    partitionIndex,
    committedOffset: offset.offset,
    committedLeaderEpoch: offset.leaderEpoch,
    metadata: offset.metadata,
    errorCode: ErrorCode.NONE,
  };
}

/** A topic that was deleted and made again under the same name is another topic. */
function mayBeSameTopic(committed: string, asked: string): boolean {
  return committed === asked || committed === zeroUuid || asked === zeroUuid;
}

export function deleteOffsets(
  context: ClassicContext,
  state: GroupState,
  request: DeleteOffsetsRequest,
): DeleteOffsetsReply {
  const { group, turn } = context;
  if (!state.exists) return { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, topics: [] };
  // What a live group of another protocol type reads cannot be known.
  if (group.state !== 'Empty' && !group.usesConsumerProtocol)
    return { errorCode: ErrorCode.NON_EMPTY_GROUP, topics: [] };
  const topics = request.topics.map(({ name, partitionIndexes }) => {
    const errorCode = group.isSubscribedTo(name) ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE;
    for (const partitionIndex of errorCode === ErrorCode.NONE ? partitionIndexes : []) {
      if (!state.offsets.get(name)?.has(partitionIndex)) continue;
      turn.record({ kind: 'offsetRemoved', topic: name, partitionIndex });
    }
    return { name, partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, errorCode })) };
  });
  return { errorCode: ErrorCode.NONE, topics };
}

/** @returns how many offsets went */
export function removeTopicOffsets(
  { turn }: ClassicContext,
  state: GroupState,
  topic: string,
  topicId: string,
): number {
  let removed = 0;
  for (const [partitionIndex, offset] of state.offsets.get(topic) ?? []) {
    if (!mayBeSameTopic(offset.topicId, topicId)) continue;
    turn.record({ kind: 'offsetRemoved', topic, partitionIndex });
    removed++;
  }
  return removed;
}

/** Calls `onExpired` for each offset whose time is over. @returns whether no offset is left after that */
export function forEachExpiredOffset(
  group: ClassicGroup,
  state: GroupState,
  nowMs: number,
  retentionMs: number,
  onExpired: (topic: string, partitionIndex: number) => void,
): boolean {
  const since = retentionBase(group);
  if (since === undefined) return state.offsets.size === 0;
  let allExpired = true;
  for (const [topic, partitions] of state.offsets) {
    const subscribed = group.isSubscribedTo(topic);
    for (const [partitionIndex, offset] of partitions) {
      if (!subscribed && isExpired(offset, since(offset), BigInt(nowMs), BigInt(retentionMs))) {
        onExpired(topic, partitionIndex);
      } else allExpired = false;
    }
  }
  return allExpired;
}

/** From when on an offset's retention counts; undefined: it does not run at present. */
function retentionBase(group: ClassicGroup): ((offset: CommittedOffset) => bigint) | undefined {
  const sinceCommit = (offset: CommittedOffset): bigint => offset.commitTimestampMs;
  if (group.protocolType === null) return sinceCommit;
  if (group.state === 'Empty') return group.stateTimestampMs < 0n ? sinceCommit : () => group.stateTimestampMs;
  const subscriptionKnown = group.usesConsumerProtocol && group.subscribedTopics !== undefined;
  return subscriptionKnown && group.state === 'Stable' ? sinceCommit : undefined;
}

function isExpired(offset: CommittedOffset, sinceMs: bigint, nowMs: bigint, retentionMs: bigint): boolean {
  return offset.expireTimestampMs >= 0n ? nowMs >= offset.expireTimestampMs : nowMs - sinceMs >= retentionMs;
}
