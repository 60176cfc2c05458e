// What the journal knows of its own health, for /readyz and metrics.

import type { JournalContext, JournalShardLog } from './shard-log.ts';

export interface JournalShardStatus {
  readonly shard: number;
  readonly epoch: number;
  readonly lastSequence: number;
  /** Messages of the shard in the log, their bytes, and those of them that are only waiting to be trimmed. */
  readonly messages: number;
  readonly bytes: number;
  readonly deadBytes: number;
  /** What an opening now would read of the log, beside the index. */
  readonly messagesBehindIndex: number;
  readonly bytesBehindIndex: number;
}

export interface JournalStatus {
  /** Whether appends can be sent. */
  readonly connected: boolean;
  readonly server: string;
  readonly reconnects: number;
  /** Records are refused: the byte limit is reached. */
  readonly full: boolean;
  /** Bytes in the log streams, and what they may hold (-1: no limit of the journal's own). */
  readonly backlogBytes: number;
  readonly bytesMax: number;
  /** The latest append: from its sending to its acknowledgement. */
  readonly lastAppendMs: number;
  readonly appends: number;
  readonly appendedBytes: number;
  readonly appendBytesInFlight: number;
  readonly appendsWaiting: number;
  readonly cacheBytes: number;
  readonly maxPayload: number;
  readonly shards: readonly JournalShardStatus[];
}

export function statusOf(
  context: JournalContext,
  logs: readonly JournalShardLog[],
  appended: { readonly bytes: number; readonly count: number; readonly lastMs: number },
): JournalStatus {
  const { appends, reads, usage, appendBudget, reader } = context;
  return {
    connected: appends.connected && reads.connected,
    server: appends.server,
    reconnects: appends.reconnects + reads.reconnects,
    full: usage.full,
    backlogBytes: usage.bytes,
    bytesMax: usage.bytesMax,
    lastAppendMs: appended.lastMs,
    appends: appended.count,
    appendedBytes: appended.bytes,
    appendBytesInFlight: appendBudget.bytes,
    appendsWaiting: appendBudget.waiting,
    cacheBytes: reader.cacheBytes,
    maxPayload: appends.maxPayload,
    shards: logs.map((log) => ({
      shard: log.shard,
      epoch: log.epoch,
      lastSequence: log.lastSequence,
      messages: log.state.ledger.count,
      bytes: log.state.ledger.bytes,
      deadBytes: log.state.ledger.deadBytes,
      messagesBehindIndex: log.index.behind.messages,
      bytesBehindIndex: log.index.behind.bytes,
    })),
  };
}
