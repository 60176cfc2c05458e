// Operating faults to Kafka's error codes: the one table.

import { ErrorCode } from '../../protocol/errors.ts';
import { CoordinatorFault } from '../group/faults.ts';
import { ActorFault } from '../runtime/errors.ts';
import { StorageFault } from '../shard/ports.ts';

/** Which part of the broker the client believes it is talking to; decides what `go elsewhere` is called. */
export type FaultSite = 'partition' | 'group' | 'transaction' | 'broker';

/** The code of a fault that a handler meets. Every one of them is retriable for clients; an unknown error is a bug. */
export function errorCodeOf(fault: unknown, site: FaultSite): number {
  const elsewhere =
    site === 'partition'
      ? ErrorCode.NOT_LEADER_OR_FOLLOWER
      : site === 'broker'
        ? ErrorCode.REQUEST_TIMED_OUT
        : ErrorCode.NOT_COORDINATOR;
  const unavailable =
    site === 'group' || site === 'transaction' ? ErrorCode.COORDINATOR_NOT_AVAILABLE : ErrorCode.REQUEST_TIMED_OUT;
  if (fault instanceof StorageFault) {
    switch (fault.code) {
      case 'fenced':
        return elsewhere;
      case 'full':
      case 'corrupt':
        return site === 'group' || site === 'transaction'
          ? ErrorCode.COORDINATOR_NOT_AVAILABLE
          : ErrorCode.KAFKA_STORAGE_ERROR;
      case 'unavailable':
      case 'outcome-unknown':
        return unavailable;
    }
  }
  if (fault instanceof ActorFault) {
    switch (fault.code) {
      case 'mailbox-full':
      case 'outcome-unknown':
        return unavailable;
      case 'actor-stopped':
        return elsewhere;
    }
  }
  if (fault instanceof CoordinatorFault) {
    return fault.code === 'load-in-progress' ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS : ErrorCode.NOT_COORDINATOR;
  }
  return ErrorCode.UNKNOWN_SERVER_ERROR;
}
