// Heartbeats between simulated nodes: what the failure detector of a real node (cluster/failure-detector.ts) says and hears.

import type { HeartbeatChannel } from '../../cluster/failure-detector.ts';
import type { Links } from './links.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';

interface Listener {
  readonly nodeId: number;
  readonly process: SimProcess;
  readonly hear: (heartbeat: Uint8Array) => void;
}

export class HeartbeatNetwork {
  readonly #random: SeededRandom;
  readonly #links: Links;
  readonly #delayMeanMs: number;
  readonly #listeners = new Set<Listener>();

  constructor(random: SeededRandom, links: Links, delayMeanMs: number) {
    this.#random = random;
    this.#links = links;
    this.#delayMeanMs = delayMeanMs;
  }

  /** The channel of a node's process. */
  channel(nodeId: number, process: SimProcess): HeartbeatChannel {
    return {
      publish: (heartbeat) => {
        const bytes = Buffer.from(heartbeat);
        for (const listener of this.#listeners) {
          if (!listener.process.alive) this.#listeners.delete(listener);
          else if (this.#links.delivers(nodeId, listener.nodeId)) {
            const delayMs = 0.1 + this.#random.exponential(this.#delayMeanMs) * this.#links.delayFactor;
            listener.process.after(delayMs, () => listener.hear(bytes));
          }
        }
      },
      subscribe: (hear) => {
        const listener = { nodeId, process, hear };
        this.#listeners.add(listener);
        return () => void this.#listeners.delete(listener);
      },
    };
  }
}
