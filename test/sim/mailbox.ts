// The network between simulated nodes, as their mailboxes use it: requests of one node to another arrive in the order of
// the calls, each at most once, and what becomes of one whose node dies meanwhile nobody can say.

import { deserialize, serialize } from 'node:v8';
import { decodeFault, encodeFault, type FaultData } from '../../src/actors/remote/faults.ts';
import type { Mailbox, RemoteHandler, RemoteRequest } from '../../src/actors/remote/mailbox.ts';
import { ActorFault } from '../../src/actors/runtime/errors.ts';
import type { NetworkConditions } from './network.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';

interface Peer {
  readonly process: SimProcess;
  readonly handler: RemoteHandler;
}

type Reply = { readonly value: unknown } | { readonly fault: FaultData };

export class MailboxNetwork {
  readonly #random: SeededRandom;
  readonly #conditions: NetworkConditions;
  readonly #peers = new Map<number, Peer>();
  /** When the last request of one node to another arrives, so that the next one comes after it. */
  readonly #arrivesMs = new Map<string, number>();
  readonly #queues = new Map<string, (() => void)[]>();

  constructor(random: SeededRandom, conditions: NetworkConditions) {
    this.#random = random;
    this.#conditions = conditions;
  }

  /** The mailbox of a node's process. */
  mailbox(nodeId: number, process: SimProcess): Mailbox {
    return {
      request: (to, request) => this.#request(nodeId, process, to, request),
      serve: (handler) => void this.#peers.set(nodeId, { process, handler }),
    };
  }

  #request(from: number, process: SimProcess, to: number, request: RemoteRequest): Promise<unknown> {
    const bytes = serialize({ ...request });
    return new Promise((resolve, reject) => {
      let open = true;
      const end = (settle: () => void): void => {
        if (!open) return;
        open = false;
        process.clearTimer(timer);
        settle();
      };
      const timer = process.setTimer(request.timeoutMs, () =>
        end(() => reject(new ActorFault('outcome-unknown', `no reply of node ${to} in time`))),
      );
      this.#inOrder(`${from} ${to}`, process, () => {
        const peer = this.#peers.get(to);
        if (peer === undefined || !peer.process.alive) {
          const nobody = new ActorFault('actor-stopped', `node ${to} is not there`);
          process.after(this.#delayMs(), () => end(() => reject(nobody)));
          return;
        }
        peer.process.after(0, () => {
          this.#serve(peer, bytes, (reply) => {
            process.after(this.#delayMs(), () => {
              end(() => ('fault' in reply ? reject(decodeFault(reply.fault)) : resolve(reply.value)));
            });
          });
        });
      });
    });
  }

  #serve({ handler, process }: Peer, bytes: Buffer, answer: (reply: Reply) => void): void {
    const tell = (reply: Reply): void => {
      // What a dead node would have said, nobody hears.
      if (process.alive) answer(deserialize(serialize(reply)) as Reply);
    };
    handler(deserialize(bytes) as RemoteRequest).then(
      (value) => tell({ value }),
      (error) => tell({ fault: encodeFault(error) }),
    );
  }

  /** Runs `arrive` after a delay, behind everything that was sent on this way before. */
  #inOrder(way: string, process: SimProcess, arrive: () => void): void {
    const queue = this.#queues.get(way) ?? [];
    this.#queues.set(way, queue);
    queue.push(arrive);
    const nowMs = process.monotonicMs();
    const arrivesMs = Math.max(this.#arrivesMs.get(way) ?? 0, nowMs + this.#delayMs());
    this.#arrivesMs.set(way, arrivesMs);
    process.after(arrivesMs - nowMs, () => queue.shift()?.());
  }

  #delayMs(): number {
    return 0.1 + this.#random.exponential(this.#conditions.delayMeanMs);
  }
}
