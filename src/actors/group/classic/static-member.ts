// A static member that has restarted (KIP-345): it comes without a member id but with the instance id of a member, takes
// over that member's place and assignment, and fences its former incarnation. In a Stable group this needs no rebalance
// as long as the group keeps its protocol.

import { ErrorCode } from '../../../protocol/errors.ts';
import type { JoinReply, JoinRequest } from '../protocol.ts';
import { keepProtocols, type Member } from './member.ts';
import { completeJoinIfAllJoined, joinedReply, prepareRebalance } from './rebalance.ts';
import { renewSession } from './sessions.ts';
import { answerJoin, answerSync, awaitJoin, type ClassicContext, joinError, syncError } from './turn.ts';

export function replaceStaticMember(
  context: ClassicContext,
  request: JoinRequest,
  former: Member,
  memberId: string,
): JoinReply | undefined {
  const { group, turn } = context;
  const formerLeader = group.leaderId ?? '';
  answerJoin(context, former, joinError(ErrorCode.FENCED_INSTANCE_ID, former.memberId));
  answerSync(context, former, syncError(ErrorCode.FENCED_INSTANCE_ID));
  const member = group.replace(former, memberId);
  group.setProtocols(member, keepProtocols(request.protocols));
  member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
  member.sessionTimeoutMs = request.sessionTimeoutMs;
  renewSession(context, member);
  turn.log('info', 'static member restarted', { groupInstanceId: member.groupInstanceId, memberId });

  if (group.state === 'Stable' && group.selectProtocol() === group.protocolName) {
    turn.record({ kind: 'generationStored', generation: group.toStored() });
    const isLeader = group.isLeader(memberId);
    if (request.skipAssignmentSupported) return { ...joinedReply(group, memberId), skipAssignment: isLeader };
    // Told that its former self leads, a client that cannot skip the assignment (before KIP-814) takes itself for a
    // follower and fetches the assignment that holds.
    return { ...joinedReply(group, memberId), leader: formerLeader, members: [] };
  }
  awaitJoin(context, member, joinError(ErrorCode.REBALANCE_IN_PROGRESS, memberId));
  // In CompletingRebalance the leader may be assigning to the former member id at this moment.
  if (group.state !== 'PreparingRebalance') prepareRebalance(context, `static member ${memberId} takes its place`);
  else completeJoinIfAllJoined(context);
  return undefined;
}
