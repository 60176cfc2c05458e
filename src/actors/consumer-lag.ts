// Consumer lag of the groups that this node coordinates: how far each committed offset is behind the partition's high
// watermark, wherever that partition is owned. Other nodes are asked once each, for all their partitions together.

import type { TopicCatalog } from './admin/catalog.ts';
import type { GroupCoordinator } from './group/coordinator.ts';
import { highWatermarksOf, type PartitionGlances } from './partition/high-watermarks.ts';
import type { Owners } from './remote/owners.ts';
import { type PartitionKey, partitionKey } from './shard/ports.ts';
import type { Shards } from './shard/shards.ts';
import type { View } from './shard/view.ts';

/** How long another node may take to tell its high watermarks, ms. */
const TIMEOUT_MS = 2_000;

export interface CommittedPartition {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
  readonly committedOffset: bigint;
  /** Never negative: what is committed beyond the log's end lags by nothing. */
  readonly lagRecords: bigint;
}

export interface ConsumerLag {
  readonly partitions: readonly CommittedPartition[];
  /** Committed partitions left out: beyond the bound, or nobody could tell their high watermark. */
  readonly omitted: number;
}

/** Where high watermarks are known. */
export interface HighWatermarkSources {
  readonly view: View;
  readonly owners: Owners;
  readonly shards: Shards;
  readonly partitions: PartitionGlances;
}

export interface ConsumerLagEnvironment extends HighWatermarkSources {
  readonly catalog: TopicCatalog;
  readonly coordinator: GroupCoordinator;
}

interface Wanted {
  readonly key: PartitionKey;
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
  readonly committedOffset: bigint;
}

/** @param partitionsMax committed partitions that are looked at, over all groups */
export async function consumerLag(environment: ConsumerLagEnvironment, partitionsMax: number): Promise<ConsumerLag> {
  const { wanted, omitted } = committedPartitions(environment, partitionsMax);
  const highWatermarks = await collectHighWatermarks(new Set(wanted.map(({ key }) => key)), environment);
  const known: CommittedPartition[] = [];
  for (const { key, groupId, topic, partition, committedOffset } of wanted) {
    const highWatermark = highWatermarks.get(key);
    if (highWatermark === undefined) continue;
    const lagRecords = highWatermark > committedOffset ? highWatermark - committedOffset : 0n;
    known.push({ groupId, topic, partition, committedOffset, lagRecords });
  }
  return { partitions: known, omitted: omitted + wanted.length - known.length };
}

function committedPartitions(
  { coordinator, catalog }: ConsumerLagEnvironment,
  partitionsMax: number,
): { readonly wanted: readonly Wanted[]; readonly omitted: number } {
  const wanted: Wanted[] = [];
  let omitted = 0;
  for (const { groups } of coordinator.look()) {
    for (const [groupId, { state }] of groups) {
      for (const [topic, offsets] of state.offsets) {
        const { id, partitionCount } = catalog.byName(topic) ?? { id: undefined, partitionCount: 0 };
        for (const [partition, { offset }] of offsets) {
          // Offsets of what is no more are on their way out.
          if (id === undefined || partition >= partitionCount) continue;
          if (wanted.length >= partitionsMax) omitted++;
          else wanted.push({ key: partitionKey(id, partition), groupId, topic, partition, committedOffset: offset });
        }
      }
    }
  }
  return { wanted, omitted };
}

/** High watermarks by partition, wherever it is owned; those that nobody could tell are left out. */
export async function collectHighWatermarks(
  keys: ReadonlySet<PartitionKey>,
  { view, owners, shards, partitions }: HighWatermarkSources,
): Promise<Map<PartitionKey, bigint>> {
  const byNode = new Map<number, PartitionKey[]>();
  for (const key of keys) {
    const nodeId = view.ownerOfPartition(key.slice(0, 22), Number(key.slice(23)));
    const ofNode = byNode.get(nodeId);
    if (ofNode === undefined) byNode.set(nodeId, [key]);
    else ofNode.push(key);
  }
  const found = new Map<PartitionKey, bigint>();
  await Promise.all(
    [...byNode].map(async ([nodeId, ofNode]) => {
      const offsets =
        nodeId === view.nodeId
          ? await highWatermarksOf(ofNode, partitions, shards)
          : await askNode(nodeId, ofNode, owners);
      for (const [index, key] of ofNode.entries()) {
        const offset = offsets[index];
        if (offset !== null && offset !== undefined) found.set(key, offset);
      }
    }),
  );
  return found;
}

/** A node that does not answer, or is of an older release, leaves its partitions untold. */
async function askNode(
  nodeId: number,
  keys: readonly PartitionKey[],
  owners: Owners,
): Promise<readonly (bigint | null)[]> {
  try {
    const message = {
      service: 'node',
      key: '',
      kind: 'highWatermarks',
      message: { keys },
      timeoutMs: TIMEOUT_MS,
    } as const;
    return (await owners.toNode(nodeId, message)) as readonly (bigint | null)[];
  } catch {
    return [];
  }
}
