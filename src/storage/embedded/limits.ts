// The sizes that shape the embedded store, with why each is what it is (docs/decisions/0002-embedded-store.md has the
// measurements). Tests make them small.

export interface EmbeddedLimits {
  /** Bytes of one of the two journal files: bounds the batches held in memory until they are settled, and the replay. */
  readonly journalBytesMax: number;
  /** The end of a journal file, and blocks ahead of its end, for log starts, removals and openings alone: they free. */
  readonly journalBytesReserved: number;
  /**
   * Batches of one partition in one append go to its segment file at once from this size on, else into the journal and
   * to the segment file when that is settled. With `fsync` every file written costs a sync, with `os` next to nothing.
   */
  readonly directBytesMin: Readonly<Record<'fsync' | 'os', number>>;
  /** Bytes that one append puts into the journal; what is above goes to segment files whatever its size. */
  readonly inlineBytesMax: number;
  /** A segment file is left for a new one at this size: the unit in which retention gives space back. */
  readonly segmentBytesMax: number;
  /** Batches that lie in a row share an index row up to this size: what a read may have to skip over. */
  readonly runBytesMax: number;
  /** Index rows under one entry of the sparse in-memory index. */
  readonly spanRunsMax: number;
  /** Runs that wait for settlement in segment files, and their bytes, before a settlement starts early. */
  readonly pendingRunsMax: number;
  readonly pendingBytesMax: number;
  /** Segment files held open. */
  readonly openFilesMax: number;
  /** Index rows of removed partitions that one settlement deletes: keeps it short. */
  readonly removedRowsMax: number;
}

const MIB = 1 << 20;

export const EMBEDDED_LIMITS: EmbeddedLimits = {
  journalBytesMax: 16 * MIB,
  journalBytesReserved: MIB / 2,
  directBytesMin: { fsync: 32 << 10, os: 8 << 10 },
  inlineBytesMax: 2 * MIB,
  segmentBytesMax: 128 * MIB,
  runBytesMax: 128 << 10,
  spanRunsMax: 256,
  pendingRunsMax: 8192,
  pendingBytesMax: 512 * MIB,
  openFilesMax: 256,
  removedRowsMax: 10_000,
};
