// What a node tells of itself to whichever node is asked for the status of the cluster.

import type { Health, HealthReport } from '../../events.ts';
import type { NodeInspection } from '../inspection.ts';

/** Plain data: it travels between nodes. */
export interface NodeStatus {
  /** Whether every part is. */
  readonly ready: boolean;
  /** By name, as on /readyz. */
  readonly parts: Readonly<Record<string, Health>>;
  readonly viewEpoch: number;
  readonly shards: { readonly owned: number; readonly open: number };
  /** Partitions of `__consumer_offsets` that this node coordinates, and what is in those that are loaded. */
  readonly groups: {
    readonly ownedPartitions: number;
    readonly loadedPartitions: number;
    readonly groups: number;
    readonly members: number;
  };
}

/** @param health of its parts; absent: nothing is told of them */
export async function nodeStatus(
  inspection: NodeInspection,
  health: (() => Promise<HealthReport>) | undefined,
): Promise<NodeStatus> {
  const { ready, parts } = (await health?.()) ?? { ready: true, parts: {} };
  const { owned, open } = inspection.shards();
  const { byState, ownedPartitions, loadedPartitions } = inspection.groups();
  let groups = 0;
  let members = 0;
  for (const counted of byState.values()) {
    groups += counted.groups;
    members += counted.members;
  }
  return {
    ready,
    parts,
    viewEpoch: inspection.view.epoch,
    shards: { owned, open: open.length },
    groups: { ownedPartitions, loadedPartitions, groups, members },
  };
}
