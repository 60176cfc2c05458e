// Which nodes are silent, and whether this one is cut off. Every node says at short intervals that it is there; who has not
// been heard for the detection time is suspected by those who could have heard it: those that have heard themselves all the
// while. So an outage of NATS makes nobody suspect anybody, and a process that was paused suspects nobody either, since it
// did not listen.
//
//   hearing itself ──not for half the detection time──▶ hard of hearing ──not for all of it──▶ cut off (told so, once)
//         ▲                                                    │                                     │
//         └────────────hears itself: its own window starts anew, then told that it is back───────────┘
//
// A suspicion is no verdict: whoever acts on it changes the view by compare-and-set, and the journal fences whoever is wrong.

import type { Clock, Logger, TimerHandle } from '../src/actors/runtime/ports.ts';
import type { NatsLink } from './nats-connection.ts';

/** What heartbeats travel on. */
export interface HeartbeatChannel {
  /** Says it to all nodes, this one included; nothing happens when it cannot be said. */
  publish(heartbeat: Uint8Array): void;
  subscribe(onHeartbeat: (heartbeat: Uint8Array) => void): () => void;
}

export interface FailureDetectorOptions {
  readonly nodeId: number;
  readonly incarnation: string;
  readonly channel: HeartbeatChannel;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A node that is silent for so long is suspected, ms. */
  readonly detectionMs: number;
  /** The nodes of the view, by which it is decided whom to listen for. */
  readonly members: () => Iterable<number>;
  /** The node has been silent for `silentMs`. Told again from time to time while it is silent and a member. */
  readonly onSuspect: (nodeId: number, silentMs: number) => void;
  /** This node has been cut off, or paused, for the detection time: the others take what it owns. */
  readonly onSelfIsolated: () => void;
  /** It is back; the view may have changed. */
  readonly onSelfReconnected: () => void;
}

export interface FailureDetectorStatus {
  readonly isolated: boolean;
  /** Since this node last heard itself, ms. */
  readonly selfSilentMs: number;
  /** By node of the view: since it was last heard, ms. */
  readonly silentMs: ReadonlyMap<number, number>;
}

export interface FailureDetector {
  status(): FailureDetectorStatus;
  stop(): void;
}

/** Heartbeats, and looks around, in one detection time. */
const HEARTBEATS = 6;
const CHECKS = 12;

interface Heartbeat {
  readonly nodeId: number;
  readonly incarnation: string;
}

/** Starts to listen and to say that this node is there. */
export function createFailureDetector(options: FailureDetectorOptions): FailureDetector {
  return new Detector(options);
}

class Detector implements FailureDetector {
  readonly #options: FailureDetectorOptions;
  readonly #heartbeat: Uint8Array;
  readonly #checkMs: number;
  readonly #unsubscribe: () => void;
  /** By node of the view: when it was heard last, or first listened for. */
  readonly #heardMs = new Map<number, number>();
  readonly #toldMs = new Map<number, number>();
  #selfHeardMs: number;
  /** Since when this node has heard itself without a break; undefined: it does not. */
  #hearingSinceMs: number | undefined;
  #lastCheckMs: number;
  #checks = 0;
  #isolated = false;
  #timer: TimerHandle | undefined;

  constructor(options: FailureDetectorOptions) {
    const { nodeId, incarnation, channel, clock, detectionMs } = options;
    this.#options = options;
    const heartbeat: Heartbeat = { nodeId, incarnation };
    this.#heartbeat = Buffer.from(JSON.stringify(heartbeat));
    this.#checkMs = detectionMs / CHECKS;
    this.#selfHeardMs = clock.monotonicMs();
    this.#lastCheckMs = this.#selfHeardMs;
    this.#unsubscribe = channel.subscribe((data) => this.#heard(data));
    this.#check();
  }

  status(): FailureDetectorStatus {
    const nowMs = this.#options.clock.monotonicMs();
    return {
      isolated: this.#isolated,
      selfSilentMs: nowMs - this.#selfHeardMs,
      silentMs: new Map([...this.#heardMs].map(([nodeId, heardMs]) => [nodeId, nowMs - heardMs])),
    };
  }

  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#unsubscribe();
  }

  #heard(data: Uint8Array): void {
    const { nodeId, incarnation, logger, clock } = this.#options;
    const heartbeat = readHeartbeat(data);
    if (heartbeat === undefined) {
      logger.log('warn', 'a heartbeat that cannot be read', { bytes: data.length });
      return;
    }
    const nowMs = clock.monotonicMs();
    if (heartbeat.nodeId !== nodeId) {
      if (this.#heardMs.has(heartbeat.nodeId)) this.#heardMs.set(heartbeat.nodeId, nowMs);
    } else if (heartbeat.incarnation === incarnation) {
      this.#heardSelf(nowMs);
    }
  }

  #heardSelf(nowMs: number): void {
    // A pause shows here before the next check when the socket is read first.
    this.#noticeSilence(nowMs);
    this.#selfHeardMs = nowMs;
    this.#hearingSinceMs ??= nowMs;
    if (!this.#isolated) return;
    this.#isolated = false;
    this.#options.logger.log('info', 'heard again by the cluster', { nodeId: this.#options.nodeId });
    this.#options.onSelfReconnected();
  }

  #check(): void {
    const { clock, channel } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#timer = clock.setTimer(this.#checkMs, () => this.#check());
    // Paused or stalled: what the others said meanwhile has not been heard.
    if (nowMs - this.#lastCheckMs > 4 * this.#checkMs) this.#hearingSinceMs = undefined;
    this.#lastCheckMs = nowMs;
    this.#noticeSilence(nowMs);
    if (this.#checks++ % (CHECKS / HEARTBEATS) === 0) channel.publish(this.#heartbeat);
    this.#suspect(nowMs);
  }

  #noticeSilence(nowMs: number): void {
    const { detectionMs, nodeId, logger, onSelfIsolated } = this.#options;
    const silentMs = nowMs - this.#selfHeardMs;
    if (silentMs > detectionMs / 2) this.#hearingSinceMs = undefined;
    if (silentMs < detectionMs || this.#isolated) return;
    this.#isolated = true;
    logger.log('warn', 'cut off from the cluster', { nodeId, silentMs: Math.round(silentMs) });
    onSelfIsolated();
  }

  #suspect(nowMs: number): void {
    const { detectionMs, logger, onSuspect } = this.#options;
    this.#followMembers(nowMs);
    if (this.#hearingSinceMs === undefined || nowMs - this.#hearingSinceMs < detectionMs) return;
    for (const [nodeId, heardMs] of this.#heardMs) {
      const silentMs = nowMs - heardMs;
      if (silentMs < detectionMs) continue;
      if (nowMs - (this.#toldMs.get(nodeId) ?? Number.NEGATIVE_INFINITY) < detectionMs / 2) continue;
      this.#toldMs.set(nodeId, nowMs);
      logger.log('warn', 'node is silent', { nodeId, silentMs: Math.round(silentMs) });
      onSuspect(nodeId, silentMs);
    }
  }

  #followMembers(nowMs: number): void {
    const { nodeId: self, members } = this.#options;
    const present = new Set(members());
    present.delete(self);
    for (const nodeId of present) if (!this.#heardMs.has(nodeId)) this.#heardMs.set(nodeId, nowMs);
    for (const nodeId of this.#heardMs.keys()) {
      if (present.has(nodeId)) continue;
      this.#heardMs.delete(nodeId);
      this.#toldMs.delete(nodeId);
    }
  }
}

/** Later versions may say more in it. */
function readHeartbeat(data: Uint8Array): Heartbeat | undefined {
  try {
    const heartbeat = JSON.parse(Buffer.from(data).toString()) as Heartbeat;
    return Number.isInteger(heartbeat.nodeId) ? heartbeat : undefined;
  } catch {
    return undefined;
  }
}

/** Heartbeats over NATS, on a subject that all nodes of the cluster share. */
export function natsHeartbeats(link: NatsLink, subject: string): HeartbeatChannel {
  return {
    publish(heartbeat) {
      if (link.up) link.connection.publish(subject, heartbeat);
    },
    subscribe(onHeartbeat) {
      const subscription = link.connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) onHeartbeat(message.data);
        },
      });
      return () => {
        if (!link.connection.isClosed()) subscription.unsubscribe();
      };
    },
  };
}
