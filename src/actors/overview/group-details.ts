// A consumer group as people look at it: members with what each was given, and for every partition that was given or
// committed how far the group is. Put together from DescribeGroups' and OffsetFetch's answers and the high watermarks.

import { consumerProtocolAssignment } from '../../protocol/coordinator-records/consumer-protocol.ts';
import { ErrorCode } from '../../protocol/errors.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { TopicCatalog } from '../admin/catalog.ts';
import type { DescribedMember, GroupDescription, OffsetsReply } from '../group/protocol.ts';
import { type PartitionKey, partitionKey } from '../shard/ports.ts';

export interface GroupMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Null: not in the form of Kafka's consumers, or the group is not stable. */
  readonly assignment: readonly { readonly topic: string; readonly partitions: readonly number[] }[] | null;
}

export interface GroupPartition {
  readonly topic: string;
  readonly partition: number;
  /** Null: nothing is committed. */
  readonly committedOffset: bigint | null;
  /** Null: its owner does not tell, or the partition is no more. */
  readonly logEndOffset: bigint | null;
  /** Null when one of them is. What is committed beyond the end lags by nothing. */
  readonly lagRecords: bigint | null;
  /** Who has it; null: nobody. */
  readonly memberId: string | null;
}

export interface GroupDetails {
  readonly groupId: string;
  /** Node id. */
  readonly coordinator: number;
  readonly state: string;
  readonly protocolType: string;
  /** The assignment strategy; empty unless the group is stable. */
  readonly protocol: string;
  readonly members: readonly GroupMember[];
  /** By topic and partition. */
  readonly partitions: readonly GroupPartition[];
  /** Over all partitions whose lag is known. */
  readonly lagRecords: bigint;
}

/** What the coordinator has said of a group. */
export interface DescribedGroup {
  readonly groupId: string;
  readonly coordinator: number;
  readonly description: GroupDescription;
  readonly offsets: OffsetsReply;
}

interface Row {
  readonly topic: string;
  readonly partition: number;
  readonly key: PartitionKey | undefined;
  committedOffset: bigint | null;
  memberId: string | null;
}

/** A group on its way to its details: what is to be found out of partitions is known, and not found out yet. */
export interface GroupDraft {
  readonly keys: readonly PartitionKey[];
  complete(highWatermarks: ReadonlyMap<PartitionKey, bigint>): GroupDetails;
}

export function draftGroup(
  { groupId, coordinator, description, offsets }: DescribedGroup,
  catalog: TopicCatalog,
): GroupDraft {
  const members = description.members.map(memberOf);
  const rows = rowsOf(members, offsets, catalog);
  return {
    keys: rows.map(({ key }) => key).filter((key) => key !== undefined),
    complete(highWatermarks) {
      const partitions = rows.map((row) => partitionOf(row, highWatermarks));
      return {
        groupId,
        coordinator,
        state: description.state,
        protocolType: description.protocolType,
        protocol: description.protocolData,
        members,
        partitions,
        lagRecords: partitions.reduce((sum, { lagRecords }) => sum + (lagRecords ?? 0n), 0n),
      };
    },
  };
}

function memberOf({ memberId, groupInstanceId, clientId, clientHost, assignment }: DescribedMember): GroupMember {
  return { memberId, groupInstanceId, clientId, clientHost, assignment: assignmentOf(assignment) };
}

function assignmentOf(bytes: Buffer): GroupMember['assignment'] {
  if (bytes.length === 0) return null;
  try {
    const { value } = consumerProtocolAssignment.decode(bytes);
    return value.assignedPartitions
      .map(({ topic, partitions }) => ({ topic, partitions: [...partitions].sort((a, b) => a - b) }))
      .sort((a, b) => compare(a.topic, b.topic));
  } catch (error) {
    // Whatever else members agree upon (Kafka Connect, say): it is theirs.
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

function rowsOf(members: readonly GroupMember[], offsets: OffsetsReply, catalog: TopicCatalog): Row[] {
  const rows = new Map<string, Row>();
  const row = (topic: string, partition: number): Row => {
    const name = `${topic}/${partition}`;
    let found = rows.get(name);
    if (found === undefined) {
      const known = catalog.byName(topic);
      const exists = known !== undefined && partition >= 0 && partition < known.partitionCount;
      const key = exists ? partitionKey(known.id, partition) : undefined;
      found = { topic, partition, key, committedOffset: null, memberId: null };
      rows.set(name, found);
    }
    return found;
  };
  for (const { name, partitions } of offsets.topics) {
    for (const { partitionIndex, committedOffset, errorCode } of partitions) {
      if (errorCode === ErrorCode.NONE && committedOffset >= 0n)
        row(name, partitionIndex).committedOffset = committedOffset;
    }
  }
  for (const { memberId, assignment } of members) {
    for (const { topic, partitions } of assignment ?? []) {
      for (const partition of partitions) row(topic, partition).memberId = memberId;
    }
  }
  return [...rows.values()].sort((a, b) => compare(a.topic, b.topic) || a.partition - b.partition);
}

function partitionOf(
  { topic, partition, key, committedOffset, memberId }: Row,
  highWatermarks: ReadonlyMap<PartitionKey, bigint>,
): GroupPartition {
  const logEndOffset = (key === undefined ? undefined : highWatermarks.get(key)) ?? null;
  const known = logEndOffset !== null && committedOffset !== null;
  const lagRecords = known ? (logEndOffset > committedOffset ? logEndOffset - committedOffset : 0n) : null;
  return { topic, partition, committedOffset, logEndOffset, lagRecords, memberId };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
