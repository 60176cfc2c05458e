// Requests that count: every one carries a number, the receiver counts each number's effects, and in the end what callers
// were told must agree with what happened.

import { expect } from 'chai';
import type { NatsMailbox } from '../../cluster/mailbox/mailbox.ts';
import type { RemoteHandler, RemoteService } from '../../src/actors/remote/mailbox.ts';
import { ActorFault, type ActorFaultCode } from '../../src/actors/runtime/errors.ts';
import { requestOf } from './mailbox-world.ts';

export interface Outcomes {
  replied: number;
  readonly faults: Record<ActorFaultCode, number>;
}

export class CountedLoad {
  /** By number: how often it had its effect. */
  readonly effects = new Map<number, number>();
  /** Numbers by asker and service, in the order of their effects. */
  readonly order = new Map<string, number[]>();
  readonly told = new Map<number, 'replied' | ActorFaultCode>();
  readonly outcomes: Outcomes = { replied: 0, faults: { 'mailbox-full': 0, 'actor-stopped': 0, 'outcome-unknown': 0 } };
  #lastNumber = 0;
  #stopping = false;
  readonly #workers: Promise<void>[] = [];

  /** Counts, and replies up to `delayMs` later. */
  handler(delayMs = 5): RemoteHandler {
    return async ({ service, message }) => {
      const { number, from } = message as { number: number; from: number };
      this.effects.set(number, (this.effects.get(number) ?? 0) + 1);
      const line = `${from} ${service}`;
      const order = this.order.get(line) ?? [];
      this.order.set(line, order);
      order.push(number);
      if (number % 3 !== 0) await new Promise((resolve) => setTimeout(resolve, (number % 7) * (delayMs / 7)));
      return number;
    };
  }

  /** Asks `nodeId` until `stop`, so many at a time; each request with some bytes. */
  start(
    from: NatsMailbox,
    fromId: number,
    nodeId: number,
    service: RemoteService,
    parallel: number,
    bytes: number,
  ): void {
    for (let worker = 0; worker < parallel; worker++) {
      this.#workers.push(
        (async () => {
          while (!this.#stopping) await this.#ask(from, fromId, nodeId, service, bytes);
        })(),
      );
    }
  }

  async #ask(from: NatsMailbox, fromId: number, nodeId: number, service: RemoteService, bytes: number): Promise<void> {
    const number = ++this.#lastNumber;
    const message = { number, from: fromId, batch: Buffer.alloc(bytes, number & 255) };
    try {
      const reply = await from.request(nodeId, requestOf(message, { service, timeoutMs: 15_000 }));
      expect(reply).to.equal(number);
      this.told.set(number, 'replied');
      this.outcomes.replied++;
    } catch (fault) {
      if (!(fault instanceof ActorFault)) throw fault;
      this.told.set(number, fault.code);
      this.outcomes.faults[fault.code]++;
      // As a caller would that looks for the owner again.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Asks no more; resolves when all have been told. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#workers);
  }

  /** At most one effect each; one where a reply came, none where it was said that nothing happened; in order. */
  check(): void {
    for (const [number, told] of this.told) {
      const effects = this.effects.get(number) ?? 0;
      expect(effects, `effects of ${number}, ${told}`).to.be.at.most(1);
      if (told === 'replied') expect(effects, `effects of ${number}, ${told}`).to.equal(1);
      if (told === 'actor-stopped' || told === 'mailbox-full') {
        expect(effects, `effects of ${number}, ${told}`).to.equal(0);
      }
    }
    for (const [line, numbers] of this.order) {
      for (let at = 1; at < numbers.length; at++) {
        expect(numbers[at], `order of ${line} at ${at}`).to.be.greaterThan(numbers[at - 1]!);
      }
    }
  }
}
