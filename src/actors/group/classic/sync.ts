// SyncGroup: the leader hands in the assignment, which is stored and then given to every member.

import { ErrorCode } from '../../../protocol/errors.ts';
import type { SyncReply, SyncRequest } from '../protocol.ts';
import { emptyAssignment, type Member } from './member.ts';
import { prepareRebalance } from './rebalance.ts';
import { checkMember, renewSession } from './sessions.ts';
import { answerSync, type ClassicContext, syncError } from './turn.ts';

/** @returns the answer, or undefined when the ask waits or has been answered already */
export function sync(context: ClassicContext, request: SyncRequest): SyncReply | undefined {
  const { group, turn } = context;
  if (group.state === 'Empty') return syncError(ErrorCode.UNKNOWN_MEMBER_ID);
  const errorCode = checkSync(context, request);
  if (errorCode !== ErrorCode.NONE) return syncError(errorCode);
  if (group.state === 'PreparingRebalance') return syncError(ErrorCode.REBALANCE_IN_PROGRESS);

  const member = group.members.get(request.memberId) as Member;
  group.pendingSync.delete(member.memberId);
  if (group.pendingSync.size === 0) turn.stopTimer('sync');
  if (group.state === 'Stable') return assigned(context, member);

  if (member.awaitingSync !== undefined) answerSync(context, member, syncError(ErrorCode.REBALANCE_IN_PROGRESS));
  member.awaitingSync = turn.replyTo;
  if (group.isLeader(member.memberId)) assign(context, request);
  return undefined;
}

function checkSync(context: ClassicContext, request: SyncRequest): number {
  const { group } = context;
  const errorCode = checkMember(context, request.memberId, request.groupInstanceId);
  if (errorCode !== ErrorCode.NONE) return errorCode;
  if (request.generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  const differs = (said: string | null, held: string | null): boolean =>
    said !== null && held !== null && said !== held;
  return differs(request.protocolType, group.protocolType) || differs(request.protocolName, group.protocolName)
    ? ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    : ErrorCode.NONE;
}

/** The replies leave when the generation is durable: no member acts on an assignment that a restart would forget. */
function assign(context: ClassicContext, request: SyncRequest): void {
  const { group, turn, limits } = context;
  const assignments = new Map(request.assignments.map(({ memberId, assignment }) => [memberId, assignment]));
  for (const member of group.members.values()) {
    const assignment = assignments.get(member.memberId);
    member.assignment = assignment === undefined ? emptyAssignment : Buffer.from(assignment);
  }
  if (generationBytes(context) > limits.batchBytesMax) {
    turn.log('error', 'assignment too large to be stored', { members: group.members.size });
    for (const member of group.members.values()) {
      member.assignment = emptyAssignment;
      if (answerSync(context, member, syncError(ErrorCode.UNKNOWN_SERVER_ERROR))) renewSession(context, member);
    }
    prepareRebalance(context, 'the assignment is larger than message.max.bytes');
    return;
  }
  // Kafka's record of the generation bears the time at which the join phase ended.
  const generation = group.toStored();
  group.transitionTo('Stable', turn.nowMs);
  turn.record({ kind: 'generationStored', generation });
  turn.log('info', 'group is stable', { generationId: group.generationId, members: group.members.size });
  for (const member of group.members.values()) {
    if (answerSync(context, member, assigned(context, member))) renewSession(context, member);
  }
}

/** About what the record of this generation takes. */
function generationBytes({ group }: ClassicContext): number {
  let bytes = 100;
  for (const { memberId, clientId, protocols, assignment } of group.members.values()) {
    const metadata = protocols.find(({ name }) => name === group.protocolName)?.metadata;
    bytes += 100 + memberId.length + clientId.length + (metadata?.length ?? 0) + assignment.length;
  }
  return bytes;
}

function assigned({ group }: ClassicContext, member: Member): SyncReply {
  return {
    errorCode: ErrorCode.NONE,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    assignment: member.assignment,
  };
}
