// Leader epochs of a log: which offset an epoch ended at, and whether a fetcher's belief about the current one holds
// (KIP-101, KIP-279, KIP-320; Kafka's LeaderEpochFileCache and Partition.checkCurrentLeaderEpoch).

import { ErrorCode } from '../../protocol/errors.ts';
import type { EpochStart } from './state.ts';

export const UNKNOWN_EPOCH = -1;
export const UNKNOWN_OFFSET = -1n;

/** NONE, FENCED_LEADER_EPOCH (the client's is old) or UNKNOWN_LEADER_EPOCH (it is newer than ours). */
export function checkLeaderEpoch(clientEpoch: number, leaderEpoch: number): number {
  if (clientEpoch === UNKNOWN_EPOCH || clientEpoch === leaderEpoch) return ErrorCode.NONE;
  return clientEpoch < leaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH;
}

/**
 * The largest epoch not above `epoch` that has records, and the offset at which it ends.
 * @param logEndOffset where the current epoch ends
 * @returns epoch -1 and offset -1n when `epoch` is unknown
 */
export function endOfEpoch(
  epochs: readonly EpochStart[],
  epoch: number,
  leaderEpoch: number,
  logEndOffset: bigint,
): { epoch: number; endOffset: bigint } {
  const unknown = { epoch: UNKNOWN_EPOCH, endOffset: UNKNOWN_OFFSET };
  if (epoch === UNKNOWN_EPOCH || epoch > leaderEpoch) return unknown;
  if (epoch === leaderEpoch) return { epoch, endOffset: logEndOffset };
  const next = epochs.findIndex((entry) => entry.epoch > epoch);
  const first = epochs[0];
  if (first === undefined) return unknown;
  if (next === 0) return { epoch, endOffset: first.startOffset };
  if (next === -1) return { epoch: (epochs.at(-1) as EpochStart).epoch, endOffset: logEndOffset };
  return { epoch: (epochs[next - 1] as EpochStart).epoch, endOffset: (epochs[next] as EpochStart).startOffset };
}
