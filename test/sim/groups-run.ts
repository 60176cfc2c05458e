// The part of a run that concerns consumer groups: members come, go and come back; when the faults are over, every group
// has to settle: one generation, every partition owned once, everything read and committed.

import type { ClusterClient } from './clients/cluster-client.ts';
import { partitionId, type TopicPartition } from './clients/cluster-client.ts';
import { SimConsumer } from './clients/consumer.ts';
import { GroupConsumer } from './clients/group-consumer.ts';
import type { MemberPlan } from './scenario.ts';
import type { World } from './world.ts';

const FETCH_BYTES = 100_000;

type MakeClient = (name: string, options: { readonly newest: boolean }) => ClusterClient;

export class GroupsRun {
  readonly #world: World;
  readonly #partitions: readonly TopicPartition[];
  readonly #makeClient: MakeClient;
  /** Members by name, as they are now; undefined while one is away. */
  readonly #members = new Map<string, GroupConsumer | undefined>();
  readonly #groupOf = new Map<string, string>();
  #over = false;

  constructor(world: World, partitions: readonly TopicPartition[], makeClient: MakeClient) {
    this.#world = world;
    this.#partitions = partitions;
    this.#makeClient = makeClient;
  }

  /** The life of one member, until `end`. */
  async live(plan: MemberPlan): Promise<void> {
    const { scheduler } = this.#world;
    this.#groupOf.set(plan.name, plan.groupId);
    this.#members.set(plan.name, undefined);
    await scheduler.sleep(plan.joinMs);
    const first = this.#enter(plan);
    if (Number.isFinite(plan.goMs)) {
      await scheduler.sleep(plan.goMs);
      first.member.stop(plan.goes);
      this.#members.set(plan.name, undefined);
      await first.ended;
      await scheduler.sleep(plan.awayMs);
      if (!this.#over) await this.#enter(plan).ended;
    } else await first.ended;
  }

  /** Whether every group is at rest: one generation, each partition owned by one member and committed to its end. */
  settled(ends: ReadonlyMap<string, bigint>): boolean {
    return this.#problem(ends) === undefined;
  }

  /** Notes as an anomaly what keeps a group from rest. */
  judge(ends: ReadonlyMap<string, bigint>): void {
    const problem = this.#problem(ends);
    if (problem !== undefined) this.#world.history.add('groups', { kind: 'anomaly', what: problem });
  }

  /** Everybody leaves. */
  end(): void {
    this.#over = true;
    for (const member of this.#members.values()) member?.stop('leave');
  }

  #enter(plan: MemberPlan): { readonly member: GroupConsumer; readonly ended: Promise<void> } {
    const { name, maxWaitMs } = plan;
    // Only the newer versions carry a static member's name.
    const newest = plan.instanceId !== null;
    const consumer = new SimConsumer(this.#makeClient(name, { newest }), {
      maxWaitMs,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      partitionMaxBytes: FETCH_BYTES,
    });
    const member = new GroupConsumer(this.#makeClient(name, { newest }), consumer, this.#partitions, plan);
    this.#members.set(name, member);
    const ended = member.run();
    // Whoever waits for its end hears of a failure; until then nobody does.
    ended.catch(() => {});
    return { member, ended };
  }

  #problem(ends: ReadonlyMap<string, bigint>): string | undefined {
    for (const group of new Set(this.#groupOf.values())) {
      const members = [...this.#members].filter(([name]) => this.#groupOf.get(name) === group);
      const generations = new Set<number>();
      const owned = new Map<string, string>();
      for (const [name, member] of members) {
        const assignment = member?.assignment;
        if (member === undefined || assignment === undefined) return `${name} of ${group} consumes nothing`;
        generations.add(assignment.generationId);
        for (const partition of assignment.partitions) {
          const id = partitionId(partition);
          if (owned.has(id)) return `${id} belongs to ${owned.get(id)} and ${name} of ${group}`;
          owned.set(id, name);
          const committed = member.committedOffset(partition);
          const end = ends.get(id) ?? 0n;
          if (committed !== end) return `${name} of ${group} has committed ${committed} of ${id}, which ends at ${end}`;
        }
      }
      if (generations.size > 1) return `members of ${group} are in generations ${[...generations].join(', ')}`;
      const missing = this.#partitions.find((partition) => !owned.has(partitionId(partition)));
      if (missing !== undefined) return `nobody in ${group} owns ${partitionId(missing)}`;
    }
    return undefined;
  }
}
