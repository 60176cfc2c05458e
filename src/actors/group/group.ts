// The group actor: one a group id. Durable are its last stored generation and its committed offsets; who is joining, who
// has synced and whose session runs is soft (classic/classic-group.ts has the state machine).

import { ErrorCode } from '../../protocol/errors.ts';
import type { ActorDefinition } from '../runtime/define.ts';
import { PARKED } from '../runtime/define.ts';
import { ClassicGroup } from './classic/classic-group.ts';
import { expireSessions, heartbeat } from './classic/heartbeat.ts';
import { join } from './classic/join.ts';
import { leave } from './classic/leave.ts';
import { metadataFor } from './classic/member.ts';
import { endInitialDelay, endRebalanceTimeout, endSyncTimeout, prepareRebalance } from './classic/rebalance.ts';
import { renewSession } from './classic/sessions.ts';
import { sync } from './classic/sync.ts';
import { type ClassicContext, type GroupTurn, syncError } from './classic/turn.ts';
import type { GroupLimits } from './limits.ts';
import { commitOffsets, deleteOffsets, fetchOffsets, forEachExpiredOffset, removeTopicOffsets } from './offsets.ts';
import type { GroupDescription, GroupProtocol, GroupSummary } from './protocol.ts';
import { beginSnapshot, continueSnapshot, type SnapshotQueue } from './snapshot.ts';
import { applyGroupRecord, type GroupRecord, type GroupState } from './state.ts';

const noBytes: Buffer = Buffer.alloc(0);

/** What a restart forgets. */
export interface GroupSoft {
  classic: ClassicGroup;
  snapshot: SnapshotQueue | undefined;
}

export type GroupDefinition = ActorDefinition<GroupProtocol, GroupState, GroupSoft, GroupRecord>;

export interface GroupMailbox {
  readonly mailboxMessagesMax: number;
  readonly passivateAfterMs: number;
}

export function defineGroup(limits: GroupLimits, mailbox: GroupMailbox): GroupDefinition {
  const contextOf = (soft: GroupSoft, turn: GroupTurn): ClassicContext => ({ group: soft.classic, turn, limits });

  /** Removes the group with all its offsets; ids that were promised to joining members are void. */
  function remove(state: GroupState, turn: GroupTurn, soft: GroupSoft): void {
    for (const [topic, partitions] of state.offsets) {
      for (const partitionIndex of partitions.keys()) turn.record({ kind: 'offsetRemoved', topic, partitionIndex });
    }
    turn.record({ kind: 'groupRemoved' });
    for (const timer of ['join', 'sync', 'sessions']) turn.stopTimer(timer);
    soft.classic = new ClassicGroup(state.groupId);
  }

  return {
    kind: 'group',
    mailboxMessagesMax: mailbox.mailboxMessagesMax,
    passivateAfterMs: mailbox.passivateAfterMs,
    apply: applyGroupRecord,
    soft: (state) => ({ classic: ClassicGroup.restore(state), snapshot: undefined }),
    // A heartbeat's answer promises nothing that a restart could take back.
    unordered: new Set(['heartbeat']),

    started(_state, turn, soft) {
      const context = contextOf(soft, turn);
      for (const member of soft.classic.members.values()) renewSession(context, member);
      if (soft.classic.members.size > limits.membersMax) {
        prepareRebalance(context, `${soft.classic.members.size} members, more than group.max.size`);
      }
    },

    handlers: {
      join: (state, request, turn, soft) => join(contextOf(soft, turn), state.exists, request) ?? PARKED,

      sync(state, request, turn, soft) {
        if (!state.exists) return syncError(ErrorCode.UNKNOWN_MEMBER_ID);
        return sync(contextOf(soft, turn), request) ?? PARKED;
      },

      heartbeat: (_state, request, turn, soft) => heartbeat(contextOf(soft, turn), request),
      leave: (_state, request, turn, soft) => leave(contextOf(soft, turn), request),
      describe: (state, _message, _turn, soft) => describe(state, soft.classic),
      summary: (state, _message, _turn, soft) => summarize(state, soft.classic),

      commitOffsets: (state, request, turn, soft) => commitOffsets(contextOf(soft, turn), state, request),
      fetchOffsets: (state, request) => fetchOffsets(state, request),
      deleteOffsets: (state, request, turn, soft) => deleteOffsets(contextOf(soft, turn), state, request),

      deleteGroup(state, _message, turn, soft) {
        if (!state.exists) return ErrorCode.GROUP_ID_NOT_FOUND;
        if (soft.classic.state !== 'Empty') return ErrorCode.NON_EMPTY_GROUP;
        turn.log('info', 'group deleted', {});
        remove(state, turn, soft);
        return ErrorCode.NONE;
      },

      expireOffsets(state, _message, turn, soft) {
        if (!state.exists) return 0;
        const { classic } = soft;
        let expired = 0;
        const noneLeft = forEachExpiredOffset(
          classic,
          state,
          turn.nowMs,
          limits.offsetsRetentionMs,
          (topic, partitionIndex) => {
            turn.record({ kind: 'offsetRemoved', topic, partitionIndex });
            expired++;
          },
        );
        if (expired > 0) turn.log('info', 'offsets expired', { expired });
        if (noneLeft && classic.state === 'Empty') remove(state, turn, soft);
        return expired;
      },

      topicDeleted: (state, { topic, topicId }, turn, soft) =>
        removeTopicOffsets(contextOf(soft, turn), state, topic, topicId),

      snapshot(state, { begin }, turn, soft) {
        if (begin) soft.snapshot = beginSnapshot(state);
        const { snapshot } = soft;
        return snapshot === undefined ? -1 : continueSnapshot(state, snapshot, (record) => turn.record(record));
      },

      initialDelayOver: (_state, message, turn, soft) => endInitialDelay(contextOf(soft, turn), message),
      rebalanceTimedOut: (_state, message, turn, soft) => endRebalanceTimeout(contextOf(soft, turn), message),
      syncTimedOut: (_state, { generationId }, turn, soft) => endSyncTimeout(contextOf(soft, turn), generationId),
      sessionsDue: (_state, _message, turn, soft) => expireSessions(contextOf(soft, turn)),
    },
  };
}

/** What DescribeGroups shows: metadata only of a Stable group, whose protocol is settled. */
function describe(state: GroupState, group: ClassicGroup): GroupDescription {
  if (!state.exists) return { exists: false, state: 'Dead', protocolType: '', protocolData: '', members: [] };
  const protocolName = group.state === 'Stable' ? group.protocolName : null;
  return {
    exists: true,
    state: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: protocolName ?? '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      metadata: protocolName === null ? noBytes : (metadataFor(member, protocolName) ?? noBytes),
      assignment: member.assignment,
    })),
  };
}

/** What ListGroups shows; null when there is no such group. */
export function summarize(state: GroupState, group: ClassicGroup): GroupSummary | null {
  if (!state.exists) return null;
  return { groupId: state.groupId, protocolType: group.protocolType ?? '', state: group.state, type: 'classic' };
}
