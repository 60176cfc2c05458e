// ListGroups: the groups that this node coordinates; clients ask every node.

import type { listGroups } from '../../../protocol/apis/list-groups.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { groupErrorCode } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

/** States and types are told apart without regard to case; an unknown one matches nothing (KIP-518, KIP-848). */
export async function handleListGroups(
  request: RequestOf<typeof listGroups>,
  _context: RequestContext,
  services: Services,
): Promise<ResponseOf<typeof listGroups>> {
  const states = new Set(request.statesFilter.map((state) => state.trim().toLowerCase()));
  const types = new Set(request.typesFilter.map((type) => type.trim().toLowerCase()));
  try {
    const groups = (await services.groupCoordinator.listGroups())
      .filter(({ state }) => states.size === 0 || states.has(state.toLowerCase()))
      .filter(({ type }) => types.size === 0 || types.has(type))
      .map(({ groupId, protocolType, state, type }) => ({ groupId, protocolType, groupState: state, groupType: type }));
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, groups };
  } catch (fault) {
    return { throttleTimeMs: 0, errorCode: groupErrorCode(services, fault, { message: 'listGroups' }), groups: [] };
  }
}
