// What any node can tell of the whole cluster: its nodes, and its consumer groups with their lag. Groups live on their
// coordinators, which are asked as clients' requests ask them: group by group through the directory, node by node through
// the mailbox. Who does not answer is named with the reason, and what is not known for it.

import type { TopicCatalog } from '../admin/catalog.ts';
import { CONSUMER_OFFSETS } from '../admin/internal-topics.ts';
import { collectHighWatermarks, type HighWatermarkSources } from '../consumer-lag.ts';
import type { GroupCoordinator } from '../group/coordinator.ts';
import { groupPartition } from '../group/group-partition.ts';
import type { GroupSummary } from '../group/protocol.ts';
import type { Directory } from '../router/services.ts';
import type { Clock } from '../runtime/ports.ts';
import type { Member } from '../shard/view.ts';
import { type Answer, answerWithin, type NotAvailable } from './answer.ts';
import { type DescribedGroup, draftGroup, type GroupDetails } from './group-details.ts';
import type { NodeStatus } from './node-status.ts';

/** How long a node, or a group's coordinator, may take, ms: people wait. */
const TIMEOUT_MS = 3_000;

export interface ClusterOverviewEnvironment extends HighWatermarkSources {
  readonly clock: Clock;
  readonly catalog: TopicCatalog;
  readonly coordinator: GroupCoordinator;
  readonly directory: Directory;
  /** Of this node. */
  readonly status: () => Promise<NodeStatus>;
}

export interface NodeOverview {
  readonly nodeId: number;
  readonly endpoints: Member['endpoints'];
  readonly rack: string | null;
  readonly status: Answer<NodeStatus>;
}

/** A group in the list, and the node that coordinates it. */
export interface ListedGroup extends GroupSummary {
  readonly coordinator: number;
}

export interface GroupList {
  /** By id. */
  readonly groups: readonly ListedGroup[];
  /** Nodes whose groups are not among them. */
  readonly notAvailable: readonly { readonly nodeId: number; readonly reason: string }[];
}

/** Details of a group; undefined: there is no such group. */
export type GroupAnswer = { readonly coordinator: number; readonly answer: Answer<GroupDetails | undefined> };

export class ClusterOverview {
  readonly #environment: ClusterOverviewEnvironment;

  constructor(environment: ClusterOverviewEnvironment) {
    this.#environment = environment;
  }

  get cluster(): {
    readonly clusterId: string;
    readonly nodeId: number;
    readonly viewEpoch: number;
    readonly shardCount: number;
  } {
    const { clusterId, nodeId, epoch, shardCount } = this.#environment.view;
    return { clusterId, nodeId, viewEpoch: epoch, shardCount };
  }

  /** What this node tells of itself. */
  ownStatus(): Promise<NodeStatus> {
    return this.#environment.status();
  }

  /** Every node of the view. */
  nodes(): Promise<NodeOverview[]> {
    return Promise.all(
      this.#environment.view.members.map(async ({ nodeId, endpoints, rack }) => ({
        nodeId,
        endpoints,
        rack,
        status: await this.#ask<NodeStatus>(nodeId, 'status', () => this.ownStatus()),
      })),
    );
  }

  /** All groups of the cluster. */
  async groups(): Promise<GroupList> {
    const { view, coordinator } = this.#environment;
    const answers = await Promise.all(
      view.members.map(async ({ nodeId }) => {
        const answer = await this.#ask<GroupSummary[]>(nodeId, 'listGroups', () => coordinator.listGroups());
        return { nodeId, answer };
      }),
    );
    const groups = new Map<string, ListedGroup>();
    const notAvailable: { nodeId: number; reason: string }[] = [];
    for (const { nodeId, answer } of answers) {
      if (!answer.available) notAvailable.push({ nodeId, reason: answer.reason });
      // One that moves while it is asked for may be told twice.
      else for (const summary of answer.value) groups.set(summary.groupId, { ...summary, coordinator: nodeId });
    }
    return { groups: [...groups.values()].sort((a, b) => (a.groupId < b.groupId ? -1 : 1)), notAvailable };
  }

  /** Details of these groups, in their order; nodes are asked for high watermarks once for all of them. */
  async details(groupIds: readonly string[]): Promise<GroupAnswer[]> {
    const { catalog } = this.#environment;
    const described = await Promise.all(groupIds.map((groupId) => this.#describe(groupId)));
    const drafts = described.map(({ answer }) => {
      if (!answer.available || answer.value === undefined) return answer as Answer<undefined>;
      return { available: true as const, value: draftGroup(answer.value, catalog) };
    });
    const keys = drafts.flatMap((draft) => (draft.available ? (draft.value?.keys ?? []) : []));
    const highWatermarks = await collectHighWatermarks(new Set(keys), this.#environment);
    return drafts.map((draft, index) => ({
      coordinator: described[index]!.coordinator,
      answer: draft.available ? { available: true, value: draft.value?.complete(highWatermarks) } : draft,
    }));
  }

  async #describe(groupId: string): Promise<{ coordinator: number; answer: Answer<DescribedGroup | undefined> }> {
    const { view, catalog, directory, clock } = this.#environment;
    const topic = catalog.byName(CONSUMER_OFFSETS);
    // Before the first group of a cluster there is no coordinator of any.
    if (topic === undefined) return { coordinator: -1, answer: { available: true, value: undefined } };
    const coordinator = view.ownerOfPartition(topic.id, groupPartition(groupId, topic.partitionCount));
    const group = directory.group(groupId);
    const asked = Promise.all([
      group.ask('describe', {}),
      group.ask('fetchOffsets', { topics: null, requireStable: false, memberId: null, memberEpoch: -1 }),
    ]).then(([description, offsets]) =>
      description.exists ? { groupId, coordinator, description, offsets } : undefined,
    );
    const answer = await answerWithin(clock, TIMEOUT_MS, asked);
    return { coordinator, answer: answer.available ? answer : fromNode(coordinator, answer) };
  }

  /** Asks a node, this one too, a question about itself. */
  async #ask<T>(nodeId: number, kind: string, local: () => Promise<T>): Promise<Answer<T>> {
    const { view, owners, clock } = this.#environment;
    const message = { service: 'node', key: '', kind, message: {}, timeoutMs: TIMEOUT_MS } as const;
    const asked = nodeId === view.nodeId ? local() : (owners.toNode(nodeId, message) as Promise<T>);
    const answer = await answerWithin(clock, TIMEOUT_MS, asked);
    return answer.available ? answer : fromNode(nodeId, answer);
  }
}

function fromNode(nodeId: number, { available, reason }: NotAvailable): NotAvailable {
  return { available, reason: reason.includes(`node ${nodeId} `) ? reason : `node ${nodeId}: ${reason}` };
}
