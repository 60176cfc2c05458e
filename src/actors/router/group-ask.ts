// One ask of a group's actor on behalf of a request: its reply, or the error code that tells the client what a fault of
// ours means for it.

import { ErrorCode } from '../../protocol/errors.ts';
import type { GroupProtocol } from '../group/protocol.ts';
import type { Kind, MessageOf, ReplyOf } from '../runtime/define.ts';
import { errorCodeOf } from './faults.ts';
import type { RequestContext, Services } from './services.ts';

/** The ask had no answer; `errorCode` is what the client is told. */
export class GroupUnavailable {
  readonly errorCode: number;

  constructor(errorCode: number) {
    this.errorCode = errorCode;
  }
}

export async function askGroup<K extends Kind<GroupProtocol>>(
  services: Services,
  context: RequestContext,
  groupId: string,
  kind: K,
  message: MessageOf<GroupProtocol, K>,
): Promise<ReplyOf<GroupProtocol, K> | GroupUnavailable> {
  try {
    return await services.directory.group(groupId).ask(kind, message, context.trace);
  } catch (fault) {
    return new GroupUnavailable(groupErrorCode(services, fault, { groupId, message: kind }));
  }
}

/** The code of a fault met on the way to a group; one that nobody foresaw is logged. */
export function groupErrorCode(services: Services, fault: unknown, fields: Readonly<Record<string, unknown>>): number {
  const errorCode = errorCodeOf(fault, 'group');
  const level = errorCode === ErrorCode.UNKNOWN_SERVER_ERROR ? 'error' : 'debug';
  services.logger.log(level, 'group does not answer', { ...fields, errorCode, error: fault });
  return errorCode;
}
