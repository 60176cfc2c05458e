// The three ways an `ask` can fail without an answer from the actor's handler. Each means something else to the caller:
// a full mailbox and a stopped actor have had no effect; an unknown outcome may have had one.

export type ActorFaultCode = 'mailbox-full' | 'actor-stopped' | 'outcome-unknown';

/** An operating fault of the actor runtime; never a protocol answer (those are values). */
export class ActorFault extends Error {
  readonly code: ActorFaultCode;
  /** All three are: the caller may try again, after an unknown outcome only if repeating is harmless. */
  readonly retriable = true;

  constructor(code: ActorFaultCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ActorFault';
    this.code = code;
  }
}

/** A broken invariant: the actor that meets one dies and is rebuilt by replay. Kept on in production. */
export class InvariantBroken extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantBroken';
  }
}

/** Asserts an invariant. @throws InvariantBroken when `condition` is false. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantBroken(message);
}
