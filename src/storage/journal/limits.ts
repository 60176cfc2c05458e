// The sizes and times that shape the journal, with why each is what it is (docs/decisions/0003-journal.md has the
// measurements). Tests make them small.

export interface JournalLimits {
  /** How long one request to NATS may take before its outcome is looked for. */
  readonly requestTimeoutMs: number;
  /**
   * The same for an append, which ends as soon as that finds it. Less than NATS takes to elect a leader (4 s): what was lost
   * with the old one is not waited for once the new one is there.
   */
  readonly appendTimeoutMs: number;
  /** How long a lost outcome is looked for, NATS being away included, before it is reported as unknown. */
  readonly resolveTimeoutMs: number;
  /** A subject that ends before what was acknowledged is taken to have lost it after this time. */
  readonly lossSettledMs: number;
  /** How long an opening, a read or a change of metadata is tried again before it fails. */
  readonly operationTimeoutMs: number;
  /** How long a start waits for NATS. */
  readonly startTimeoutMs: number;
  /** Pause between tries of what NATS could not do. */
  readonly retryDelayMs: number;
  /** Appends under way, in bytes, over all shards: below what nats-server buffers for a stream (128 MiB). */
  readonly appendBytesInFlightMax: number;
  /** Reads under way, in bytes: below what nats-server queues for a connection before it cuts it (64 MiB). */
  readonly readBytesInFlightMax: number;
  /** Bytes of one message, `max_payload` allowing: larger groups go in parts. */
  readonly messageBytesMax: number;
  /** Messages kept in memory for reads, in bytes. */
  readonly cacheBytesMax: number;
  /** A partition that is read in a row has this many bytes fetched ahead. */
  readonly readAheadBytes: number;
  /** Messages, and bytes of them, after which a shard's index is extended: bounds what an opening reads of the log. */
  readonly digestMessagesMax: number;
  readonly digestCoveredBytesMax: number;
  /** Digests reach this size, or that of the base, before a new base replaces them. */
  readonly digestBytesBeforeBaseMin: number;
  /** Batch headers kept in memory for a partition above its checkpoint. */
  readonly headersKeptMax: number;
  /** Bytes of dead messages that are worth a purge, and the longest that fewer wait. */
  readonly trimBytesMin: number;
  readonly trimIntervalMs: number;
  /** Messages deleted one by one in one go. */
  readonly trimDeletesMax: number;
  /** Part of the log streams that only what frees space may use, at most. */
  readonly reservedBytesMax: number;
  /** How often the metadata is compared with the leader, beside being told of changes. */
  readonly metadataPollIntervalMs: number;
  /** How often the fill of the streams is looked up. */
  readonly usageIntervalMs: number;
  /** Bytes of batches that are moved to the cold store as one run; a larger batch goes alone. */
  readonly runBytesMax: number;
  /** Batches that do not fill a run are moved after this time, and after the other one when the journal is half full. */
  readonly moveDelayMs: number;
  readonly moveDelayPressedMs: number;
  /** How often it is looked what is to be moved. */
  readonly moveIntervalMs: number;
  /** What was proven to be stored is noted in the log at most so often. */
  readonly movedIntervalMs: number;
  /** Between tries to open a shard in a cold store that is away. */
  readonly coldRetryMs: number;
  /** Shards opened at the same time. */
  readonly openingsMax: number;
  /** The same in the cold store. */
  readonly coldOpeningsMax: number;
  /** How long no shard was opened in the journal before one is in the cold store, and the longest that it waits for that. */
  readonly coldQuietMs: number;
  readonly coldWaitMaxMs: number;
}

const KIB = 1 << 10;
const MIB = 1 << 20;

export const JOURNAL_LIMITS: JournalLimits = {
  requestTimeoutMs: 5_000,
  appendTimeoutMs: 2_500,
  resolveTimeoutMs: 15_000,
  lossSettledMs: 2_000,
  operationTimeoutMs: 15_000,
  startTimeoutMs: 60_000,
  retryDelayMs: 50,
  appendBytesInFlightMax: 64 * MIB,
  readBytesInFlightMax: 24 * MIB,
  messageBytesMax: 8 * MIB,
  cacheBytesMax: 32 * MIB,
  readAheadBytes: 4 * MIB,
  digestMessagesMax: 512,
  digestCoveredBytesMax: 8 * MIB,
  digestBytesBeforeBaseMin: 256 * KIB,
  headersKeptMax: 16_384,
  trimBytesMin: 8 * MIB,
  trimIntervalMs: 1_000,
  trimDeletesMax: 256,
  reservedBytesMax: 64 * MIB,
  metadataPollIntervalMs: 5_000,
  usageIntervalMs: 1_000,
  runBytesMax: 2 * MIB - 4 * KIB,
  moveDelayMs: 60_000,
  moveDelayPressedMs: 1_000,
  moveIntervalMs: 50,
  movedIntervalMs: 500,
  coldRetryMs: 1_000,
  openingsMax: 8,
  coldOpeningsMax: 2,
  coldQuietMs: 300,
  coldWaitMaxMs: 5_000,
};

/** NATS' own part of a message and the fixed part of ours: what `max_payload` needs beside the largest batch. */
export const MESSAGE_OVERHEAD_BYTES = 4 * KIB;
