// Entering the view: reads it, or makes the first one, and puts this node's addresses into it by compare-and-set.

import type { Random } from '../runtime/ports.ts';
import { placeShards } from './placement.ts';
import type { MetadataStore } from './ports.ts';
import { StorageFault } from './ports.ts';
import type { Member, ViewValue } from './view.ts';

export const VIEW_KEY = 'view';
/** Compare-and-set attempts while others change the view. */
const ATTEMPTS_MAX = 32;

export interface NewCluster {
  /** Taken only when the cluster is created; absent: a random one. */
  readonly clusterId: string | null;
  readonly shardCount: number;
  /** All nodes are meant to be told of under one address. */
  readonly sharedAddress?: boolean;
}

/** The view that lies in the store, if any. @throws StorageFault */
export async function readView(store: MetadataStore): Promise<{ value: ViewValue; revision: number } | undefined> {
  const stored = await store.get(VIEW_KEY);
  if (stored === undefined) return undefined;
  return { value: decodeView(stored.value), revision: stored.revision };
}

export function decodeView(bytes: Uint8Array): ViewValue {
  return JSON.parse(Buffer.from(bytes).toString()) as ViewValue;
}

export function encodeView(value: ViewValue): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/**
 * Makes this node a member with the given addresses.
 * @returns the view that has it, whose epoch is new.
 * @throws StorageFault `unavailable` when others keep changing the view first
 */
export async function joinView(
  store: MetadataStore,
  self: Member,
  cluster: NewCluster,
  random: Random,
): Promise<ViewValue> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const stored = await readView(store);
    const value: ViewValue =
      stored === undefined
        ? {
            epoch: 1,
            clusterId: cluster.clusterId ?? Buffer.from(random.bytes(16)).toString('base64url'),
            shardCount: cluster.shardCount,
            members: [self],
            owners: placeShards([self], cluster.shardCount),
          }
        : withMembers(stored.value, [...stored.value.members.filter(({ nodeId }) => nodeId !== self.nodeId), self]);
    if ((await store.put(VIEW_KEY, encodeView(value), stored?.revision ?? 0)) !== undefined) return value;
  }
  throw new StorageFault('unavailable', 'the view keeps changing');
}

/**
 * Takes a node out of the view: it leaves, or another node votes it out because it is silent.
 * @param expectedEpoch absent when a node leaves itself. A vote gives the epoch of the view in which the silence was seen:
 *   it is void if the view has changed since, by which the node may have come back or another vote been first.
 * @returns the view without it; undefined when it was no member (any more) or the vote is void.
 * @throws StorageFault `unavailable` when others keep changing the view first
 */
export async function leaveView(
  store: MetadataStore,
  nodeId: number,
  expectedEpoch?: number,
): Promise<ViewValue | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const stored = await readView(store);
    if (stored === undefined || !stored.value.members.some((member) => member.nodeId === nodeId)) return undefined;
    if (expectedEpoch !== undefined && stored.value.epoch !== expectedEpoch) return undefined;
    const value = withMembers(
      stored.value,
      stored.value.members.filter((member) => member.nodeId !== nodeId),
    );
    if ((await store.put(VIEW_KEY, encodeView(value), stored.revision)) !== undefined) return value;
  }
  throw new StorageFault('unavailable', 'the view keeps changing');
}

/** The view after `before` that has these members; it moves no more shards than it must. */
function withMembers(before: ViewValue, members: readonly Member[]): ViewValue {
  const { shardCount, members: membersBefore, owners } = before;
  return {
    ...before,
    epoch: before.epoch + 1,
    members: [...members].sort((a, b) => a.nodeId - b.nodeId),
    owners: placeShards(members, shardCount, placeShards(membersBefore, shardCount, owners)),
  };
}
