// DescribeGroups: state and members of classic groups.

import type { describeGroups } from '../../../protocol/apis/describe-groups.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { GROUP_OPERATIONS, OPERATIONS_NOT_ASKED } from '../../admin/authorized-operations.ts';
import { askGroup, GroupUnavailable } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

type Response = ResponseOf<typeof describeGroups>;
type Described = Response['groups'][number];

/** First version that tells an unknown group by an error (KIP-1043); older ones see a Dead group. */
const notFoundSince = 6;

export async function handleDescribeGroups(
  { groups, includeAuthorizedOperations }: RequestOf<typeof describeGroups>,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const authorizedOperations = includeAuthorizedOperations ? GROUP_OPERATIONS : OPERATIONS_NOT_ASKED;
  const described = groups.map(async (groupId): Promise<Described> => {
    const reply = await askGroup(services, context, groupId, 'describe', {});
    if (reply instanceof GroupUnavailable) return { ...nothing, groupId, errorCode: reply.errorCode };
    if (!reply.exists && context.apiVersion >= notFoundSince) {
      return {
        ...nothing,
        groupId,
        groupState: reply.state,
        errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
        errorMessage: `Group ${groupId} not found.`,
      };
    }
    return {
      errorCode: ErrorCode.NONE,
      groupId,
      groupState: reply.state,
      protocolType: reply.protocolType,
      protocolData: reply.protocolData,
      members: reply.members.map(({ metadata, assignment, ...member }) => ({
        ...member,
        memberMetadata: metadata,
        memberAssignment: assignment,
      })),
      authorizedOperations,
    };
  });
  return { throttleTimeMs: 0, groups: await Promise.all(described) };
}

const nothing = { groupState: '', protocolType: '', protocolData: '', members: [] };
