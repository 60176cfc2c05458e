// Faults as data, so that a caller on another node meets the same fault as one beside the actor.

import { CoordinatorFault, type CoordinatorFaultCode } from '../group/faults.ts';
import { ActorFault, type ActorFaultCode } from '../runtime/errors.ts';
import { StorageFault, type StorageFaultCode } from '../shard/ports.ts';

export interface FaultData {
  readonly type: 'actor' | 'storage' | 'coordinator' | 'unexpected';
  readonly code: string;
  readonly message: string;
}

export function encodeFault(error: unknown): FaultData {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ActorFault) return { type: 'actor', code: error.code, message };
  if (error instanceof StorageFault) return { type: 'storage', code: error.code, message };
  if (error instanceof CoordinatorFault) return { type: 'coordinator', code: error.code, message };
  return { type: 'unexpected', code: 'outcome-unknown', message };
}

export function decodeFault({ type, code, message }: FaultData): Error {
  switch (type) {
    case 'storage':
      return new StorageFault(code as StorageFaultCode, message);
    case 'coordinator':
      return new CoordinatorFault(code as CoordinatorFaultCode, message);
    case 'actor':
      return new ActorFault(code as ActorFaultCode, message);
    default:
      return new ActorFault('outcome-unknown', message);
  }
}

/** Whether the message has had no effect because this node is not (or not yet, or no longer) the owner. */
export function isElsewhere(error: unknown): boolean {
  return (
    (error instanceof StorageFault && error.code === 'fenced') ||
    (error instanceof CoordinatorFault && error.code === 'not-coordinator') ||
    (error instanceof ActorFault && error.code === 'actor-stopped')
  );
}
