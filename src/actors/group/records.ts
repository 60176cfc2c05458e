// A group's records as they lie in `__consumer_offsets`: Kafka's own keys and values, so that whatever reads that topic
// of Kafka (Burrow, kminion, the console consumer's formatters) reads this one. Versions are those that Kafka 4.3 writes
// (GroupCoordinatorRecordHelpers).

import { recordVersion } from '../../protocol/coordinator-records/define.ts';
import { groupMetadataKey, groupMetadataValue } from '../../protocol/coordinator-records/group-metadata.ts';
import { offsetCommitKey, offsetCommitValue } from '../../protocol/coordinator-records/offset-commit.ts';
import type { GroupRecord, StoredGeneration } from './state.ts';

const offsetKeyVersion = 1;
const offsetValueVersion = 4;
/** The only version that knows an offset's own expiry. */
const offsetValueVersionWithExpiry = 1;
const groupKeyVersion = 2;
const groupValueVersion = 3;

export interface EncodedRecord {
  readonly key: Buffer;
  /** Null: a tombstone. */
  readonly value: Buffer | null;
  readonly timestampMs: bigint;
}

export function encodeGroupRecord(groupId: string, record: GroupRecord, timestampMs: bigint): EncodedRecord {
  switch (record.kind) {
    case 'offsetCommitted': {
      const { offset, leaderEpoch, metadata, commitTimestampMs, expireTimestampMs, topicId } = record.offset;
      return {
        key: offsetKey(groupId, record.topic, record.partitionIndex),
        value: offsetCommitValue.encode(expireTimestampMs < 0n ? offsetValueVersion : offsetValueVersionWithExpiry, {
          offset,
          leaderEpoch,
          metadata,
          commitTimestamp: commitTimestampMs,
          expireTimestamp: expireTimestampMs,
          topicId,
        }),
        timestampMs,
      };
    }
    case 'offsetRemoved':
      return { key: offsetKey(groupId, record.topic, record.partitionIndex), value: null, timestampMs };
    case 'generationStored':
      return { key: groupKey(groupId), value: encodeGeneration(record.generation), timestampMs };
    case 'groupRemoved':
      return { key: groupKey(groupId), value: null, timestampMs };
  }
}

/**
 * Reads a record back.
 * @returns undefined for a kind of record that this version does not know; Kafka, too, passes over those
 * @throws ProtocolError when the bytes are damaged
 */
export function decodeGroupRecord(
  key: Buffer,
  value: Buffer | null,
): { readonly groupId: string; readonly record: GroupRecord } | undefined {
  switch (recordVersion(key)) {
    case 0:
    case 1: {
      const { group, topic, partition } = offsetCommitKey.decode(key).value;
      if (value === null)
        return { groupId: group, record: { kind: 'offsetRemoved', topic, partitionIndex: partition } };
      const read = offsetCommitValue.decode(value).value;
      const offset = {
        offset: read.offset,
        leaderEpoch: read.leaderEpoch,
        metadata: read.metadata,
        commitTimestampMs: read.commitTimestamp,
        expireTimestampMs: read.expireTimestamp,
        topicId: read.topicId,
      };
      return { groupId: group, record: { kind: 'offsetCommitted', topic, partitionIndex: partition, offset } };
    }
    case 2: {
      const { group } = groupMetadataKey.decode(key).value;
      if (value === null) return { groupId: group, record: { kind: 'groupRemoved' } };
      return { groupId: group, record: { kind: 'generationStored', generation: decodeGeneration(value) } };
    }
    default:
      return undefined;
  }
}

function offsetKey(group: string, topic: string, partition: number): Buffer {
  return offsetCommitKey.encode(offsetKeyVersion, { group, topic, partition });
}

function groupKey(group: string): Buffer {
  return groupMetadataKey.encode(groupKeyVersion, { group });
}

function encodeGeneration(generation: StoredGeneration): Buffer {
  return groupMetadataValue.encode(groupValueVersion, {
    protocolType: generation.protocolType,
    generation: generation.generationId,
    protocol: generation.protocolName,
    leader: generation.leader,
    currentStateTimestamp: generation.stateTimestampMs,
    members: generation.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: member.subscription,
      assignment: member.assignment,
    })),
  });
}

function decodeGeneration(value: Buffer): StoredGeneration {
  const read = groupMetadataValue.decode(value).value;
  return {
    protocolType: read.protocolType,
    generationId: read.generation,
    protocolName: read.protocol,
    leader: read.leader,
    stateTimestampMs: read.currentStateTimestamp,
    members: read.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeoutMs: member.rebalanceTimeout === -1 ? member.sessionTimeout : member.rebalanceTimeout,
      sessionTimeoutMs: member.sessionTimeout,
      // Copies: a view would keep the whole batch that was replayed in memory.
      subscription: Buffer.from(member.subscription),
      assignment: Buffer.from(member.assignment),
    })),
  };
}
