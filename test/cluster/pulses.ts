// How long partitions and groups are not available while a test does harm to a cluster, in the cluster's own time: requests
// of one kind in a row to each of them, on a connection of its own, the next one right after the answer to the last. A node
// that survives takes them all and forwards them to the owners, so no time of a client's (its metadata, its back-off) is in
// what is measured.

import { setTimeout as delay } from 'node:timers/promises';
import { Conversation } from './conversation.ts';

/** Between a request and the next, so that what is measured does not load the machine. */
const restMs = 10;
/** How long `beating` waits for what does not answer. */
const beatingTimeoutMs = 60_000;

interface Pulse {
  readonly name: string;
  /** @returns a Kafka error code */
  readonly beat: () => Promise<number>;
  answeredMs: number;
  longestMs: number;
  lastError: number;
}

export class Pulses {
  readonly #conversations: Conversation[] = [];
  readonly #pulses: Pulse[] = [];
  #running: Promise<void>[] = [];
  #over = false;

  /** Produces to these partitions and heartbeats in these groups, as their only members, through one node, until `end`. */
  static async begin(
    bootstrap: string,
    topic: string,
    partitions: readonly number[],
    groupIds: readonly string[],
  ): Promise<Pulses> {
    const pulses = new Pulses();
    for (const partition of partitions) {
      const conversation = await pulses.#connect(bootstrap);
      pulses.#add(`partition ${partition}`, async () => {
        return (await conversation.produce(topic, partition, ['pulse'])).errorCode;
      });
    }
    for (const groupId of groupIds) {
      const conversation = await pulses.#connect(bootstrap);
      const member = await conversation.join(groupId, topic);
      pulses.#add(`group ${groupId}`, () => conversation.heartbeat(groupId, member));
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
        const names = silent.map(({ name, lastError }) => `${name} (last error ${lastError})`).join(', ');
        throw new Error(`not answered for ${beatingTimeoutMs} ms: ${names}`);
      }
      await delay(restMs);
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

  async end(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
    for (const conversation of this.#conversations) conversation.end();
  }

  async #connect(bootstrap: string): Promise<Conversation> {
    const conversation = await Conversation.begin(bootstrap);
    this.#conversations.push(conversation);
    return conversation;
  }

  #add(name: string, beat: () => Promise<number>): void {
    this.#pulses.push({ name, beat, answeredMs: performance.now(), longestMs: 0, lastError: 0 });
  }

  async #keepBeating(pulse: Pulse): Promise<void> {
    pulse.answeredMs = performance.now();
    while (!this.#over) {
      const errorCode = await pulse.beat();
      if (errorCode === 0) {
        const nowMs = performance.now();
        pulse.longestMs = Math.max(pulse.longestMs, nowMs - pulse.answeredMs);
        pulse.answeredMs = nowMs;
      } else pulse.lastError = errorCode;
      await delay(restMs);
    }
  }
}
