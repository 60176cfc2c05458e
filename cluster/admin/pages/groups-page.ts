// The list of consumer groups of the whole cluster, a page at a time.

import type { GroupAnswer, GroupList, ListedGroup } from '../../../src/actors/overview/cluster-overview.ts';
import { groupPath, type Html, html, named } from './html.ts';
import { notice, table } from './layout.ts';

/** Groups on one page. */
export const GROUPS_PER_PAGE = 50;

export interface GroupsView {
  /** What ids are to contain; empty: all. */
  readonly search: string;
  /** From 1. */
  readonly page: number;
  readonly pages: number;
  /** That match. */
  readonly total: number;
  readonly rows: readonly { readonly group: ListedGroup; readonly answer: GroupAnswer['answer'] }[];
  readonly notAvailable: GroupList['notAvailable'];
}

const figures = new Set([5, 6]);

export function groupsPage({ search, page, pages, total, rows, notAvailable }: GroupsView): Html {
  return html`
${missingGroups(notAvailable)}
<form method="get" action="/groups" role="search">
<label>Ids that contain <input name="search" value="${search}"></label> <button>Show</button>
</form>
${table(
  `${total} ${total === 1 ? 'group' : 'groups'}${notAvailable.length > 0 ? ' that are known of' : ''}`,
  ['Group', 'State', 'Type', 'Protocol', 'Coordinator', 'Members', 'Lag in records'],
  rows.map(({ group, answer }) => groupRow(group, answer)),
  figures,
)}
${pages > 1 && pageLinks(search, page, pages)}`;
}

/** Says whose groups are not known, rather than nothing. */
export function missingGroups(notAvailable: GroupList['notAvailable']): Html[] {
  return notAvailable.map(({ nodeId, reason }) =>
    notice(`The groups that node ${nodeId} coordinates are not available: ${reason}`),
  );
}

function groupRow(group: ListedGroup, answer: GroupAnswer['answer']): (Html | string | number | bigint)[] {
  const { groupId, type, protocolType, coordinator } = group;
  const link = html`<a href="${groupPath(groupId)}">${named(groupId)}</a>`;
  const protocol = html`${protocolType !== '' && named(protocolType)}`;
  const row = (state: string, members: Html | number, lag: Html | bigint) => [
    ...[link, state, type, protocol, `node ${coordinator}`],
    ...[members, lag],
  ];
  if (!answer.available) {
    const missing = html`<span class="bad" title="${answer.reason}">not available</span>`;
    return row(group.state, missing, missing);
  }
  if (answer.value === undefined) return row('deleted meanwhile', 0, 0n);
  return row(answer.value.state, answer.value.members.length, answer.value.lagRecords);
}

function pageLinks(search: string, page: number, pages: number): Html {
  const to = (number: number): string => `/groups?${new URLSearchParams({ search, page: String(number) })}`;
  return html`<p>${page > 1 && html`<a href="${to(page - 1)}" rel="prev">Previous</a> `}Page ${page} of ${pages}${
    page < pages && html` <a href="${to(page + 1)}" rel="next">Next</a>`
  }</p>`;
}
