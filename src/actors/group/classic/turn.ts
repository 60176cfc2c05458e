// What the handlers of the classic protocol work with: the living group, its durable state, the turn, the limits.

import type { Turn } from '../../runtime/define.ts';
import type { GroupLimits } from '../limits.ts';
import type { GroupProtocol, JoinReply, SyncReply } from '../protocol.ts';
import type { GroupRecord } from '../state.ts';
import type { ClassicGroup } from './classic-group.ts';
import { emptyAssignment, type Member } from './member.ts';

export type GroupTurn = Turn<GroupProtocol, GroupRecord>;

export interface ClassicContext {
  readonly group: ClassicGroup;
  readonly turn: GroupTurn;
  readonly limits: GroupLimits;
}

/** An answer that gives no place in a generation. */
export function joinError(errorCode: number, memberId: string): JoinReply {
  return {
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: '',
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  };
}

export function syncError(errorCode: number): SyncReply {
  return { errorCode, protocolType: null, protocolName: null, assignment: emptyAssignment };
}

/** Lets the member's join wait. An earlier one of the same member, whose client has given up on it, is answered. */
export function awaitJoin({ group, turn }: ClassicContext, member: Member, superseded: JoinReply): void {
  if (member.awaitingJoin !== undefined) turn.reply(member.awaitingJoin, superseded);
  else group.awaitingJoinCount++;
  member.awaitingJoin = turn.replyTo;
}

export function answerJoin({ group, turn }: ClassicContext, member: Member, reply: JoinReply): void {
  if (member.awaitingJoin === undefined) return;
  turn.reply(member.awaitingJoin, reply);
  member.awaitingJoin = undefined;
  group.awaitingJoinCount--;
}

/** @returns whether an ask was waiting */
export function answerSync({ turn }: ClassicContext, member: Member, reply: SyncReply): boolean {
  if (member.awaitingSync === undefined) return false;
  turn.reply(member.awaitingSync, reply);
  member.awaitingSync = undefined;
  return true;
}
