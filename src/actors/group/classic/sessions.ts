// Sessions: a member that gives no sign of life within its session time-out loses its place (heartbeat.ts). A sign of
// life only moves a deadline; one timer a group, set for the earliest deadline there was, looks at them all when it
// fires, so that a heartbeat costs no timer.

import { ErrorCode } from '../../../protocol/errors.ts';
import type { Member } from './member.ts';
import { answerJoin, answerSync, type ClassicContext, joinError, syncError } from './turn.ts';

/** Starts the member's session anew. */
export function renewSession(context: ClassicContext, member: Member, timeoutMs = member.sessionTimeoutMs): void {
  member.sessionDeadlineMs = context.turn.monotonicMs + timeoutMs;
  watchDeadline(context, member.sessionDeadlineMs);
}

/** Gives out a member id that lapses unless its owner joins within its session time-out (KIP-394). */
export function addPendingMember(context: ClassicContext, memberId: string, sessionTimeoutMs: number): void {
  const deadlineMs = context.turn.monotonicMs + sessionTimeoutMs;
  context.group.pendingMembers.set(memberId, deadlineMs);
  watchDeadline(context, deadlineMs);
}

/** Makes sure that the session timer fires by then. */
export function watchDeadline({ group, turn }: ClassicContext, deadlineMs: number): void {
  if (deadlineMs >= group.sessionTimerMs) return;
  group.sessionTimerMs = deadlineMs;
  turn.startTimer('sessions', Math.max(0, deadlineMs - turn.monotonicMs), 'sessionsDue', {});
}

/** Whether the member may act in this generation; NONE if so. */
export function checkMember(
  { group }: Pick<ClassicContext, 'group'>,
  memberId: string,
  groupInstanceId: string | null,
): number {
  if (groupInstanceId !== null) {
    const current = group.staticMembers.get(groupInstanceId);
    if (current === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (current !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
  }
  return group.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
}

/** Takes a member out; asks of it that wait are answered so that a client that still lives joins anew. */
export function dropMember(context: ClassicContext, member: Member): void {
  answerJoin(context, member, joinError(ErrorCode.UNKNOWN_MEMBER_ID, ''));
  answerSync(context, member, syncError(ErrorCode.UNKNOWN_MEMBER_ID));
  context.group.remove(member.memberId);
}
