// The page of the cluster: its nodes, what each owns, and which of their parts are not well.

import type { NodeOverview } from '../../../src/actors/overview/cluster-overview.ts';
import type { Health } from '../../../src/events.ts';
import { type Html, html, named } from './html.ts';
import { notice, table } from './layout.ts';

export interface ClusterView {
  readonly viewEpoch: number;
  readonly shardCount: number;
  readonly nodes: readonly NodeOverview[];
}

const figures = new Set([3, 4, 5, 6]);

export function clusterPage({ viewEpoch, shardCount, nodes }: ClusterView): Html {
  const silent = nodes.filter(({ status }) => !status.available);
  return html`
<p>${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}, ${shardCount} shards, epoch ${viewEpoch} of the view.</p>
${silent.map(({ nodeId, status }) => notice(`Node ${nodeId} is not available: ${status.available ? '' : status.reason}`))}
${table(
  'Nodes of the view',
  ['Node', 'Address', 'Health', 'Shards open / owned', 'Group partitions loaded / owned', 'Groups', 'Members'],
  nodes.map(nodeRow),
  figures,
)}
${nodes.map(partsOf)}`;
}

function nodeRow({ nodeId, endpoints, rack, status }: NodeOverview): (Html | string | number)[] {
  const addresses = Object.entries(endpoints).map(
    ([listener, { host, port }]) => html`${listener} ${named(`${host}:${port}`)}<br>`,
  );
  const where = html`${addresses}${rack !== null && html`rack ${named(rack)}`}`;
  if (!status.available) return [nodeId, where, html`<span class="bad">not available</span>`, '?', '?', '?', '?'];
  const { ready, shards, groups } = status.value;
  return [
    nodeId,
    where,
    readiness(ready),
    `${shards.open} / ${shards.owned}`,
    `${groups.loadedPartitions} / ${groups.ownedPartitions}`,
    groups.groups,
    groups.members,
  ];
}

function readiness(ready: boolean): Html {
  return ready ? html`<span class="good">ready</span>` : html`<span class="bad">not ready</span>`;
}

function partsOf({ nodeId, status }: NodeOverview): Html | false {
  if (!status.available) return false;
  const rows = Object.entries(status.value.parts).map(([part, health]) => partRow(part, health));
  if (rows.length === 0) return false;
  return html`<h2>Node ${nodeId}</h2>
${table(`Parts of node ${nodeId}`, ['Part', 'Health', 'How it stands'], rows)}`;
}

function partRow(part: string, { ready, reason }: Health): (Html | string)[] {
  return [part, readiness(ready), reason];
}
