// What a mailbox holds at most, and for how long.

export interface MailboxLimits {
  /** Requests under way to one node in one lane; a further one is refused with `mailbox-full`. */
  readonly requestsMax: number;
  /** Their bytes, and those of what they ask for; a request that would exceed them is refused with `mailbox-full`. */
  readonly requestBytesMax: number;
  /** Bytes that may be on their way to one node unanswered; further requests wait, up to the limits above. */
  readonly windowBytesMax: number;
  /** The largest frame taken. */
  readonly frameBytesMax: number;
}

export const defaultMailboxLimits: MailboxLimits = {
  requestsMax: 16_384,
  requestBytesMax: 256 << 20,
  windowBytesMax: 32 << 20,
  frameBytesMax: 256 << 20,
};

/** Bytes of one NATS message: below what the NATS client reads from its socket in one piece, mostly. */
export const PART_BYTES = 32 << 10;
/** Small requests, or replies, to one process go together up to so many bytes. */
export const FRAME_BYTES = 64 << 10;
/** And up to so many. */
export const FRAME_MESSAGES = 512;
/** Bytes given to NATS that the server has not confirmed; beyond, replies wait in order. */
export const UNCONFIRMED_BYTES_MAX = 16 << 20;
/** Bytes of records that this node has asked others for: below what nats-server holds for a slow client (64 MB). */
export const REPLY_BYTES_MAX = 48 << 20;
/** How often requests that may have had an effect are sent to a process that is not heard, and how long apart, ms. */
export const MISSES_MAX = 8;
export const MISS_RETRY_MS = 250;
/** Replies kept for a requester that lost its connection: bytes and number by requester, and how long, ms. */
export const KEPT_REPLY_BYTES = 8 << 20;
export const KEPT_REPLIES = 10_000;
export const KEPT_REPLY_MS = 60_000;
/** Parts of a frame follow each other at once; one that has stalled for so long is lost, ms. */
export const INCOMPLETE_FRAME_MS = 30_000;
/** How often what is kept too long is looked for, ms. */
export const SWEEP_MS = 5_000;
/** How long a node may take to say which process it is, ms. */
export const WHO_TIMEOUT_MS = 2_000;
