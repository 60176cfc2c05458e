// JoinGroup: a member asks its group's actor for a place in the next generation, and waits there.

import type { joinGroup } from '../../../protocol/apis/join-group.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { askGroup, GroupUnavailable } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof joinGroup>;
type Response = ResponseOf<typeof joinGroup>;

/** First version in which a new member is told its id before it gets a place (KIP-394). */
const memberIdRequiredSince = 4;
/** First version in which the protocol's name may be null. */
const nullProtocolSince = 7;
/** First version in which a leader may be told not to assign (KIP-814). */
const skipAssignmentSince = 9;

export async function handleJoinGroup(
  request: Request,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const { apiVersion } = context;
  const problem = joinProblem(request, services);
  if (problem !== ErrorCode.NONE) return refusal(problem, request.memberId, apiVersion);
  const reply = await askGroup(services, context, request.groupId, 'join', {
    memberId: request.memberId,
    groupInstanceId: request.groupInstanceId,
    clientId: context.clientId ?? '',
    clientHost: context.clientHost,
    sessionTimeoutMs: request.sessionTimeoutMs,
    // Version 0 has no rebalance time-out of its own.
    rebalanceTimeoutMs: apiVersion === 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
    protocolType: request.protocolType,
    protocols: request.protocols,
    reason: request.reason,
    memberIdRequired: apiVersion >= memberIdRequiredSince,
    skipAssignmentSupported: apiVersion >= skipAssignmentSince,
  });
  if (reply instanceof GroupUnavailable) return refusal(reply.errorCode, request.memberId, apiVersion);
  return { ...reply, throttleTimeMs: 0, protocolName: protocolName(reply.protocolName, apiVersion) };
}

function joinProblem({ groupId, sessionTimeoutMs }: Request, { config }: Services): number {
  if (groupId === '') return ErrorCode.INVALID_GROUP_ID;
  const tooShort = sessionTimeoutMs < config.groupMinSessionTimeoutMs;
  return tooShort || sessionTimeoutMs > config.groupMaxSessionTimeoutMs
    ? ErrorCode.INVALID_SESSION_TIMEOUT
    : ErrorCode.NONE;
}

function refusal(errorCode: number, memberId: string, apiVersion: number): Response {
  return {
    throttleTimeMs: 0,
    errorCode,
    generationId: -1,
    protocolName: protocolName(null, apiVersion),
    leader: '',
    memberId,
    members: [],
  };
}

function protocolName(name: string | null, apiVersion: number): string | null {
  return apiVersion >= nullProtocolSince ? name || null : (name ?? '');
}
