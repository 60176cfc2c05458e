// The configuration that groups obey, in the units in which they use it.

import type { BrokerConfig } from '../../config.ts';

export interface GroupLimits {
  /** group.initial.rebalance.delay.ms */
  readonly initialRebalanceDelayMs: number;
  /** group.max.size */
  readonly membersMax: number;
  /** offset.metadata.max.bytes; counted in characters, as Kafka does. */
  readonly offsetMetadataLengthMax: number;
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
    offsetsRetentionMs: config.offsetsRetentionMinutes * 60_000,
  };
}
