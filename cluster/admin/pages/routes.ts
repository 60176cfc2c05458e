// The pages for people, and under /api/ what is behind them as JSON: cluster, groups, one group. They show and change nothing;
// any node shows the whole cluster.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ClusterOverview, GroupAnswer } from '../../../src/actors/overview/cluster-overview.ts';
import type { AdminPages } from '../server.ts';
import { type ClusterView, clusterPage } from './cluster-page.ts';
import { groupNotAvailable, groupNotFound, groupPage } from './group-page.ts';
import { GROUPS_PER_PAGE, type GroupsView, groupsPage } from './groups-page.ts';
import type { Html } from './html.ts';
import { contentSecurityPolicy, page } from './layout.ts';

interface Shown {
  readonly status: number;
  readonly title: string;
  readonly content: Html;
  /** The same as data. */
  readonly data: unknown;
}

type Show = (overview: ClusterOverview, request: FastifyRequest) => Promise<Shown>;

export function addPages(app: FastifyInstance, pages: Pick<AdminPages, 'overview'>): void {
  const add = (path: string, apiPath: string, show: Show): void => {
    app.get(path, async (request, reply) => {
      const overview = pages.overview();
      if (overview === undefined) return starting(reply).type('text/plain; charset=utf-8').send('the node starts\n');
      const { status, title, content } = await show(overview, request);
      const { nodeId, clusterId } = overview.cluster;
      return guarded(reply.code(status))
        .type('text/html; charset=utf-8')
        .send(page({ title, url: request.url, nodeId, clusterId, content }).text);
    });
    app.get(apiPath, async (request, reply) => {
      const overview = pages.overview();
      if (overview === undefined) return starting(reply).send({ error: 'the node starts' });
      const { status, data } = await show(overview, request);
      return guarded(reply.code(status)).type('application/json; charset=utf-8').send(jsonOf(data));
    });
  };
  add('/', '/api/cluster', showCluster);
  add('/groups', '/api/groups', showGroups);
  add('/groups/:groupId', '/api/groups/:groupId', showGroup);
}

async function showCluster(overview: ClusterOverview): Promise<Shown> {
  const { viewEpoch, shardCount, clusterId } = overview.cluster;
  const view: ClusterView = { viewEpoch, shardCount, nodes: await overview.nodes() };
  return { status: 200, title: 'Cluster', content: clusterPage(view), data: { clusterId, ...view } };
}

async function showGroups(overview: ClusterOverview, request: FastifyRequest): Promise<Shown> {
  const query = request.query as Readonly<Record<string, string | string[] | undefined>>;
  const search = lastOf(query.search) ?? '';
  const { groups, notAvailable } = await overview.groups();
  const matching = groups.filter(({ groupId }) => groupId.includes(search));
  const pages = Math.max(1, Math.ceil(matching.length / GROUPS_PER_PAGE));
  const wanted = Number(lastOf(query.page) ?? 1);
  const number = Number.isInteger(wanted) ? Math.min(Math.max(1, wanted), pages) : 1;
  const listed = matching.slice((number - 1) * GROUPS_PER_PAGE, number * GROUPS_PER_PAGE);
  const details = await overview.details(listed.map(({ groupId }) => groupId));
  const rows = listed.map((group, index) => ({ group, answer: details[index]!.answer }));
  const view: GroupsView = { search, page: number, pages, total: matching.length, rows, notAvailable };
  const data = {
    ...{ page: number, pages, total: matching.length, notAvailable },
    groups: rows.map(({ group, answer }) => ({ ...group, ...dataOf(answer) })),
  };
  return { status: 200, title: 'Groups', content: groupsPage(view), data };
}

async function showGroup(overview: ClusterOverview, request: FastifyRequest): Promise<Shown> {
  const { groupId } = request.params as { readonly groupId: string };
  const [{ coordinator, answer }] = (await overview.details([groupId])) as [GroupAnswer];
  const shown = { title: `Group ${groupId}`, data: { groupId, coordinator, ...dataOf(answer) } };
  if (!answer.available) return { ...shown, status: 503, content: groupNotAvailable(groupId, answer.reason) };
  if (answer.value === undefined) return { ...shown, status: 404, content: groupNotFound(groupId) };
  return { ...shown, status: 200, content: groupPage(answer.value) };
}

/** Of a group: `available`, and the reason or the details. */
function dataOf(answer: GroupAnswer['answer']): object {
  if (!answer.available) return answer;
  return answer.value === undefined
    ? { available: true, exists: false }
    : { available: true, exists: true, ...answer.value };
}

/** Offsets are texts, since they exceed what a number in JSON holds for most readers. */
function jsonOf(data: unknown): string {
  return JSON.stringify(data, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

function lastOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.at(-1) : value;
}

function starting(reply: FastifyReply): FastifyReply {
  return reply.code(503).header('retry-after', '1');
}

/** Nothing from elsewhere is loaded, nobody else frames it, nobody keeps it. */
function guarded(reply: FastifyReply): FastifyReply {
  return reply.headers({
    'content-security-policy': contentSecurityPolicy,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
}
