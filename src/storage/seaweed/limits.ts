// The sizes and times that shape the SeaweedMQ store, with why each is what it is (docs/decisions/0004-seaweedmq.md has
// the measurements). Tests make them small.

export interface SeaweedLimits {
  /**
   * Bytes of batches that a mover should put into one run. Four such messages fill the 8 MiB window of a SeaweedMQ
   * broker, which is then sealed and written as one chunk without waiting for the flush interval.
   */
  readonly runBytesMax: number;
  /** A single batch may be larger and is then a run of its own; above this it is refused. */
  readonly batchBytesMax: number;
  /** Bytes that one publish stream sends ahead of the acknowledgements. */
  readonly unackedBytesMax: number;
  /** Bytes sent but not proven, of one shard and of all: they stay in memory to be sent again. */
  readonly unprovenShardBytesMax: number;
  readonly unprovenBytesMax: number;
  /** A stream whose oldest message is not acknowledged after so long is given up (a paused broker, a lost network). */
  readonly ackTimeoutMs: number;
  /** An acknowledged run that no log file shows after so long: the log files are looked through. */
  readonly proofPollMs: number;
  /** … and after so long the run counts as lost and is sent again. */
  readonly proofTimeoutMs: number;
  /**
   * Between the proof and the word of it. SeaweedFS does not sync these files: where the journal survives a loss of power,
   * this is to be longer than the kernel takes to write (35 s), lest both be lost.
   */
  readonly settleMs: number;
  /** Deadline of a call; of a publish stream's opening; of its closing, which writes everything to the filer. */
  readonly callTimeoutMs: number;
  readonly closeTimeoutMs: number;
  /** A publish stream without work for so long is closed, which frees the broker's buffers (about 40 MiB). */
  readonly idleCloseMs: number;
  /** Waits between failed attempts: doubled from the first to the last. */
  readonly backoffFirstMs: number;
  readonly backoffLastMs: number;
  /** Longest wait before a new topic when the last ones took messages and none was proven. */
  readonly stallPauseMaxMs: number;
  /** Bytes of log chunks read at once to find where the runs lie: the first hop, and the largest when runs are small. */
  readonly scanFirstBytes: number;
  readonly scanStepBytes: number;
  /** HTTP requests under way to one filer. */
  readonly readsAtOnce: number;
  /** Decoded runs kept for readers. */
  readonly cacheBytesMax: number;
  /** What a reader that goes on from where it was finds fetched already. */
  readonly readAheadBytes: number;
  /** Neighbouring runs are fetched by one request up to this size. */
  readonly fetchBytesMax: number;
  /** An index page is written when so many log files or runs are not in one. */
  readonly pageFiles: number;
  readonly pageRuns: number;
  /** Between two rounds that delete what retention has left. */
  readonly sweepIntervalMs: number;
  /**
   * A topic of another owner, or of a broken stream, counts as written to the end so long after it was last seen to change:
   * until then its newest log file may grow, and its folders stay.
   */
  readonly topicSettledMs: number;
}

const KIB = 1 << 10;
const MIB = 1 << 20;

export const SEAWEED_LIMITS: SeaweedLimits = {
  runBytesMax: 2 * MIB - 4 * KIB,
  batchBytesMax: 64 * MIB,
  unackedBytesMax: 8 * MIB,
  unprovenShardBytesMax: 64 * MIB,
  unprovenBytesMax: 256 * MIB,
  ackTimeoutMs: 15_000,
  proofPollMs: 12_000,
  proofTimeoutMs: 60_000,
  settleMs: 0,
  callTimeoutMs: 10_000,
  closeTimeoutMs: 30_000,
  idleCloseMs: 60_000,
  backoffFirstMs: 100,
  backoffLastMs: 2_000,
  stallPauseMaxMs: 300_000,
  scanFirstBytes: 4 * KIB,
  scanStepBytes: MIB,
  readsAtOnce: 16,
  cacheBytesMax: 64 * MIB,
  readAheadBytes: 8 * MIB,
  fetchBytesMax: 8 * MIB,
  pageFiles: 64,
  pageRuns: 8_192,
  sweepIntervalMs: 5_000,
  topicSettledMs: 3_600_000,
};
