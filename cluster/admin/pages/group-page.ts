// One consumer group: who is in it, what each has, and how far it is in every partition.

import type { GroupDetails, GroupMember, GroupPartition } from '../../../src/actors/overview/group-details.ts';
import { type Html, html, named } from './html.ts';
import { notice, table } from './layout.ts';

const figures = new Set([1, 2, 3, 4]);

export function groupPage(group: GroupDetails): Html {
  const { state, protocolType, protocol, coordinator, members, partitions, lagRecords } = group;
  const clientOf = new Map(members.map(({ memberId, clientId }) => [memberId, clientId]));
  return html`
<dl>
<dt>State</dt><dd>${state}</dd>
<dt>Protocol</dt><dd>${protocolType !== '' && named(protocolType)} ${protocol !== '' && named(protocol)}</dd>
<dt>Coordinator</dt><dd>node ${coordinator}</dd>
<dt>Lag</dt><dd>${lagRecords} records</dd>
</dl>
<h2>Members</h2>
${
  members.length === 0
    ? html`<p>Nobody is in it.</p>`
    : table(
        `${members.length} ${members.length === 1 ? 'member' : 'members'}`,
        ['Client id', 'Host', 'Member id', 'Instance id', 'Assignment'],
        members.map(memberRow),
      )
}
<h2>Partitions</h2>
${
  partitions.length === 0
    ? html`<p>It has committed no offset and been given no partition.</p>`
    : table(
        'Offsets',
        ['Topic', 'Partition', 'Committed offset', 'Log end offset', 'Lag', 'Client id'],
        partitions.map((partition) => partitionRow(partition, clientOf)),
        figures,
      )
}`;
}

export function groupNotFound(groupId: string): Html {
  return html`<p>There is no group ${named(groupId)}.</p>`;
}

export function groupNotAvailable(groupId: string, reason: string): Html {
  return notice(html`Group ${named(groupId)} is not available: ${reason}`);
}

function memberRow({ clientId, clientHost, memberId, groupInstanceId, assignment }: GroupMember): Html[] {
  const given =
    assignment === null
      ? html`none that can be shown`
      : html`${assignment.map(({ topic, partitions }) => html`${named(topic)}: ${partitions.join(', ')}<br>`)}`;
  return [
    named(clientId),
    named(clientHost),
    named(memberId),
    html`${groupInstanceId !== null && named(groupInstanceId)}`,
    given,
  ];
}

function partitionRow(
  { topic, partition, committedOffset, logEndOffset, lagRecords, memberId }: GroupPartition,
  clientOf: ReadonlyMap<string, string>,
): (Html | number | bigint)[] {
  return [
    named(topic),
    partition,
    committedOffset ?? html`none`,
    logEndOffset ?? html`<span class="bad">not available</span>`,
    lagRecords ?? html`unknown`,
    memberId === null ? html`nobody` : named(clientOf.get(memberId) ?? memberId),
  ];
}
