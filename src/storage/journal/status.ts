// What the journal knows of its own health, for /readyz and metrics: in its own words, and in those of the storage port.

import type { StorageStatus } from '../../actors/shard/ports.ts';
import type { Health } from '../../events.ts';
import type { ColdStoreStatus } from '../seaweed/cold-store.ts';
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
  /** Whether the cold store serves the shard; undefined: there is none. */
  readonly coldOpen: boolean | undefined;
  /** Bytes of batches that are still to be moved to the cold store. */
  readonly unmovedBytes: number;
}

export interface JournalStatus {
  /** Whether appends can be sent. */
  readonly connected: boolean;
  readonly server: string;
  readonly reconnects: number;
  /** What JetStream was last seen not to do (no leader, no answer); undefined: it does its work. */
  readonly fault: string | undefined;
  /** Records are refused: the byte limit is reached. */
  readonly full: boolean;
  /** Bytes in the log streams, and what they may hold (-1: no limit of the journal's own). */
  readonly backlogBytes: number;
  readonly bytesMax: number;
  /** The latest append: from its sending to its acknowledgement. */
  readonly lastAppendMs: number;
  readonly appends: number;
  readonly appendedBytes: number;
  /** Messages that were sent without being copied together; 0 after appends: the NATS client is not as it is known. */
  readonly gathered: number;
  readonly appendBytesInFlight: number;
  /** What may be under way now: less than configured while NATS is slow. */
  readonly appendBytesInFlightMax: number;
  readonly appendsWaiting: number;
  readonly cacheBytes: number;
  readonly maxPayload: number;
  /** Undefined: there is no cold store. */
  readonly cold: ColdStoreStatus | undefined;
  readonly shards: readonly JournalShardStatus[];
}

export function statusOf(
  context: JournalContext,
  logs: readonly JournalShardLog[],
  appended: { readonly bytes: number; readonly count: number; readonly lastMs: number },
  fault: string | undefined,
): JournalStatus {
  const { appends, reads, usage, appendBudget, reader } = context;
  return {
    connected: appends.connected && reads.connected,
    server: appends.server,
    reconnects: appends.reconnects + reads.reconnects,
    fault,
    full: usage.full,
    backlogBytes: usage.bytes,
    bytesMax: usage.bytesMax,
    lastAppendMs: appended.lastMs,
    appends: appended.count,
    appendedBytes: appended.bytes,
    gathered: appends.gathered,
    appendBytesInFlight: appendBudget.bytes,
    appendBytesInFlightMax: appendBudget.bound,
    appendsWaiting: appendBudget.waiting,
    cacheBytes: reader.cacheBytes,
    maxPayload: appends.maxPayload,
    cold: context.cold?.status(),
    shards: logs.map((log) => ({
      shard: log.shard,
      epoch: log.epoch,
      lastSequence: log.lastSequence,
      messages: log.state.ledger.count,
      bytes: log.state.ledger.bytes,
      deadBytes: log.state.ledger.deadBytes,
      messagesBehindIndex: log.index.behind.messages,
      bytesBehindIndex: log.index.behind.bytes,
      coldOpen: log.coldOpen,
      unmovedBytes: log.unmovedBytes,
    })),
  };
}

/** The same as the storage port tells it. */
export function portStatus(status: JournalStatus): StorageStatus {
  const { cold, shards } = status;
  const figures = {
    sargasso_journal_stored_bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
    ...(status.bytesMax < 0 ? {} : { sargasso_journal_limit_bytes: status.bytesMax }),
  };
  if (cold === undefined) return { parts: { journal: journalHealth(status) }, figures };
  return {
    parts: { journal: journalHealth(status), seaweedmq: coldHealth(cold, shards) },
    figures: {
      ...figures,
      sargasso_seaweedmq_shards_not_open: shardsNotOpen(shards),
      sargasso_seaweedmq_unmoved_bytes: unmovedBytes(shards),
      sargasso_seaweedmq_backlog_runs: cold.backlogRuns,
      sargasso_seaweedmq_backlog_bytes: cold.backlogBytes,
      sargasso_seaweedmq_backlog_seconds: cold.backlogAgeMs / 1_000,
      sargasso_seaweedmq_moved_runs_total: cold.movedRuns,
      sargasso_seaweedmq_moved_bytes_total: cold.movedBytes,
      sargasso_seaweedmq_resent_runs_total: cold.resentRuns,
      sargasso_seaweedmq_read_bytes_total: cold.readBytes,
      sargasso_seaweedmq_fetched_runs_total: cold.fetchedRuns,
      sargasso_seaweedmq_index_bytes: cold.indexBytes,
      sargasso_seaweedmq_cache_bytes: cold.cacheBytes,
      sargasso_seaweedmq_deleted_files_total: cold.deletedFiles,
      sargasso_seaweedmq_unreadable_chunks_total: cold.unreadableChunks,
    },
  };
}

function journalHealth(status: JournalStatus): Health {
  const { connected, fault, full, server, backlogBytes, bytesMax, lastAppendMs, reconnects, appendsWaiting } = status;
  const reason = !connected
    ? 'no connection to NATS'
    : fault !== undefined
      ? `JetStream: ${fault}`
      : full
        ? `full: ${backlogBytes} of ${bytesMax} bytes; records are refused`
        : `connected to ${server}`;
  const details = { server, backlogBytes, bytesMax, lastAppendMs, reconnects, appendsWaiting, full };
  // A full journal serves readers still.
  return { ready: connected && fault === undefined, reason, details };
}

function coldHealth(cold: ColdStoreStatus, shards: readonly JournalShardStatus[]): Health {
  const away = shardsNotOpen(shards);
  const { lastFault, backlogRuns, backlogBytes, backlogAgeMs, lastProofMs } = cold;
  const reason =
    away > 0
      ? `not open for ${away} of ${shards.length} shards`
      : lastFault !== undefined
        ? `since its last proof: ${lastFault.message}`
        : 'open';
  const details = {
    shardsNotOpen: away,
    unmovedBytes: unmovedBytes(shards),
    backlogRuns,
    backlogBytes,
    backlogAgeMs,
    lastProofMs,
    lastFault,
  };
  // Away, it is missed by readers of old records alone; the node serves everything else from the journal.
  return { ready: true, reason, details };
}

/** Shards that the cold store does not serve yet. */
function shardsNotOpen(shards: readonly JournalShardStatus[]): number {
  return shards.filter(({ coldOpen }) => coldOpen === false).length;
}

function unmovedBytes(shards: readonly JournalShardStatus[]): number {
  return shards.reduce((sum, shard) => sum + shard.unmovedBytes, 0);
}
