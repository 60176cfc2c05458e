// Runs one scenario from beginning to end and judges its history: clients work while faults happen, everything heals,
// everybody gets time to finish, every log is read whole, and the checkers look at what was seen.

import { check } from './checkers/all.ts';
import type { Violation } from './checkers/log-view.ts';
import { SimAdmin } from './clients/admin.ts';
import { type ClusterClient, partitionId, type TopicPartition } from './clients/cluster-client.ts';
import { EARLIEST, SimConsumer } from './clients/consumer.ts';
import { SimProducer } from './clients/producer.ts';
import type { DiskDefect } from './defects.ts';
import { endOf, readWhole } from './final-read.ts';
import { GroupsRun } from './groups-run.ts';
import type { HistoryEvent } from './history.ts';
import type { NodeLog } from './node-host.ts';
import type { Scenario } from './scenario.ts';
import { World } from './world.ts';

export interface RunOptions {
  readonly defect?: DiskDefect;
  readonly log?: (atMs: number, ...line: Parameters<NodeLog>) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly events: readonly HistoryEvent[];
  /** Events of the world that ran, and how much virtual time they took, ms. */
  readonly steps: number;
  readonly virtualMs: number;
}

/** Time that everything has to come to rest once the faults are over, ms. */
const SETTLE_MS = 60_000;
const SETUP_MS = 30_000;
/** A log that has not grown for so long grows no more, ms. */
const REST_MS = 7_000;
/** Producers go on for a while after the faults, to show that the world works again. */
const AFTERGLOW_MS = 1_000;

export async function runScenario(scenario: Scenario, options: RunOptions = {}): Promise<RunResult> {
  const world: World = new World({
    ...scenario,
    ...(options.defect === undefined ? {} : { defect: options.defect }),
    log: (...line) => options.log?.(world.scheduler.nowMs, ...line),
  });
  const run = new Run(world, scenario);
  try {
    await run.all();
  } catch (error) {
    world.history.add('world', { kind: 'anomaly', what: `the run broke off: ${(error as Error).stack}` });
  }
  return {
    seed: scenario.seed,
    violations: check(world.history.events),
    events: world.history.events,
    steps: world.scheduler.eventCount,
    virtualMs: world.scheduler.nowMs,
  };
}

class Run {
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #partitions = new Map<string, readonly TopicPartition[]>();
  #producers: SimProducer[] = [];
  #consumers: SimConsumer[] = [];
  #groups: GroupsRun | undefined;
  /** Consumers, who go on until everything is read. */
  readonly #readers = new Set<string>();
  /** Everything that clients do, by name: what it waits for must come. */
  readonly #activities = new Map<string, 'running' | 'ended'>();
  #busy = true;

  constructor(world: World, scenario: Scenario) {
    this.#world = world;
    this.#scenario = scenario;
  }

  async all(): Promise<void> {
    const { scheduler } = this.#world;
    await this.#world.start(SETUP_MS);
    await this.#createTopics();
    const startMs = scheduler.nowMs;
    this.#world.schedule(this.#scenario.faults.map((fault) => ({ ...fault, atMs: fault.atMs + startMs })));
    this.#startClients();
    await scheduler.advance(this.#scenario.busyMs);
    this.#busy = false;
    this.#world.heal();
    await scheduler.advance(AFTERGLOW_MS);
    for (const producer of this.#producers) producer.stop();
    await this.#ended((name) => !this.#readers.has(name));
    await this.#readEverything();
    await this.#catchUp();
    for (const consumer of this.#consumers) consumer.stop();
    this.#groups?.end();
    await this.#ended(() => true);
  }

  /** Runs something that a client does, to be waited for at the end. */
  #activity(name: string, work: Promise<void>): void {
    this.#activities.set(name, 'running');
    work.then(
      () => this.#activities.set(name, 'ended'),
      (error) => {
        this.#activities.set(name, 'ended');
        this.#anomaly(name, `broke off: ${(error as Error).stack}`);
      },
    );
  }

  #anomaly(client: string, what: string): void {
    this.#world.history.add(client, { kind: 'anomaly', what });
  }

  /** Lets time pass until the activities have ended; one that does not is an anomaly. */
  async #ended(matches: (name: string) => boolean): Promise<void> {
    const running = () =>
      [...this.#activities].filter(([name, state]) => state === 'running' && matches(name)).map(([name]) => name);
    const { scheduler } = this.#world;
    await scheduler.runUntil(scheduler.nowMs + SETTLE_MS, () => running().length === 0);
    for (const name of running()) this.#anomaly(name, `has not ended ${SETTLE_MS} ms after the faults`);
  }

  /** Runs `work` to its end. */
  async #complete<T>(what: string, work: Promise<T>, timeoutMs = SETTLE_MS): Promise<T> {
    let result: { value: T } | undefined;
    let failure: { error: unknown } | undefined;
    work.then(
      (value) => {
        result = { value };
      },
      (error) => {
        failure = { error };
      },
    );
    const { scheduler } = this.#world;
    await scheduler.runUntil(scheduler.nowMs + timeoutMs, () => result !== undefined || failure !== undefined);
    if (failure !== undefined) throw failure.error;
    if (result === undefined) throw new Error(`${what} takes longer than ${timeoutMs} ms`);
    return result.value;
  }

  async #createTopics(): Promise<void> {
    const admin = new SimAdmin(this.#world.client('admin', { newest: true }));
    for (const topic of this.#scenario.topics) {
      const partitions = await this.#complete(`creating ${topic.name}`, admin.createTopic(topic, SETUP_MS));
      if (partitions === undefined) throw new Error(`${topic.name} cannot be created`);
      this.#partitions.set(topic.name, partitions);
      if ('retention.bytes' in topic.configs) for (const partition of partitions) this.#mayShrink(partition);
    }
  }

  /** Retention deletes without being asked; to the checkers it is somebody who asked for everything. */
  #mayShrink(partition: TopicPartition): void {
    const { history } = this.#world;
    const operation = history.operation();
    const beforeOffset = 2n ** 62n;
    history.add('retention', { kind: 'deleteRecords', operation, partition: partitionId(partition), beforeOffset });
  }

  #client(name: string, options: { readonly newest?: boolean } = {}): ClusterClient {
    const client = this.#world.client(name, options);
    for (const [topic, [first]] of this.#partitions) {
      if (first !== undefined) client.knownTopicIds.set(topic, first.topicId);
    }
    return client;
  }

  #startClients(): void {
    const { producers, consumers, deleteRecordsMeanMs, churnMeanMs } = this.#scenario;
    for (const { name, topic, ...options } of producers) {
      const partitions = this.#partitions.get(topic) ?? [];
      const producer = new SimProducer(this.#client(name), { ...options, partitions });
      this.#producers.push(producer);
      this.#activity(name, producer.run());
    }
    for (const { name, topics, ...options } of consumers) {
      const consumer = new SimConsumer(this.#client(name), options);
      consumer.assign(topics.flatMap((topic) => this.#partitions.get(topic) ?? []).map((each) => [each, EARLIEST]));
      this.#consumers.push(consumer);
      this.#readers.add(name);
      this.#activity(name, consumer.run());
    }
    const groups = new GroupsRun(this.#world, [...this.#partitions.values()].flat(), (name, options) =>
      this.#client(name, options),
    );
    this.#groups = groups;
    for (const member of this.#scenario.members) {
      this.#readers.add(member.name);
      this.#activity(member.name, groups.live(member));
    }
    if (Number.isFinite(deleteRecordsMeanMs)) this.#activity('deleter', this.#deleteRecords(deleteRecordsMeanMs));
    if (Number.isFinite(churnMeanMs)) this.#activity('churner', this.#churnTopics(churnMeanMs));
  }

  /** Deletes some of the records of some partition now and then. */
  async #deleteRecords(meanMs: number): Promise<void> {
    const { scheduler } = this.#world;
    const admin = new SimAdmin(this.#client('deleter'));
    const random = this.#world.random.fork('deleter');
    while (this.#busy) {
      await scheduler.sleep(random.exponential(meanMs));
      const partition = random.pick(random.pick([...this.#partitions.values()]));
      // Below the position of a consumer: an offset that exists.
      const reached = random
        .pick(this.#consumers)
        .positions()
        .find(([each]) => partitionId(each) === partitionId(partition));
      if (reached === undefined || !this.#busy) continue;
      await admin.deleteRecords(partition, BigInt(Math.floor(Number(reached[1]) * random.float())));
    }
    admin.client.disconnect();
  }

  /** Creates short-lived topics under one name, writes to them, and deletes them. */
  async #churnTopics(meanMs: number): Promise<void> {
    const { scheduler } = this.#world;
    const random = this.#world.random.fork('churner');
    const admin = new SimAdmin(this.#world.client('churner', { newest: true }));
    for (let round = 0; this.#busy; round++) {
      const partitions = await admin.createTopic({ name: 'short-lived', partitionCount: random.int(1, 2) }, 20_000);
      if (partitions === undefined) continue;
      const producer = new SimProducer(this.#world.client(`churn-${round}`, { newest: true }), {
        partitions,
        idempotent: true,
        inFlightMax: 3,
        acks: -1,
        intervalMeanMs: 50,
        batchRecordsMax: 2,
        valueBytes: 20,
        compression: 'none',
        deliveryTimeoutMs: 3_000,
        spoilChance: 0,
      });
      const consumer = new SimConsumer(this.#world.client(`churn-reader-${round}`, { newest: true }), {
        maxWaitMs: 200,
        minBytes: 1,
        maxBytes: 10_000,
        partitionMaxBytes: 10_000,
      });
      consumer.assign(partitions.map((partition) => [partition, EARLIEST]));
      this.#activity(`churn-${round}`, producer.run());
      this.#activity(`churn-reader-${round}`, consumer.run());
      await scheduler.sleep(random.exponential(meanMs));
      const deleting = admin.deleteTopic((partitions[0] as TopicPartition).topicId, 20_000);
      await scheduler.sleep(random.exponential(100));
      producer.stop();
      consumer.stop();
      await deleting;
    }
    admin.client.disconnect();
  }

  async #readEverything(): Promise<void> {
    const client = this.#client('final-reader');
    await this.#complete('waiting for the logs to come to rest', this.#atRest(client));
    for (const partition of [...this.#partitions.values()].flat()) {
      await this.#complete(`reading ${partitionId(partition)}`, readWhole(client, partition));
    }
    client.disconnect();
  }

  /** Resolves when no log has grown for a while: what nobody waits for (acks=0) may still be on its way. */
  async #atRest(client: ClusterClient): Promise<void> {
    const { scheduler } = this.#world;
    for (let before = ''; ; ) {
      const ends = [];
      for (const partition of [...this.#partitions.values()].flat()) ends.push(await endOf(client, partition));
      if (before === String(ends)) return;
      before = String(ends);
      await scheduler.sleep(REST_MS);
    }
  }

  /** Lets consumers read to the end, and notes how far they got. */
  async #catchUp(): Promise<void> {
    const { scheduler, history } = this.#world;
    const ends = new Map(
      history.events.flatMap((event) => (event.kind === 'finalRead' ? [[event.partition, event.highWatermark]] : [])),
    );
    const reached = () =>
      this.#consumers.every((consumer) => {
        const positions = consumer.positions();
        return positions.every(([partition, offset]) => offset === ends.get(partitionId(partition)));
      }) && this.#groups?.settled(ends) !== false;
    await scheduler.runUntil(scheduler.nowMs + SETTLE_MS, reached);
    this.#groups?.judge(ends);
    for (const consumer of this.#consumers) {
      for (const [partition, offset] of consumer.positions()) {
        history.add(consumer.client.name, { kind: 'finalPosition', partition: partitionId(partition), offset });
      }
    }
  }
}
