// Operating faults to Kafka's error codes: the one table.

import { ErrorCode } from '../../protocol/errors.ts';
import { CoordinatorFault } from '../group/faults.ts';
import { ActorFault } from '../runtime/errors.ts';
import { StorageFault } from '../shard/ports.ts';

/** Which part of the broker the client believes it is talking to; decides what `go elsewhere` and `not now` are called. */
export type FaultSite = 'partition' | 'fetch' | 'group' | 'transaction' | 'broker';

interface SiteCodes {
  readonly elsewhere: number;
  readonly unavailable: number;
  /** The store is full, or what it has is damaged. */
  readonly unusable: number;
}

const ofLogs = { elsewhere: ErrorCode.NOT_LEADER_OR_FOLLOWER, unusable: ErrorCode.KAFKA_STORAGE_ERROR } as const;
const ofCoordinators: SiteCodes = {
  elsewhere: ErrorCode.NOT_COORDINATOR,
  unavailable: ErrorCode.COORDINATOR_NOT_AVAILABLE,
  unusable: ErrorCode.COORDINATOR_NOT_AVAILABLE,
};

const codesOf: Readonly<Record<FaultSite, SiteCodes>> = {
  partition: { ...ofLogs, unavailable: ErrorCode.REQUEST_TIMED_OUT },
  // A Java consumer throws an IllegalStateException on a time-out in Fetch (FetchCollector.handleInitializeErrors).
  fetch: { ...ofLogs, unavailable: ErrorCode.KAFKA_STORAGE_ERROR },
  group: ofCoordinators,
  transaction: ofCoordinators,
  broker: {
    elsewhere: ErrorCode.REQUEST_TIMED_OUT,
    unavailable: ErrorCode.REQUEST_TIMED_OUT,
    unusable: ErrorCode.KAFKA_STORAGE_ERROR,
  },
};

/** The code of a fault that a handler meets. Every one of them is retriable for clients; an unknown error is a bug. */
export function errorCodeOf(fault: unknown, site: FaultSite): number {
  const { elsewhere, unavailable, unusable } = codesOf[site];
  if (fault instanceof StorageFault) {
    switch (fault.code) {
      case 'fenced':
        return elsewhere;
      case 'full':
      case 'corrupt':
        return unusable;
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
