// The rebalance: from the first reason to have one until every member of the next generation is told of it. It waits for
// all members to join; after the longest rebalance time-out those that have not lose their place, static ones excepted
// (KIP-345), and after as long again those that have not synced.

import { ErrorCode } from '../../../protocol/errors.ts';
import type { JoinReply } from '../protocol.ts';
import type { ClassicGroup } from './classic-group.ts';
import { emptyAssignment, type Member, metadataFor } from './member.ts';
import { renewSession } from './sessions.ts';
import { answerJoin, answerSync, type ClassicContext, syncError } from './turn.ts';

/** Begins a rebalance, or ends the join phase of the one under way if this was all it waited for. */
export function prepareRebalanceOrCompleteJoin(context: ClassicContext, reason: string): void {
  if (context.group.canRebalance) prepareRebalance(context, reason);
  else completeJoinIfAllJoined(context);
}

export function prepareRebalance(context: ClassicContext, reason: string): void {
  const { group, turn, limits } = context;
  if (group.state === 'CompletingRebalance') {
    for (const member of group.members.values()) {
      member.assignment = emptyAssignment;
      if (answerSync(context, member, syncError(ErrorCode.REBALANCE_IN_PROGRESS))) renewSession(context, member);
    }
  }
  group.pendingSync.clear();
  turn.stopTimer('sync');
  group.transitionTo('PreparingRebalance', turn.nowMs);
  turn.log('info', 'rebalance begins', { generationId: group.generationId, reason });
  if (group.initialRebalance) {
    // Members of a new group start one after the other; waiting a little saves a rebalance for each of them.
    const delayMs = limits.initialRebalanceDelayMs;
    waitForMembers(context, delayMs, Math.max(group.rebalanceTimeoutMs - delayMs, 0));
  } else if (group.allJoined) completeJoin(context);
  else startRebalanceTimer(context);
}

export function completeJoinIfAllJoined(context: ClassicContext): void {
  const { group } = context;
  if (group.state === 'PreparingRebalance' && !group.initialRebalance && group.allJoined) completeJoin(context);
}

/** The initial delay is over: extends it once more if somebody has joined meanwhile, up to the rebalance time-out. */
export function endInitialDelay(
  context: ClassicContext,
  { attempt, delayMs, remainingMs }: { attempt: number; delayMs: number; remainingMs: number },
): void {
  const { group, limits } = context;
  if (attempt !== group.joinAttempt) return;
  if (group.newMemberAdded && remainingMs > 0) {
    group.newMemberAdded = false;
    waitForMembers(context, Math.min(limits.initialRebalanceDelayMs, remainingMs), Math.max(remainingMs - delayMs, 0));
  } else completeJoin(context);
}

export function endRebalanceTimeout(context: ClassicContext, { attempt }: { attempt: number }): void {
  if (attempt === context.group.joinAttempt) completeJoin(context);
}

/** Ends the join phase with those that have joined. */
export function completeJoin(context: ClassicContext): void {
  const { group, turn } = context;
  group.joinAttempt++;
  turn.stopTimer('join');
  for (const member of [...group.members.values()]) {
    if (member.awaitingJoin !== undefined || member.groupInstanceId !== null) continue;
    turn.log('info', 'member did not rejoin', { memberId: member.memberId });
    group.remove(member.memberId);
  }
  if (!group.electJoinedLeader() && group.members.size > 0) {
    // Only static members are left and none of them has joined: their sessions decide.
    startRebalanceTimer(context);
    return;
  }
  group.newMemberAdded = false;
  group.beginGeneration(turn.nowMs);
  if (group.state === 'Empty') {
    turn.log('info', 'group is empty', { generationId: group.generationId });
    turn.record({ kind: 'generationStored', generation: group.toStored() });
    return;
  }
  for (const member of group.members.values()) {
    answerJoin(context, member, joinedReply(group, member.memberId));
    renewSession(context, member);
    member.isNew = false;
    group.pendingSync.add(member.memberId);
  }
  turn.log('debug', 'generation begins', { generationId: group.generationId, members: group.members.size });
  turn.startTimer('sync', group.rebalanceTimeoutMs, 'syncTimedOut', { generationId: group.generationId });
}

/** Members that have not synced in time lose their place. */
export function endSyncTimeout(context: ClassicContext, generationId: number): void {
  const { group } = context;
  if (generationId !== group.generationId || group.pendingSync.size === 0) return;
  if (group.state !== 'CompletingRebalance' && group.state !== 'Stable') return;
  const late = [...group.pendingSync];
  for (const memberId of late) group.remove(memberId);
  prepareRebalance(context, `${late.join(', ')} did not sync`);
}

/** The present generation as a member is told of it; its leader also learns who is in it. */
export function joinedReply(group: ClassicGroup, memberId: string): JoinReply {
  return {
    errorCode: ErrorCode.NONE,
    generationId: group.generationId,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leaderId ?? '',
    skipAssignment: false,
    memberId,
    members: group.isLeader(memberId) ? membersFor(group) : [],
  };
}

function membersFor(group: ClassicGroup): JoinReply['members'] {
  return [...group.members.values()].map((member: Member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    metadata: metadataFor(member, group.protocolName ?? '') ?? emptyAssignment,
  }));
}

function waitForMembers({ group, turn }: ClassicContext, delayMs: number, remainingMs: number): void {
  const attempt = ++group.joinAttempt;
  turn.startTimer('join', delayMs, 'initialDelayOver', { attempt, delayMs, remainingMs });
}

function startRebalanceTimer({ group, turn }: ClassicContext): void {
  turn.startTimer('join', group.rebalanceTimeoutMs, 'rebalanceTimedOut', { attempt: ++group.joinAttempt });
}
