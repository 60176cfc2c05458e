// The two ways a message fails to cross between bytes and objects. Neither is a Kafka error code: the connection decides
// whether malformed input is answered (INVALID_REQUEST) or ends in a closed socket, and a message that cannot be
// encoded is a bug of ours.

/** Bytes from a peer that are not the message they claim to be. `path` names the field, as in `topics[2].name`. */
export class ProtocolError extends Error {
  /** Where in the message; empty when the fault is not in one field. */
  readonly path: string;
  readonly reason: string;

  constructor(path: string, reason: string) {
    super(path === '' ? reason : `${path}: ${reason}`);
    this.name = 'ProtocolError';
    this.path = path;
    this.reason = reason;
  }
}

/** A message of ours that the wanted version cannot carry: a value out of range, or one that would be lost. */
export class EncodeError extends Error {
  readonly path: string;
  readonly reason: string;

  constructor(path: string, reason: string) {
    super(path === '' ? reason : `${path}: ${reason}`);
    this.name = 'EncodeError';
    this.path = path;
    this.reason = reason;
  }
}
