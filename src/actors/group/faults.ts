// Why a group's actor cannot be had on this node at the moment; both are over soon, and clients ask again by themselves.

export type CoordinatorFaultCode = 'load-in-progress' | 'not-coordinator';

/** An operating fault of the group coordinator. */
export class CoordinatorFault extends Error {
  readonly code: CoordinatorFaultCode;
  readonly retriable = true;

  constructor(code: CoordinatorFaultCode, message: string) {
    super(message);
    this.name = 'CoordinatorFault';
    this.code = code;
  }
}
