// Which nodes are silent, and whether this one is cut off. Every node says at short intervals that it is there; who has not
// been heard for the detection time since it was due to speak is suspected by those who could have heard it: those that
// have heard themselves all the while. So an outage of NATS makes nobody suspect anybody.
//
//   hearing itself ──not for half the detection time──▶ hard of hearing ──not for all of it──▶ cut off (told so, once)
//         ▲                                                    │                                     │
//         └────────────hears itself: its own window starts anew, then told that it is back───────────┘
//
// Silence counts only while this process runs. A stall (a paused process, a long collection, a machine that is too busy)
// looks like everybody's silence to timers, but what was said meanwhile lies in the sockets and is read right after it. One
// that is shorter than the detection time is therefore no reason to suspect anybody, nor to think itself cut off, and the
// others forgive it, too, as this node speaks as soon as it runs again. After a longer one it has been voted out: it counts
// as cut off until it hears itself.
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
  /** Since this node last heard itself, ms in which it ran. */
  readonly selfSilentMs: number;
  /** By node of the view: since it was last heard, ms in which this node ran. */
  readonly silentMs: ReadonlyMap<number, number>;
}

export interface FailureDetector {
  status(): FailureDetectorStatus;
  stop(): void;
}

/** Heartbeats, and looks around, in one detection time. */
const HEARTBEATS = 30;
const CHECKS = 60;
/**
 * The part of the detection time that counts of a longer stretch in which this process did not get to look around. More
 * than one heartbeat's, so that it speaks right after it.
 */
const STALL_COUNTS = 1 / 6;

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
  readonly #heartbeatMs: number;
  readonly #unsubscribe: () => void;
  /** How long this process has run, stalls not counted. Every other time here is one of this clock. */
  #runMs = 0;
  /** Up to when that is counted, by the real clock. */
  #countedMs: number;
  /** By node of the view: when it was heard last, or first listened for. */
  readonly #heardMs = new Map<number, number>();
  readonly #toldMs = new Map<number, number>();
  #selfHeardMs = 0;
  /** Since when this node has heard itself without a break; undefined: it does not. */
  #hearingSinceMs: number | undefined;
  #spokeMs = Number.NEGATIVE_INFINITY;
  #isolated = false;
  #timer: TimerHandle | undefined;

  constructor(options: FailureDetectorOptions) {
    const { nodeId, incarnation, channel, clock, detectionMs } = options;
    this.#options = options;
    const heartbeat: Heartbeat = { nodeId, incarnation };
    this.#heartbeat = Buffer.from(JSON.stringify(heartbeat));
    this.#checkMs = detectionMs / CHECKS;
    this.#heartbeatMs = detectionMs / HEARTBEATS;
    this.#countedMs = clock.monotonicMs();
    this.#unsubscribe = channel.subscribe((data) => this.#heard(data));
    this.#check();
  }

  status(): FailureDetectorStatus {
    const runMs = this.#runMs + this.#uncounted().runMs;
    return {
      isolated: this.#isolated,
      selfSilentMs: runMs - this.#selfHeardMs,
      silentMs: new Map([...this.#heardMs].map(([nodeId, heardMs]) => [nodeId, runMs - heardMs])),
    };
  }

  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#unsubscribe();
  }

  #heard(data: Uint8Array): void {
    const { nodeId, incarnation, logger } = this.#options;
    const heartbeat = readHeartbeat(data);
    if (heartbeat === undefined) {
      logger.log('warn', 'a heartbeat that cannot be read', { bytes: data.length });
      return;
    }
    // A long stall shows here before the next check when the socket is read first.
    this.#count();
    if (heartbeat.nodeId !== nodeId) {
      if (this.#heardMs.has(heartbeat.nodeId)) this.#heardMs.set(heartbeat.nodeId, this.#runMs);
    } else if (heartbeat.incarnation === incarnation) {
      this.#heardSelf();
    }
  }

  #heardSelf(): void {
    this.#selfHeardMs = this.#runMs;
    this.#hearingSinceMs ??= this.#runMs;
    if (!this.#isolated) return;
    this.#isolated = false;
    this.#options.logger.log('info', 'heard again by the cluster', { nodeId: this.#options.nodeId });
    this.#options.onSelfReconnected();
  }

  #check(): void {
    const { clock, detectionMs } = this.#options;
    this.#timer = clock.setTimer(this.#checkMs, () => this.#check());
    this.#count();
    const silentMs = this.#runMs - this.#selfHeardMs;
    if (silentMs > detectionMs / 2) this.#hearingSinceMs = undefined;
    if (silentMs >= detectionMs) this.#cutOff({ silentMs });
    // Timers fire a little late, or early: half a check is near enough.
    if (this.#runMs - this.#spokeMs >= this.#heartbeatMs - this.#checkMs / 2) this.#speak();
    this.#suspect();
  }

  #speak(): void {
    this.#spokeMs = this.#runMs;
    this.#options.channel.publish(this.#heartbeat);
  }

  /** Counts the time since it was last counted. */
  #count(): void {
    const { passedMs, runMs } = this.#uncounted();
    this.#countedMs += passedMs;
    this.#runMs += runMs;
    // The stall may have begun right before a look around was due.
    if (passedMs >= this.#options.detectionMs + this.#checkMs) this.#cutOff({ stalledMs: passedMs });
  }

  #uncounted(): { readonly passedMs: number; readonly runMs: number } {
    const { clock, detectionMs } = this.#options;
    const passedMs = clock.monotonicMs() - this.#countedMs;
    return { passedMs, runMs: Math.min(passedMs, detectionMs * STALL_COUNTS) };
  }

  #cutOff(why: { readonly silentMs: number } | { readonly stalledMs: number }): void {
    this.#hearingSinceMs = undefined;
    if (this.#isolated) return;
    this.#isolated = true;
    const { nodeId, logger, onSelfIsolated } = this.#options;
    const rounded = Object.entries(why).map(([name, ms]) => [name, Math.round(ms)]);
    logger.log('warn', 'cut off from the cluster', { nodeId, ...Object.fromEntries(rounded) });
    onSelfIsolated();
  }

  #suspect(): void {
    const { detectionMs, logger, onSuspect } = this.#options;
    this.#followMembers();
    if (this.#hearingSinceMs === undefined || this.#runMs - this.#hearingSinceMs < detectionMs) return;
    for (const [nodeId, heardMs] of this.#heardMs) {
      const silentMs = this.#runMs - heardMs;
      // It may have stalled right before it was due to speak.
      if (silentMs < detectionMs + this.#heartbeatMs) continue;
      if (this.#runMs - (this.#toldMs.get(nodeId) ?? Number.NEGATIVE_INFINITY) < detectionMs / 2) continue;
      this.#toldMs.set(nodeId, this.#runMs);
      logger.log('warn', 'node is silent', { nodeId, silentMs: Math.round(silentMs) });
      onSuspect(nodeId, silentMs);
    }
  }

  #followMembers(): void {
    const { nodeId: self, members } = this.#options;
    const present = new Set(members());
    present.delete(self);
    for (const nodeId of present) if (!this.#heardMs.has(nodeId)) this.#heardMs.set(nodeId, this.#runMs);
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
