// How what NATS says becomes a StorageFault: JetStream's error codes (server/errors.json of nats-server) and the ways in
// which a request can end without an answer.

import { StorageFault } from '../../actors/shard/ports.ts';

/** An error that JetStream answered with: nothing was done. */
export class JetStreamError extends Error {
  readonly code: number;

  constructor(code: number, description: string) {
    super(`${description} (JetStream error ${code})`);
    this.name = 'JetStreamError';
    this.code = code;
  }
}

export type LostKind = 'no-responders' | 'not-sent' | 'timeout' | 'disconnected';

/** A request that got no answer. After `no-responders` and `not-sent` nobody has seen it; after the others, who knows. */
export class RequestLost extends Error {
  readonly kind: LostKind;

  constructor(kind: LostKind, message: string) {
    super(message);
    this.name = 'RequestLost';
    this.kind = kind;
  }
}

/** wrong last sequence: someone has written before us. */
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
/** No room: storage of the account, of the server, of the stream (`maximum bytes exceeded` comes as a failed store). */
const NO_ROOM = new Set([10002, 10023, 10028, 10047]);
const STORE_FAILED = 10077;
const CLUSTER_NOT_AVAILABLE = 10008;
export const STREAM_NOT_FOUND = 10059;
export const MESSAGE_NOT_FOUND = 10037;
export const STREAM_NAME_IN_USE = 10058;
const DELETE_NOT_FOUND = 10043;
const DELETE_FAILED = 10057;

export function isWrongLastSequence(error: unknown): boolean {
  return error instanceof JetStreamError && WRONG_LAST_SEQUENCE.has(error.code);
}

/**
 * JetStream could not store a message, for another reason than a limit that it checks beforehand, or has lost its leader:
 * another replica may have it nevertheless.
 */
export function isStoreFailure(error: unknown): boolean {
  if (!(error instanceof JetStreamError)) return false;
  return error.code === CLUSTER_NOT_AVAILABLE || (error.code === STORE_FAILED && !/maximum/i.test(error.message));
}

export function isMessageNotFound(error: unknown): boolean {
  return error instanceof JetStreamError && (error.code === MESSAGE_NOT_FOUND || error.code === DELETE_NOT_FOUND);
}

/** Whether a message that was to be deleted is gone already. */
export function isDeletedAlready(error: unknown): boolean {
  return (
    isMessageNotFound(error) ||
    (error instanceof JetStreamError && error.code === DELETE_FAILED && /not found|deleted/i.test(error.message))
  );
}

/** Whether the outcome of the request that ended so is unknown. */
export function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof RequestLost && (error.kind === 'timeout' || error.kind === 'disconnected');
}

/** The StorageFault for an error after which nothing was done, or for a read that failed. */
export function faultOf(error: unknown, what: string): unknown {
  if (error instanceof JetStreamError) {
    const full =
      NO_ROOM.has(error.code) || (error.code === STORE_FAILED && /maximum|no space|insufficient/i.test(error.message));
    return new StorageFault(full ? 'full' : 'unavailable', `${what}: ${error.message}`, error);
  }
  if (error instanceof RequestLost) return new StorageFault('unavailable', `${what}: ${error.message}`, error);
  return error;
}
