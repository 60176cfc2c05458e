// Which process runs as which node. A process tells all when it starts and when it is connected again, and answers those who
// ask for its node. Of two that run as the same node, the one that was started later is meant; the other is told so.

import type { Clock, Logger } from '../../src/actors/runtime/ports.ts';
import type { NatsLink } from '../nats-connection.ts';
import { FRAME_VERSION } from './frame.ts';
import { WHO_TIMEOUT_MS } from './limits.ts';
import type { Lane, Subjects } from './subjects.ts';

/** What a process says of itself. JSON with fields that later versions may add to, so that every version reads it. */
export interface Hello {
  readonly nodeId: number;
  readonly incarnation: string;
  /** Wall clock at its start, ms. */
  readonly startedMs: number;
  /** Lowest and highest version of frames that it reads. */
  readonly versions: readonly [lowest: number, highest: number];
  /** Lanes in which it has been without a connection, so that it may have missed requests and lost replies. */
  readonly resumed?: readonly Lane[];
}

export interface PeersEnvironment {
  readonly link: NatsLink;
  readonly subjects: Subjects;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly self: Hello;
  readonly onHello: (hello: Hello) => void;
  /** Another process has been started as this node. */
  readonly onSuperseded: () => void;
}

export class Peers {
  readonly #environment: PeersEnvironment;
  readonly #known = new Map<number, Hello>();
  readonly #asking = new Map<number, Promise<string | undefined>>();
  /** Lanes that are connected again, which is still to be said. */
  readonly #resumed = new Set<Lane>();
  #superseded = false;

  constructor(environment: PeersEnvironment) {
    this.#environment = environment;
    const { link, subjects, self } = environment;
    link.connection.subscribe(subjects.hello, {
      callback: (error, message) => {
        const hello = error === null ? this.#read(message.data) : undefined;
        if (hello !== undefined) this.#heard(hello);
      },
    });
    link.connection.subscribe(subjects.who(self.nodeId), {
      callback: (error, message) => {
        if (error === null && !this.#superseded) message.respond(JSON.stringify(self));
      },
    });
  }

  /** Tells all that this process is there; says so later if it is not connected. */
  greet(): void {
    const { link, subjects, self } = this.#environment;
    if (!link.up || this.#superseded) return;
    const hello: Hello = this.#resumed.size === 0 ? self : { ...self, resumed: [...this.#resumed] };
    this.#resumed.clear();
    link.connection.publish(subjects.hello, JSON.stringify(hello));
  }

  /** This process is connected again in a lane. */
  resumed(lane: Lane): void {
    this.#resumed.add(lane);
    this.greet();
  }

  /** The process that runs as the node now, asked of itself; undefined: none does, or it reads no frames of this version. */
  find(nodeId: number): Promise<string | undefined> {
    const asking = this.#asking.get(nodeId) ?? this.#ask(nodeId).finally(() => this.#asking.delete(nodeId));
    this.#asking.set(nodeId, asking);
    return asking;
  }

  async #ask(nodeId: number): Promise<string | undefined> {
    const { link, subjects, logger } = this.#environment;
    try {
      const answer = await link.connection.request(subjects.who(nodeId), '', { timeout: WHO_TIMEOUT_MS });
      const hello = this.#read(answer.data);
      if (hello === undefined) return undefined;
      this.#heard(hello);
      const [lowest, highest] = hello.versions;
      if (lowest <= FRAME_VERSION && FRAME_VERSION <= highest) return this.#known.get(nodeId)?.incarnation;
      logger.log('error', 'node speaks other versions', { nodeId, versions: hello.versions, own: FRAME_VERSION });
    } catch (error) {
      logger.log('debug', 'node does not answer', { nodeId, error });
    }
    return undefined;
  }

  #heard(hello: Hello): void {
    const { self, onHello } = this.#environment;
    if (hello.nodeId === self.nodeId && hello.incarnation !== self.incarnation) {
      if (!isLater(hello, self)) this.greet();
      else if (!this.#superseded) this.#supersede();
      return;
    }
    const known = this.#known.get(hello.nodeId);
    if (known !== undefined && known.incarnation !== hello.incarnation && isLater(known, hello)) return;
    this.#known.set(hello.nodeId, hello);
    onHello(hello);
  }

  #supersede(): void {
    const { self, logger, onSuperseded } = this.#environment;
    this.#superseded = true;
    logger.log('error', 'another process has been started as this node', { nodeId: self.nodeId });
    onSuperseded();
  }

  #read(data: Uint8Array): Hello | undefined {
    try {
      const hello = JSON.parse(Buffer.from(data).toString()) as Hello;
      if (Number.isInteger(hello.nodeId) && typeof hello.incarnation === 'string') return hello;
    } catch (error) {
      this.#environment.logger.log('warn', 'a greeting that cannot be read', { error });
    }
    return undefined;
  }
}

function isLater(a: Hello, b: Hello): boolean {
  return a.startedMs !== b.startedMs ? a.startedMs > b.startedMs : a.incarnation > b.incarnation;
}
