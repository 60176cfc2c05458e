// The topics that belong to coordinators, and the settings they are created with: a group or a transaction finds its
// partition by hashing into their partition count, so nobody may create them in another shape.

import { effectiveText } from '../../config/broker-config.ts';
import type { BrokerConfig } from '../../config.ts';

export const CONSUMER_OFFSETS = '__consumer_offsets';
export const TRANSACTION_STATE = '__transaction_state';
export const SHARE_GROUP_STATE = '__share_group_state';

/** First part of the broker options about each topic. */
const optionPrefixes = {
  [CONSUMER_OFFSETS]: 'offsets.topic',
  [TRANSACTION_STATE]: 'transaction.state.log',
  [SHARE_GROUP_STATE]: 'share.coordinator.state.topic',
} as const;

export type InternalTopicName = keyof typeof optionPrefixes;

/** Whether the topic belongs to a coordinator. */
export function isInternalTopic(name: string): name is InternalTopicName {
  return Object.hasOwn(optionPrefixes, name);
}

export interface InternalTopicSettings {
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly configs: ReadonlyMap<string, string>;
}

/** How Kafka's coordinators want their topic (groupMetadataTopicConfigs, transactionStateTopicConfigs and their like). */
export function internalTopicSettings(name: InternalTopicName, config: BrokerConfig): InternalTopicSettings {
  const text = (option: string): string => effectiveText(config.layers, `${optionPrefixes[name]}.${option}`) as string;
  const configs: Record<InternalTopicName, readonly (readonly [string, string])[]> = {
    [CONSUMER_OFFSETS]: [
      ['cleanup.policy', 'compact'],
      ['compression.type', 'producer'],
      ['segment.bytes', text('segment.bytes')],
    ],
    [TRANSACTION_STATE]: [
      ['cleanup.policy', 'compact'],
      ['compression.type', 'uncompressed'],
      ['min.insync.replicas', text('min.isr')],
      ['segment.bytes', text('segment.bytes')],
      ['unclean.leader.election.enable', 'false'],
    ],
    [SHARE_GROUP_STATE]: [
      ['cleanup.policy', 'delete'],
      ['compression.type', 'uncompressed'],
      ['min.insync.replicas', text('min.isr')],
      ['retention.ms', '-1'],
      ['segment.bytes', text('segment.bytes')],
    ],
  };
  return {
    partitionCount: Number(text('num.partitions')),
    replicationFactor: Number(text('replication.factor')),
    configs: new Map(configs[name]),
  };
}
