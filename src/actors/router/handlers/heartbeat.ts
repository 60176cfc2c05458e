// Heartbeat: a member shows that it lives.

import type { heartbeat } from '../../../protocol/apis/heartbeat.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { askGroup, GroupUnavailable } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

export async function handleHeartbeat(
  { groupId, memberId, groupInstanceId, generationId }: RequestOf<typeof heartbeat>,
  context: RequestContext,
  services: Services,
): Promise<ResponseOf<typeof heartbeat>> {
  if (groupId === '') return { throttleTimeMs: 0, errorCode: ErrorCode.INVALID_GROUP_ID };
  const reply = await askGroup(services, context, groupId, 'heartbeat', { memberId, groupInstanceId, generationId });
  if (!(reply instanceof GroupUnavailable)) return { throttleTimeMs: 0, errorCode: reply };
  // Sessions begin anew once the group is loaded: nothing is lost by telling the member that all is well.
  const loading = reply.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
  return { throttleTimeMs: 0, errorCode: loading ? ErrorCode.NONE : reply.errorCode };
}
