// The checks of what every node has: its listeners, metadata store, shards, group partitions, and the parts of its store.

import type { NodeInspection } from '../../src/actors/inspection.ts';
import type { Node, NodePorts } from '../../src/actors/node.ts';
import { VIEW_KEY } from '../../src/actors/shard/membership.ts';
import { type Listener, printListener } from '../../src/config.ts';
import type { Health } from '../../src/events.ts';
import type { HealthRegistry } from './health.ts';

/** Where a node is between its start and its end. */
export type Phase = 'starting' | 'serving' | 'stopping';

/** Adds the part `node`: whether it takes requests at all. */
export function addPhase(registry: HealthRegistry, phase: () => Phase): void {
  registry.add('node', () => ({ ready: phase() === 'serving', reason: phase() }));
}

/** Adds the parts of a node that has started. */
export function addNodeParts(
  registry: HealthRegistry,
  node: Node,
  { storage, metadataStore, mailbox }: Pick<NodePorts, 'storage' | 'metadataStore' | 'mailbox'>,
  listeners: readonly Listener[],
): void {
  registry.add('listeners', () => ({
    ready: true,
    reason: `listening on ${listeners.map(printListener).join(', ')}`,
    details: { connections: node.connections.count },
  }));
  registry.add('metadata', () => metadataHealth(metadataStore));
  registry.add('view', () => viewHealth(node.inspection));
  registry.add('shards', () => shardsHealth(node.inspection));
  registry.add('groups', () => groupsHealth(node.inspection));
  if (mailbox?.health !== undefined) registry.add('mailbox', () => mailbox.health?.() as Health);
  for (const part of Object.keys(storage.status?.().parts ?? {})) {
    registry.add(part, () => storage.status?.().parts[part] ?? { ready: false, reason: 'it says nothing' });
  }
}

async function metadataHealth(store: NodePorts['metadataStore']): Promise<Health> {
  const view = await store.get(VIEW_KEY);
  return view === undefined
    ? { ready: false, reason: 'the view of the cluster is missing' }
    : { ready: true, reason: 'answers' };
}

function viewHealth({ view }: NodeInspection): Health {
  const details = { epoch: view.epoch, members: view.members.map(({ nodeId }) => nodeId) };
  return view.member(view.nodeId) === undefined
    ? { ready: false, reason: 'this node is not a member of the cluster', details }
    : { ready: true, reason: `member of a cluster of ${view.members.length}`, details };
}

function shardsHealth(inspection: NodeInspection): Health {
  const { owned, open, queuedBytes } = inspection.shards();
  return {
    ready: open.length >= owned,
    reason: `${open.length} of ${owned} shards are open`,
    details: { owned, open: open.length, queuedBytes },
  };
}

function groupsHealth(inspection: NodeInspection): Health {
  const { ownedPartitions, loadedPartitions, loadingPartitions } = inspection.groups();
  return {
    ready: loadedPartitions >= ownedPartitions,
    reason: `${loadedPartitions} of ${ownedPartitions} group partitions are loaded`,
    details: { owned: ownedPartitions, loaded: loadedPartitions, loading: loadingPartitions },
  };
}
