// What clients are told of operating faults: codes after which they go on by themselves.

import { expect } from 'chai';
import { CoordinatorFault } from '../../../src/actors/group/faults.ts';
import { errorCodeOf } from '../../../src/actors/router/faults.ts';
import { ActorFault, type ActorFaultCode } from '../../../src/actors/runtime/errors.ts';
import { StorageFault, type StorageFaultCode } from '../../../src/actors/shard/ports.ts';
import { describeError, ErrorCode } from '../../../src/protocol/errors.ts';

const storageCodes: readonly StorageFaultCode[] = ['fenced', 'full', 'unavailable', 'outcome-unknown', 'corrupt'];
const actorCodes: readonly ActorFaultCode[] = ['mailbox-full', 'actor-stopped', 'outcome-unknown'];
const faults = [
  ...storageCodes.map((code) => new StorageFault(code, code)),
  ...actorCodes.map((code) => new ActorFault(code, code)),
];

const nameOf = (errorCode: number): string => describeError(errorCode).name;

describe('operating faults', () => {
  it('are answered to a fetch with what a Java consumer takes as a reason to try again', () => {
    // FetchCollector.handleInitializeErrors; after any other code the consumer throws IllegalStateException.
    const goesOn = new Set<number>([
      ErrorCode.NOT_LEADER_OR_FOLLOWER,
      ErrorCode.KAFKA_STORAGE_ERROR,
      ErrorCode.FENCED_LEADER_EPOCH,
      ErrorCode.UNKNOWN_LEADER_EPOCH,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      ErrorCode.OFFSET_NOT_AVAILABLE,
    ]);
    const told = faults.map((fault) => errorCodeOf(fault, 'fetch'));
    expect(told.filter((errorCode) => !goesOn.has(errorCode)).map(nameOf)).to.deep.equal([]);
  });

  it('are answered to everybody else with retriable codes', () => {
    for (const site of ['partition', 'group', 'transaction', 'broker'] as const) {
      for (const fault of [
        ...faults,
        new CoordinatorFault('load-in-progress', ''),
        new CoordinatorFault('not-coordinator', ''),
      ]) {
        const { name, retriable } = describeError(errorCodeOf(fault, site));
        expect(retriable, `${site}: ${fault.message} is answered ${name}`).to.equal(true);
      }
    }
  });
});
