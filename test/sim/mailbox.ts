// The network between simulated nodes, as their mailboxes use it: requests of one node to another for the same service
// arrive in the order of the calls, each at most once, if they arrive; and what becomes of one whose node dies meanwhile, or
// which is lost, or whose reply is, nobody can say.

import { deserialize, serialize } from 'node:v8';
import { decodeFault, encodeFault, type FaultData } from '../../src/actors/remote/faults.ts';
import type { Mailbox, RemoteHandler, RemoteRequest } from '../../src/actors/remote/mailbox.ts';
import { ActorFault } from '../../src/actors/runtime/errors.ts';
import type { Links } from './links.ts';
import type { NetworkConditions } from './network.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';

interface Peer {
  readonly process: SimProcess;
  readonly handler: RemoteHandler;
}

/** Requests of one process to one node for one service, in their order. */
interface Way {
  readonly travelling: (() => void)[];
  /** When the last of them arrives, so that the next one comes after it. */
  arrivesMs: number;
  /** Those that a process there has still to take: two that come at the same time keep their order, too. */
  readonly arrived: Map<SimProcess, (() => void)[]>;
}

type Reply = { readonly value: unknown } | { readonly fault: FaultData };

export class MailboxNetwork {
  readonly #random: SeededRandom;
  readonly #conditions: NetworkConditions;
  readonly #links: Links;
  readonly #peers = new Map<number, Peer>();

  constructor(random: SeededRandom, conditions: NetworkConditions, links: Links) {
    this.#random = random;
    this.#conditions = conditions;
    this.#links = links;
  }

  /** The mailbox of a node's process. */
  mailbox(nodeId: number, process: SimProcess): Mailbox {
    const ways = new Map<string, Way>();
    const wayTo = (to: number, { service }: RemoteRequest): Way => {
      const name = `${to} ${service}`;
      const way = ways.get(name) ?? { travelling: [], arrivesMs: 0, arrived: new Map() };
      ways.set(name, way);
      return way;
    };
    return {
      request: (to, request) => this.#request(nodeId, process, to, request, wayTo(to, request)),
      serve: (handler) => void this.#peers.set(nodeId, { process, handler }),
    };
  }

  #request(from: number, process: SimProcess, to: number, request: RemoteRequest, way: Way): Promise<unknown> {
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
      this.#inOrder(way, process, () => {
        if (!this.#links.delivers(from, to)) return;
        const peer = this.#peers.get(to);
        if (peer === undefined || !peer.process.alive) {
          const nobody = new ActorFault('actor-stopped', `node ${to} is not there`);
          process.after(this.#delayMs(), () => end(() => reject(nobody)));
          return;
        }
        this.#deliver(way, peer, () => {
          this.#serve(peer, bytes, (reply) => {
            if (!this.#links.delivers(to, from)) return;
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
  #inOrder(way: Way, process: SimProcess, arrive: () => void): void {
    way.travelling.push(arrive);
    const nowMs = process.monotonicMs();
    way.arrivesMs = Math.max(way.arrivesMs, nowMs + this.#delayMs());
    process.after(way.arrivesMs - nowMs, () => way.travelling.shift()?.());
  }

  /** Hands something to a process, behind everything that has come to it on this way before. */
  #deliver(way: Way, { process }: Peer, take: () => void): void {
    const arrived = way.arrived.get(process) ?? [];
    way.arrived.set(process, arrived);
    arrived.push(take);
    process.after(0, () => arrived.shift()?.());
  }

  #delayMs(): number {
    return 0.1 + this.#random.exponential(this.#conditions.delayMeanMs) * this.#links.delayFactor;
  }
}
