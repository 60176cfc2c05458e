// Entering the view: reads it, or makes the first one, and puts this node's addresses into it by compare-and-set.

import type { Random } from '../runtime/ports.ts';
import type { MetadataStore } from './ports.ts';
import { StorageFault } from './ports.ts';
import type { Member, ViewValue } from './view.ts';

export const VIEW_KEY = 'view';

export interface NewCluster {
  /** Taken only when the cluster is created; absent: a random one. */
  readonly clusterId: string | null;
  readonly shardCount: number;
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
  for (let attempt = 0; attempt < 32; attempt++) {
    const stored = await readView(store);
    const value: ViewValue =
      stored === undefined
        ? {
            epoch: 1,
            clusterId: cluster.clusterId ?? Buffer.from(random.bytes(16)).toString('base64url'),
            shardCount: cluster.shardCount,
            members: [self],
          }
        : {
            ...stored.value,
            epoch: stored.value.epoch + 1,
            members: [...stored.value.members.filter(({ nodeId }) => nodeId !== self.nodeId), self].sort(
              (a, b) => a.nodeId - b.nodeId,
            ),
          };
    if ((await store.put(VIEW_KEY, encodeView(value), stored?.revision ?? 0)) !== undefined) return value;
  }
  throw new StorageFault('unavailable', 'the view keeps changing');
}
