// SyncGroup: a member waits for its assignment; the leader's request brings them all.

import type { syncGroup } from '../../../protocol/apis/sync-group.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { askGroup, GroupUnavailable } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof syncGroup>;
type Response = ResponseOf<typeof syncGroup>;

/** From this version on a member has to say which protocol it believes the group to have. */
const protocolMandatorySince = 5;

export async function handleSyncGroup(
  request: Request,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const { groupId, memberId, groupInstanceId, generationId, protocolType, protocolName, assignments } = request;
  if (context.apiVersion >= protocolMandatorySince && (protocolType === null || protocolName === null)) {
    return refusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  }
  if (groupId === '') return refusal(ErrorCode.INVALID_GROUP_ID);
  const reply = await askGroup(services, context, groupId, 'sync', {
    memberId,
    groupInstanceId,
    generationId,
    protocolType,
    protocolName,
    assignments,
  });
  return reply instanceof GroupUnavailable ? refusal(reply.errorCode) : { throttleTimeMs: 0, ...reply };
}

function refusal(errorCode: number): Response {
  return { throttleTimeMs: 0, errorCode, assignment: Buffer.alloc(0) };
}
