// What actors need of the network between nodes: one request, one reply, or a fault that says what is known of its
// effect. The cluster implements it over NATS; the simulator over its own network; one node alone has none.

import type { Health } from '../../events.ts';
import type { TraceContext } from '../runtime/ports.ts';

/** Which part of the owner a request is for. */
export type RemoteService = 'partition' | 'group' | 'log' | 'node';

export interface RemoteRequest {
  readonly service: RemoteService;
  /** The actor's key (partition key, group id); empty for the node itself. */
  readonly key: string;
  /** Kind of message, or name of the operation. */
  readonly kind: string;
  /** Plain data: objects, arrays, strings, numbers, bigints, booleans, null, undefined and bytes. */
  readonly message: unknown;
  /** The caller waits so long, ms. */
  readonly timeoutMs: number;
  readonly trace: TraceContext | undefined;
}

/** Answers a request of another node. Rejections travel back as faults. */
export type RemoteHandler = (request: RemoteRequest) => Promise<unknown>;

export interface Mailbox {
  /**
   * Sends a request to a node. Requests of one sender to one node with the same service arrive in the order of the
   * calls, and each has its effect at most once.
   * @throws ActorFault `actor-stopped` when the node is not there (no effect), `outcome-unknown` when no reply came in
   *   time; any fault that the other node answered with
   */
  request(nodeId: number, request: RemoteRequest): Promise<unknown>;
  /** Takes requests of other nodes from now on. */
  serve(handler: RemoteHandler): void;
  /** How it fares, from memory: for /readyz. Absent: nothing to tell. */
  health?(): Health;
}
