// Heartbeat: a member shows that it lives and learns whether it has to join again; and what becomes of the silent ones.

import { ErrorCode } from '../../../protocol/errors.ts';
import { sessionReadMs, sessionTimerLateMs } from '../limits.ts';
import type { HeartbeatRequest } from '../protocol.ts';
import type { Member } from './member.ts';
import { completeJoin, prepareRebalanceOrCompleteJoin } from './rebalance.ts';
import { checkMember, dropMember, renewSession, watchDeadline } from './sessions.ts';
import type { ClassicContext } from './turn.ts';

export function heartbeat(context: ClassicContext, request: HeartbeatRequest): number {
  const { group } = context;
  const errorCode = checkMember(context, request.memberId, request.groupInstanceId);
  if (errorCode !== ErrorCode.NONE) return errorCode;
  if (request.generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  renewSession(context, group.members.get(request.memberId) as Member);
  return group.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
}

/**
 * The session timer has fired: takes out whoever has been silent for too long. A process that has stalled meanwhile runs its
 * timers before it reads its sockets, so it gets to do that first.
 */
export function expireSessions(context: ClassicContext): void {
  const { group, turn } = context;
  const late = turn.monotonicMs - group.sessionTimerMs > sessionTimerLateMs;
  group.sessionTimerMs = Number.POSITIVE_INFINITY;
  group.sessionsSpared = late && !group.sessionsSpared;
  if (group.sessionsSpared) {
    watchDeadline(context, turn.monotonicMs + sessionReadMs);
    return;
  }
  for (const [memberId, deadlineMs] of [...group.pendingMembers]) {
    if (deadlineMs > turn.monotonicMs || !group.pendingMembers.has(memberId)) continue;
    turn.log('info', 'pending member lapsed', { memberId });
    group.remove(memberId);
    if (group.state === 'PreparingRebalance' && group.allJoined) completeJoin(context);
  }
  for (const member of [...group.members.values()]) {
    if (member.sessionDeadlineMs > turn.monotonicMs || group.members.get(member.memberId) !== member) continue;
    if (!member.isNew && (member.awaitingJoin !== undefined || member.awaitingSync !== undefined)) {
      // Its parked ask shows that it lives; the session begins anew when that is answered.
      member.sessionDeadlineMs = Number.POSITIVE_INFINITY;
      continue;
    }
    turn.log('info', 'member failed', { memberId: member.memberId, state: group.state });
    dropMember(context, member);
    if (group.state !== 'PreparingRebalance') {
      prepareRebalanceOrCompleteJoin(context, `member ${member.memberId} failed`);
    } else if (group.allJoined) completeJoin(context);
  }
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const deadlineMs of group.pendingMembers.values()) earliestMs = Math.min(earliestMs, deadlineMs);
  for (const { sessionDeadlineMs } of group.members.values()) earliestMs = Math.min(earliestMs, sessionDeadlineMs);
  if (earliestMs !== Number.POSITIVE_INFINITY) watchDeadline(context, earliestMs);
}
