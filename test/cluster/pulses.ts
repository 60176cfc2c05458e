// How long partitions and groups are not available while a test does harm to a cluster, in the cluster's own time: requests
// of one kind in a row to each of them, on a connection of its own, the next one right after the answer to the last. A node
// that survives takes them all and forwards them to the owners, so no time of a client's (its metadata, its back-off) is in
// what is measured. When the node dies after all, the connection is made to the next one.
//
// Groups are asked for more than an answer: their one member must be known for ever, and what it has committed be there.

import { setTimeout as delay } from 'node:timers/promises';
import { ErrorCode } from '../../src/protocol/errors.ts';
import { Conversation, type GroupMember } from './conversation.ts';

/** How long `beating` waits for what does not answer. */
const beatingTimeoutMs = 60_000;
/** A coordinator says one of these if it has lost or mixed up what it knew of the group. */
const forgotten: readonly number[] = [
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.REBALANCE_IN_PROGRESS,
  ErrorCode.GROUP_ID_NOT_FOUND,
];

interface Pulse {
  readonly name: string;
  /** One request. @returns a Kafka error code */
  readonly beat: (conversation: Conversation) => Promise<number>;
  conversation: Conversation | undefined;
  answeredMs: number;
  longestMs: number;
  last: string;
}

interface MemberOfItsOwn extends GroupMember {
  readonly groupId: string;
  /** Offsets sent and acknowledged to be committed last. */
  sent: number;
  committed: number;
}

export interface PulsesOptions {
  /** Nodes to go to, the first one first. */
  readonly bootstraps: readonly string[];
  readonly topic: string;
  readonly partitions: readonly number[];
  /** Groups that have no member yet. */
  readonly groupIds: readonly string[];
  /** Between a request and the next, so that what is measured does not load the machine; 10 unless given, ms. */
  readonly restMs?: number;
}

export class Pulses {
  readonly #options: PulsesOptions;
  readonly #restMs: number;
  readonly #pulses: Pulse[] = [];
  readonly #members: MemberOfItsOwn[] = [];
  readonly #findings: string[] = [];
  #running: Promise<void>[] = [];
  #over = false;

  private constructor(options: PulsesOptions) {
    this.#options = options;
    this.#restMs = options.restMs ?? 10;
  }

  /** Produces to the partitions; heartbeats and commits in the groups, as their only members; until `end`. */
  static async begin(options: PulsesOptions): Promise<Pulses> {
    const pulses = new Pulses(options);
    const { bootstraps, topic, partitions, groupIds } = options;
    for (const partition of partitions) {
      const conversation = await Conversation.begin(bootstraps[0]!);
      pulses.#add(`partition ${partition}`, conversation, async (current) => {
        return (await current.produce(topic, partition, ['pulse'])).errorCode;
      });
    }
    for (const groupId of groupIds) {
      const conversation = await Conversation.begin(bootstraps[0]!);
      const member = { groupId, sent: 0, committed: 0, ...(await conversation.join(groupId, topic)) };
      pulses.#members.push(member);
      pulses.#add(`group ${groupId}`, conversation, (current) => pulses.#beatGroup(current, member));
    }
    pulses.#running = pulses.#pulses.map((pulse) => pulses.#keepBeating(pulse));
    return pulses;
  }

  /** Waits until all have been answered since now. @throws Error on time-out, naming those that have not */
  async beating(): Promise<void> {
    const sinceMs = performance.now();
    for (;;) {
      const silent = this.#pulses.filter(({ answeredMs }) => answeredMs < sinceMs);
      if (silent.length === 0) return;
      if (performance.now() - sinceMs > beatingTimeoutMs) {
        const names = silent.map(({ name, last }) => `${name} (last: ${last})`).join(', ');
        throw new Error(`not answered for ${beatingTimeoutMs} ms: ${names}`);
      }
      await delay(this.#restMs);
    }
  }

  /** Forgets the gaps so far. */
  reset(): void {
    for (const pulse of this.#pulses) pulse.longestMs = 0;
  }

  /** The longest that each has gone without an answer since `reset`, ms, by name. */
  gapsMs(): Map<string, number> {
    return new Map(this.#pulses.map(({ name, longestMs }) => [name, longestMs]));
  }

  /** Ends the requests. @returns what should not have been: members forgotten, commits lost */
  async end(): Promise<readonly string[]> {
    this.#over = true;
    await Promise.all(this.#running);
    for (const { groupId, sent, committed } of this.#members) {
      const found = await this.#committedNow(groupId);
      if (found < committed || found > sent)
        this.#findings.push(
          `group ${groupId}: ${committed} was committed and ${sent} the last try, it is ${found} now`,
        );
    }
    for (const { conversation } of this.#pulses) conversation?.end();
    return this.#findings;
  }

  #add(name: string, conversation: Conversation, beat: Pulse['beat']): void {
    this.#pulses.push({ name, beat, conversation, answeredMs: performance.now(), longestMs: 0, last: 'nothing' });
  }

  async #beatGroup(conversation: Conversation, member: MemberOfItsOwn): Promise<number> {
    const { groupId } = member;
    const alive = await conversation.heartbeat(groupId, member);
    if (forgotten.includes(alive)) this.#findings.push(`group ${groupId}: error ${alive} to a heartbeat`);
    if (alive !== ErrorCode.NONE) return alive;
    const offset = ++member.sent;
    const errorCode = await conversation.tryCommit(groupId, member, this.#options.topic, [BigInt(offset)]);
    if (forgotten.includes(errorCode)) this.#findings.push(`group ${groupId}: error ${errorCode} to a commit`);
    if (errorCode === ErrorCode.NONE) member.committed = offset;
    return errorCode;
  }

  async #keepBeating(pulse: Pulse): Promise<void> {
    pulse.answeredMs = performance.now();
    for (let tries = 0; !this.#over; ) {
      try {
        pulse.conversation ??= await Conversation.begin(
          this.#options.bootstraps[tries++ % this.#options.bootstraps.length]!,
        );
        const errorCode = await pulse.beat(pulse.conversation);
        if (errorCode === ErrorCode.NONE) {
          const nowMs = performance.now();
          pulse.longestMs = Math.max(pulse.longestMs, nowMs - pulse.answeredMs);
          pulse.answeredMs = nowMs;
        }
        pulse.last = `error code ${errorCode}`;
      } catch (error) {
        // The node is gone: what was under way may have had its effect or not.
        pulse.last = (error as Error).message;
        pulse.conversation?.end();
        pulse.conversation = undefined;
      }
      await delay(this.#restMs);
    }
  }

  /** Asks any node. @throws Error when none tells */
  async #committedNow(groupId: string): Promise<number> {
    const deadlineMs = performance.now() + beatingTimeoutMs;
    for (let tries = 0; ; tries++) {
      try {
        const conversation = await Conversation.begin(
          this.#options.bootstraps[tries % this.#options.bootstraps.length]!,
        );
        try {
          return Number(await conversation.committed(groupId, this.#options.topic, 0));
        } finally {
          conversation.end();
        }
      } catch (error) {
        if (performance.now() > deadlineMs) throw error;
      }
      await delay(this.#restMs);
    }
  }
}
