// JoinGroup: who gets a place in the next generation, and whether there has to be one.

import { ErrorCode } from '../../../protocol/errors.ts';
import { stringBytesMax } from '../../../protocol/wire/reader.ts';
import type { Random } from '../../runtime/ports.ts';
import { newMemberJoinTimeoutMs } from '../limits.ts';
import type { JoinReply, JoinRequest } from '../protocol.ts';
import { keepProtocols, type Member, offersSame } from './member.ts';
import { completeJoinIfAllJoined, joinedReply, prepareRebalanceOrCompleteJoin } from './rebalance.ts';
import { addPendingMember, checkMember, renewSession } from './sessions.ts';
import { replaceStaticMember } from './static-member.ts';
import { awaitJoin, type ClassicContext, joinError } from './turn.ts';

/** @returns the answer, or undefined when the ask waits or has been answered already */
export function join(context: ClassicContext, exists: boolean, request: JoinRequest): JoinReply | undefined {
  const { group, turn } = context;
  // Only a member without an id creates a group: one with an id was a member of something that is gone.
  if (!exists && request.memberId !== '') return joinError(ErrorCode.UNKNOWN_MEMBER_ID, request.memberId);
  if (!exists) group.stateTimestampMs = BigInt(turn.nowMs);
  const reply = joinGroup(context, request);
  if (!exists) {
    // A group exists from its first join on, even if that was refused; its members are stored once they are settled.
    turn.record({
      kind: 'generationStored',
      generation: {
        protocolType: '',
        generationId: 0,
        protocolName: null,
        leader: null,
        stateTimestampMs: group.stateTimestampMs,
        members: [],
      },
    });
  }
  return reply;
}

function joinGroup(context: ClassicContext, request: JoinRequest): JoinReply | undefined {
  const { group } = context;
  const { memberId } = request;
  if (!hasRoomFor(context, memberId)) {
    group.remove(memberId);
    completeJoinIfAllJoined(context);
    return joinError(ErrorCode.GROUP_MAX_SIZE_REACHED, '');
  }
  if (!group.supports(request.protocolType, request.protocols)) {
    return joinError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, memberId);
  }
  if (memberId === '') return joinAnew(context, request);
  if (group.pendingMembers.has(memberId)) {
    // Only dynamic members are ever pending; a client that now calls itself static is somebody else.
    if (request.groupInstanceId !== null) return joinError(ErrorCode.UNKNOWN_MEMBER_ID, memberId);
    return addMember(context, request, memberId);
  }
  return rejoin(context, request);
}

/** While members rejoin, the ones that have done so count, so that the last to come find the group full. */
function hasRoomFor({ group, limits }: ClassicContext, memberId: string): boolean {
  const member = group.members.get(memberId);
  switch (group.state) {
    case 'Empty':
      return true;
    case 'PreparingRebalance':
      return member?.awaitingJoin !== undefined || group.awaitingJoinCount < limits.membersMax;
    default:
      return member !== undefined || group.members.size < limits.membersMax;
  }
}

function joinAnew(context: ClassicContext, request: JoinRequest): JoinReply | undefined {
  const { group, turn } = context;
  const { groupInstanceId } = request;
  const memberId = newMemberId(groupInstanceId ?? request.clientId, turn.random);
  if (groupInstanceId === null) {
    if (!request.memberIdRequired) return addMember(context, request, memberId);
    // KIP-394: had the client not heard of its id, each of its retries would leave a defunct member behind.
    addPendingMember(context, memberId, request.sessionTimeoutMs);
    return joinError(ErrorCode.MEMBER_ID_REQUIRED, memberId);
  }
  const former = group.staticMembers.get(groupInstanceId);
  if (former === undefined) return addMember(context, request, memberId);
  return replaceStaticMember(context, request, group.members.get(former) as Member, memberId);
}

function addMember(context: ClassicContext, request: JoinRequest, memberId: string): undefined {
  const { group, turn } = context;
  const member: Member = {
    memberId,
    groupInstanceId: request.groupInstanceId,
    clientId: request.clientId,
    clientHost: request.clientHost,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    sessionTimeoutMs: request.sessionTimeoutMs,
    protocols: keepProtocols(request.protocols),
    assignment: Buffer.alloc(0),
    isNew: true,
    awaitingJoin: turn.replyTo,
    awaitingSync: undefined,
    sessionDeadlineMs: Number.POSITIVE_INFINITY,
  };
  if (group.state === 'PreparingRebalance' && group.initialRebalance) group.newMemberAdded = true;
  if (group.members.size === 0) group.protocolType = request.protocolType;
  group.add(member);
  // A parked join shows no sign of a client that has gone away: a new member's place is bounded in time, so that its
  // retries (before KIP-394) do not pile up.
  renewSession(context, member, newMemberJoinTimeoutMs);
  prepareRebalanceOrCompleteJoin(context, `${memberId} joins: ${request.reason ?? 'no reason given'}`);
  return undefined;
}

function rejoin(context: ClassicContext, request: JoinRequest): JoinReply | undefined {
  const { group } = context;
  const { memberId } = request;
  const errorCode = checkMember(context, memberId, request.groupInstanceId);
  if (errorCode !== ErrorCode.NONE) return joinError(errorCode, memberId);
  const member = group.members.get(memberId) as Member;
  const same = offersSame(member, request.protocols);
  switch (group.state) {
    case 'PreparingRebalance':
      return updateMember(context, request, member, 'rejoins');
    case 'CompletingRebalance':
      // It may have missed the answer to its first join.
      return same ? joinedReply(group, memberId) : updateMember(context, request, member, 'changes its metadata');
    case 'Stable':
      // A leader that joins asks for a rebalance: something that matters for the assignment has changed.
      if (group.isLeader(memberId)) return updateMember(context, request, member, 'leads and rejoins');
      return same ? joinedReply(group, memberId) : updateMember(context, request, member, 'changes its metadata');
    case 'Empty':
      return joinError(ErrorCode.UNKNOWN_MEMBER_ID, memberId);
  }
}

function updateMember(context: ClassicContext, request: JoinRequest, member: Member, what: string): undefined {
  const { group } = context;
  group.setProtocols(member, keepProtocols(request.protocols));
  member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
  member.sessionTimeoutMs = request.sessionTimeoutMs;
  awaitJoin(context, member, joinError(ErrorCode.REBALANCE_IN_PROGRESS, member.memberId));
  prepareRebalanceOrCompleteJoin(context, `${member.memberId} ${what}: ${request.reason ?? 'no reason given'}`);
  return undefined;
}

/** Begins with the name that people know the member by, unless that is too long to be part of a string field. */
function newMemberId(name: string, random: Random): string {
  const uuid = randomUuid(random);
  return Buffer.byteLength(name) + 1 + uuid.length > stringBytesMax ? uuid : `${name}-${uuid}`;
}

/** A version 4 UUID in its usual form (RFC 9562). */
function randomUuid(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
