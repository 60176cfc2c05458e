// LeaveGroup: members leave; one alone before version 3, and its error is then the response's.

import type { leaveGroup } from '../../../protocol/apis/leave-group.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { askGroup, GroupUnavailable } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

/** First version that takes several members (KIP-345). */
const severalMembersSince = 3;

export async function handleLeaveGroup(
  request: RequestOf<typeof leaveGroup>,
  context: RequestContext,
  services: Services,
): Promise<ResponseOf<typeof leaveGroup>> {
  const { groupId, memberId } = request;
  if (groupId === '') return { throttleTimeMs: 0, errorCode: ErrorCode.INVALID_GROUP_ID, members: [] };
  const several = context.apiVersion >= severalMembersSince;
  const members = several ? request.members : [{ memberId, groupInstanceId: null, reason: null }];
  const reply = await askGroup(services, context, groupId, 'leave', { members });
  if (reply instanceof GroupUnavailable) return { throttleTimeMs: 0, errorCode: reply.errorCode, members: [] };
  if (several) return { throttleTimeMs: 0, ...reply };
  return {
    throttleTimeMs: 0,
    errorCode: reply.errorCode || (reply.members[0]?.errorCode ?? ErrorCode.NONE),
    members: [],
  };
}
