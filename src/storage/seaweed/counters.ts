// What the store counts for its status: one object that its parts write to.

export class SeaweedCounters {
  movedRuns = 0;
  movedBytes = 0;
  ackedRuns = 0;
  resentRuns = 0;
  /** Bytes of the runs given and not proven, over all shards. */
  unprovenBytes = 0;
  lastAckMs: number | undefined;
  lastProofMs: number | undefined;
  lastFault: { readonly message: string; readonly atMs: number } | undefined;
  scannedChunks = 0;
  readBytes = 0;
  fetchedRuns = 0;
  deletedFiles = 0;
  unreadableChunks = 0;

  fault(error: unknown, atMs: number): void {
    this.lastFault = { message: error instanceof Error ? error.message : String(error), atMs };
  }

  /** The filer has answered after something went wrong. What is being moved shows by its proof that it can be. */
  reachable(): void {
    if (this.unprovenBytes === 0) this.lastFault = undefined;
  }

  proven(bytes: number, atMs: number): void {
    this.movedRuns++;
    this.movedBytes += bytes;
    this.lastProofMs = atMs;
    this.lastFault = undefined;
  }
}
