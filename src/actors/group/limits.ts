// The configuration that groups obey, in the units in which they use it.

import type { BrokerConfig } from '../../config.ts';

export interface GroupLimits {
  /** group.initial.rebalance.delay.ms */
  readonly initialRebalanceDelayMs: number;
  /** group.max.size */
  readonly membersMax: number;
  /** offset.metadata.max.bytes; counted in characters, as Kafka does. */
  readonly offsetMetadataLengthMax: number;
  /** message.max.bytes: what one commit or one generation may take in the log. */
  readonly batchBytesMax: number;
  /** offsets.retention.minutes */
  readonly offsetsRetentionMs: number;
}

/** How long a new member may wait for its first generation (Kafka: CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS). */
export const newMemberJoinTimeoutMs = 300_000;

export function groupLimits(config: BrokerConfig): GroupLimits {
  return {
    initialRebalanceDelayMs: config.groupInitialRebalanceDelayMs,
    membersMax: config.groupMaxSize,
    offsetMetadataLengthMax: config.offsetMetadataMaxBytes,
    batchBytesMax: config.messageMaxBytes,
    offsetsRetentionMs: config.offsetsRetentionMinutes * 60_000,
  };
}

/** A session timer that fires later than this fires after a stall of the process, whose sockets are still to be read, ms. */
export const sessionTimerLateMs = 5;
/** How long members have then to be heard with what they said in time. */
export const sessionReadMs = 100;
/** How long asks wait for a partition that is loading before they are told COORDINATOR_LOAD_IN_PROGRESS. */
export const loadWaitMs = 3_000;
/** Delay before a partition that could not be loaded is tried again. */
export const loadRetryDelayMs = 1_000;
/** A partition's log is not worth a snapshot below this size. */
export const snapshotBytesMin = 1_048_576;
/** A snapshot is due when the log has grown to this many times what was live after the last one. */
export const snapshotGrowthFactor = 4;
/** Records of a snapshot that are appended as one batch at most. */
export const snapshotRecordsMax = 500;
