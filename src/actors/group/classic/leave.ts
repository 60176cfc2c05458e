// LeaveGroup: members that say good-bye, or that an administrator takes out by their instance ids (KIP-345).

import { ErrorCode } from '../../../protocol/errors.ts';
import type { LeaveReply, LeaveRequest } from '../protocol.ts';
import type { Member } from './member.ts';
import { completeJoinIfAllJoined, prepareRebalance } from './rebalance.ts';
import { checkMember, dropMember } from './sessions.ts';
import type { ClassicContext } from './turn.ts';

export function leave(context: ClassicContext, request: LeaveRequest): LeaveReply {
  const { group, turn } = context;
  const members = request.members.map(({ memberId, groupInstanceId, reason }) => {
    const errorCode = leaveOne(context, memberId, groupInstanceId);
    if (errorCode === ErrorCode.NONE) turn.log('debug', 'member left', { memberId, groupInstanceId, reason });
    return { memberId, groupInstanceId, errorCode };
  });
  if (members.some(({ errorCode }) => errorCode === ErrorCode.NONE)) {
    if (group.state === 'PreparingRebalance') completeJoinIfAllJoined(context);
    else if (group.state !== 'Empty') prepareRebalance(context, 'members left');
  }
  return { errorCode: ErrorCode.NONE, members };
}

function leaveOne(context: ClassicContext, memberId: string, groupInstanceId: string | null): number {
  const { group } = context;
  if (memberId === '') {
    const id = groupInstanceId === null ? undefined : group.staticMembers.get(groupInstanceId);
    if (id === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    dropMember(context, group.members.get(id) as Member);
    return ErrorCode.NONE;
  }
  if (group.pendingMembers.has(memberId)) {
    group.remove(memberId);
    return ErrorCode.NONE;
  }
  const errorCode = checkMember(context, memberId, groupInstanceId);
  if (errorCode === ErrorCode.NONE) dropMember(context, group.members.get(memberId) as Member);
  return errorCode;
}
