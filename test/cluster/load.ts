// Load on a cluster while a test does harm to it: an idempotent producer and a group member (franz-go), what they were told,
// and what must hold between that and the log in the end.

import { expect } from 'chai';
import { contradictions, type LoggedRecord, lostCommits } from '../clients/history.ts';
import { ClientRun, type Command, consume } from '../clients/program.ts';
import { committedOffsets, createTopic, endOffsets } from '../clients/target.ts';
import { anyEvent, eventually } from '../clients/waiting.ts';

const group = 'follower';
const producerName = 'producer';
const waitTimeoutMs = 60_000;

export interface LoadPace {
  /** To wait for at the start. */
  readonly acks?: number;
  /** Records a second; as fast as it goes unless given. */
  readonly rate?: number;
}

export class Load {
  readonly #bootstrap: () => string;
  readonly #command: Command;
  readonly #topic: string;
  readonly #partitions: number;
  readonly #producer: ClientRun;
  readonly #follower: ClientRun;
  readonly #acks: Gaps;
  readonly #deliveries: Gaps;
  readonly #complaints: string[] = [];

  private constructor(bootstrap: () => string, command: Command, topic: string, partitions: number, rate: number) {
    this.#bootstrap = bootstrap;
    this.#command = command;
    this.#topic = topic;
    this.#partitions = partitions;
    const at = ['--bootstrap', bootstrap(), '--topic', topic, '--partitions', String(partitions)];
    this.#follower = new ClientRun('franz-go', command, [
      'follow',
      ...at,
      ...['--group', `${group}-${topic}`, '--session-timeout-ms', '6000'],
    ]);
    this.#producer = new ClientRun('franz-go', command, [
      'load',
      ...at,
      ...['--name', producerName, '--rate', String(rate)],
    ]);
    this.#acks = new Gaps(this.#producer, 'acked');
    this.#deliveries = new Gaps(this.#follower, 'record');
    for (const { process } of [this.#producer, this.#follower])
      process.child.stderr!.on('data', (text: string) => this.#complaints.push(text));
  }

  /** @param bootstrap a node that serves at the time of the call */
  static async start(
    bootstrap: () => string,
    command: Command,
    topic: string,
    partitions: number,
    pace: LoadPace = {},
  ): Promise<Load> {
    await createTopic(bootstrap(), topic, partitions);
    const load = new Load(bootstrap, command, topic, partitions, pace.rate ?? 0);
    await load.acks(pace.acks ?? 300);
    return load;
  }

  /** Waits for so many further acks. @throws Error when a client fails, or none come */
  async acks(count: number): Promise<void> {
    const due = this.#producer.events.length + count;
    const done = () => this.#producer.events.length;
    await this.#await(`acks up to ${due}`, () => done() >= due, done);
  }

  /** Waits until every partition has been acked since now. */
  async everyPartition(): Promise<void> {
    const sinceMs = performance.now();
    const silent = () => this.#partitions - this.#acks.partitionsSince(sinceMs);
    await this.#await('acks of every partition', () => silent() === 0, silent);
  }

  /** Waits until the follower has been given a record of every partition since now. */
  async everyDelivery(): Promise<void> {
    const sinceMs = performance.now();
    const silent = () => this.#partitions - this.#deliveries.partitionsSince(sinceMs);
    await this.#await('deliveries of every partition', () => silent() === 0, silent);
  }

  /** Forgets the gaps so far: the next `longestGapMs` begins here. */
  resetGaps(): void {
    this.#acks.reset();
    this.#deliveries.reset();
  }

  /** The longest that any partition went without an ack since `resetGaps`, ms. */
  get longestGapMs(): number {
    return this.#acks.longestMs;
  }

  /** The longest that the follower went without a record of any partition since `resetGaps`, ms. */
  get longestDeliveryGapMs(): number {
    return this.#deliveries.longestMs;
  }

  /** What the clients have said on stderr: errors that they do not keep to themselves. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /**
   * Ends the clients, and checks what they were told against what is there.
   * @param beforeReading awaited when nothing is written any more, before all is read from its start
   */
  async finish(seed: string, beforeReading: () => Promise<void> = async () => {}): Promise<{ acked: number }> {
    const bootstrap = this.#bootstrap();
    await this.#producer.leave();
    const ends = await endOffsets(bootstrap, this.#topic);
    const told = committedByWord(this.#follower);
    await eventually('the follower has committed up to the end', waitTimeoutMs, async () => {
      const committed = await committedOffsets(bootstrap, `${group}-${this.#topic}`, this.#topic);
      expect(lostCommits(told, committed), seed).to.be.empty;
      expect(committed).to.deep.equal(ends);
    });
    await this.#follower.leave();
    await beforeReading();
    const count = [...ends.values()].reduce((sum, end) => sum + end, 0);
    const log = await consume({ name: 'franz-go' }, this.#command, {
      bootstrap,
      topic: this.#topic,
      partitions: this.#partitions,
      count,
    });
    const acked = this.#producer
      .all('acked')
      .map(({ partition, index, offset }) => ({ producer: producerName, partition, number: index, offset: offset! }));
    const seen = this.#follower.all('record').map(asLogged);
    expect(contradictions({ log: log.map(asLogged), acked, seen }), seed).to.deep.equal([]);
    return { acked: acked.length };
  }

  /** Ends the clients, whatever they do. */
  async close(): Promise<void> {
    for (const run of [this.#producer, this.#follower]) if (!run.process.hasEnded) await run.kill();
  }

  async #await(what: string, condition: () => boolean, progress: () => number): Promise<void> {
    await anyEvent([this.#producer, this.#follower], what, condition, progress, waitTimeoutMs);
  }
}

/** How long each partition goes without an event of one kind. */
class Gaps {
  readonly #run: ClientRun;
  readonly #kind: 'acked' | 'record';
  /** When each partition had its last, and the longest it went without one since `reset`, ms. */
  readonly #lastMs = new Map<number, number>();
  readonly #longestMs = new Map<number, number>();
  #counted = 0;

  constructor(run: ClientRun, kind: 'acked' | 'record') {
    this.#run = run;
    this.#kind = kind;
    // After the run itself has read it: each event is timed when it comes, whatever the test does meanwhile.
    run.process.child.stdout!.on('data', () => this.#note());
  }

  /** How many partitions have had one since then. */
  partitionsSince(sinceMs: number): number {
    return [...this.#lastMs.values()].filter((ms) => ms > sinceMs).length;
  }

  get longestMs(): number {
    return Math.max(0, ...this.#longestMs.values());
  }

  reset(): void {
    this.#longestMs.clear();
  }

  #note(): void {
    const nowMs = performance.now();
    const { events } = this.#run;
    for (; this.#counted < events.length; this.#counted++) {
      const event = events[this.#counted]!;
      if (event.event !== this.#kind) continue;
      const { partition } = event as { partition: number };
      const gapMs = nowMs - (this.#lastMs.get(partition) ?? nowMs);
      this.#lastMs.set(partition, nowMs);
      if (gapMs > (this.#longestMs.get(partition) ?? 0)) this.#longestMs.set(partition, gapMs);
    }
  }
}

/** The highest offsets that the member was told are committed. */
function committedByWord(member: ClientRun): Map<number, number> {
  const told = new Map<number, number>();
  for (const { offsets } of member.all('committed')) {
    for (const [partition, offset] of Object.entries(offsets)) told.set(Number(partition), offset);
  }
  return told;
}

function asLogged({
  partition,
  offset,
  value,
}: {
  partition: number;
  offset: number;
  value: string | null;
}): LoggedRecord {
  return { partition, offset, value: Buffer.from(value ?? '', 'base64').toString() };
}
