// DeleteGroups: groups without members go, with their offsets.

import type { deleteGroups } from '../../../protocol/apis/delete-groups.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { askGroup, GroupUnavailable } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

export async function handleDeleteGroups(
  request: RequestOf<typeof deleteGroups>,
  context: RequestContext,
  services: Services,
): Promise<ResponseOf<typeof deleteGroups>> {
  const results = [...new Set(request.groupsNames)].map(async (groupId) => {
    const reply = await askGroup(services, context, groupId, 'deleteGroup', {});
    return { groupId, errorCode: reply instanceof GroupUnavailable ? reply.errorCode : reply };
  });
  return { throttleTimeMs: 0, results: await Promise.all(results) };
}
