// Requests from one process in one lane: each is handed to the handler once, in the order of their numbers, and answered;
// replies are kept for a while, so that a requester that lost its connection can be given them again.

import { encodeFault } from '../../src/actors/remote/faults.ts';
import type { RemoteRequest, RemoteService } from '../../src/actors/remote/mailbox.ts';
import { ActorFault } from '../../src/actors/runtime/errors.ts';
import type { Clock, Logger } from '../../src/actors/runtime/ports.ts';
import { Assembly } from './assembly.ts';
import { type Prepared, prepare } from './attachments.ts';
import type { Delays } from './delay.ts';
import {
  decodeFrame,
  encodeGap,
  encodeRefusal,
  encodeReplies,
  FRAME_VERSION,
  type OutgoingReply,
  type RequestEnvelope,
  type RequestsHead,
  UnreadableFrame,
} from './frame.ts';
import type { LaneConnection } from './lane.ts';
import {
  FRAME_BYTES,
  FRAME_MESSAGES,
  INCOMPLETE_FRAME_MS,
  KEPT_REPLIES,
  KEPT_REPLY_BYTES,
  KEPT_REPLY_MS,
  type MailboxLimits,
} from './limits.ts';
import type { PartAddress } from './subjects.ts';

/** Requests of these services have no effect: they are rather answered anew than their replies kept. */
const repeatable: ReadonlySet<string> = new Set(['log']);

interface Kept {
  readonly reply: OutgoingReply;
  readonly sinceMs: number;
}

export interface IncomingCounts {
  served: number;
  repeated: number;
  late: number;
  refused: number;
}

export interface IncomingEnvironment {
  readonly lane: LaneConnection;
  /** The process that asks. */
  readonly incarnation: string;
  readonly clock: Clock;
  readonly limits: MailboxLimits;
  readonly delays: Delays;
  readonly counts: IncomingCounts;
  readonly logger: Logger;
  readonly handle: (request: RemoteRequest) => Promise<unknown>;
}

export class Incoming {
  readonly #environment: IncomingEnvironment;
  readonly #assembly: Assembly;
  /** Number of the last request that was taken. */
  #lastId = 0;
  /** Bytes by number of the requests that are being handled. */
  readonly #running = new Map<number, number>();
  #runningBytes = 0;
  readonly #kept = new Map<number, Kept>();
  #keptBytes = 0;
  readonly #unsent: OutgoingReply[] = [];
  #flushing = false;

  constructor(environment: IncomingEnvironment) {
    this.#environment = environment;
    this.#assembly = new Assembly(environment.limits.frameBytesMax);
  }

  get running(): number {
    return this.#running.size;
  }

  part(payload: Buffer, address: PartAddress): void {
    const { clock } = this.#environment;
    const assembled = this.#assembly.add(payload, address, clock.monotonicMs());
    if (assembled === 'more') return;
    if (assembled === 'too-large') {
      this.#refuse(address.frame, `a frame is larger than ${this.#environment.limits.frameBytesMax} bytes`);
      return;
    }
    try {
      const frame = decodeFrame(assembled.frame);
      if (frame.kind !== 'requests') throw new UnreadableFrame(`a frame of ${frame.kind} where requests go`);
      this.#take(address.frame, frame.head, frame.requests, assembled.frame.length);
    } catch (error) {
      if (!(error instanceof UnreadableFrame)) throw error;
      this.#refuse(address.frame, error.message);
    }
  }

  /** The node stops: requests that are still being handled end as unknown. */
  close(): void {
    const unknown = encodeFault(new ActorFault('outcome-unknown', 'the node is stopping'));
    for (const id of this.#running.keys()) this.#answer({ id, fault: unknown, value: nothing });
    this.#running.clear();
  }

  /** Forgets what has been kept for too long. */
  sweep(): void {
    const nowMs = this.#environment.clock.monotonicMs();
    this.#assembly.expire(nowMs - INCOMPLETE_FRAME_MS);
    for (const [id, { sinceMs }] of this.#kept) {
      if (sinceMs > nowMs - KEPT_REPLY_MS) break;
      this.#forget(id);
    }
  }

  #refuse(frame: number, reason: string): void {
    const { lane, incarnation, counts } = this.#environment;
    counts.refused++;
    lane.sendReplies(incarnation, encodeRefusal({ frame, versions: [FRAME_VERSION, FRAME_VERSION], reason }));
  }

  #take(frame: number, head: RequestsHead, requests: readonly RequestEnvelope[], frameBytes: number): void {
    const { lane, incarnation, clock, delays, limits, counts } = this.#environment;
    const delayMs = delays.of(head.sentAtMs, clock.monotonicMs());
    for (const id of this.#kept.keys()) {
      if (id >= head.repliedBelow) break;
      this.#forget(id);
    }
    if (!head.again && head.after > this.#lastId) {
      lane.sendReplies(incarnation, encodeGap({ frame, lastId: this.#lastId }));
      return;
    }
    const bytes = Math.ceil(frameBytes / requests.length);
    for (const request of requests) {
      const { id } = request;
      if (id <= this.#lastId && !this.#isNew(request)) continue;
      this.#lastId = Math.max(this.#lastId, id);
      const remainingMs = request.remainingMs - delayMs;
      if (remainingMs <= 0) {
        counts.late++;
        this.#answerFault(id, new ActorFault('actor-stopped', 'the request came after its time-out'));
      } else if (
        this.#running.size >= limits.requestsMax ||
        (this.#running.size > 0 && this.#runningBytes + bytes > limits.requestBytesMax) ||
        lane.waitingBytes > limits.requestBytesMax
      ) {
        counts.refused++;
        this.#answerFault(id, new ActorFault('mailbox-full', `${this.#running.size} requests are being served`));
      } else {
        this.#serve(request, remainingMs, bytes);
      }
    }
  }

  /** Whether a request with a number that has been taken must be handled (again). */
  #isNew({ id, service }: RequestEnvelope): boolean {
    this.#environment.counts.repeated++;
    if (this.#running.has(id)) return false;
    const kept = this.#kept.get(id);
    if (kept !== undefined) {
      this.#unsent.push(kept.reply);
      this.#flushSoon();
      return false;
    }
    if (repeatable.has(service)) return true;
    this.#answerFault(
      id,
      new ActorFault('outcome-unknown', 'the request has been handled, its reply is no longer known'),
    );
    return false;
  }

  #serve(envelope: RequestEnvelope, timeoutMs: number, bytes: number): void {
    const { handle, counts, logger } = this.#environment;
    const { id, key, kind, message, trace } = envelope;
    const service = envelope.service as RemoteService;
    counts.served++;
    this.#running.set(id, bytes);
    this.#runningBytes += bytes;
    const request: RemoteRequest = { service, key, kind, message, timeoutMs, trace };
    handle(request)
      .then((value) => ({ id, fault: undefined, value: prepare(value) }))
      .catch((error: unknown) => {
        const fault = encodeFault(error);
        if (fault.type === 'unexpected')
          logger.log('error', 'request of another node failed', { service, kind, error });
        return { id, fault, value: nothing };
      })
      .then((reply) => {
        if (!this.#running.delete(id)) return;
        this.#runningBytes -= bytes;
        if (!repeatable.has(service)) this.#keep(reply);
        this.#answer(reply);
      });
  }

  #answerFault(id: number, error: Error): void {
    const reply: OutgoingReply = { id, fault: encodeFault(error), value: nothing };
    this.#keep(reply);
    this.#answer(reply);
  }

  #answer(reply: OutgoingReply): void {
    this.#unsent.push(reply);
    this.#flushSoon();
  }

  #keep(reply: OutgoingReply): void {
    this.#forget(reply.id);
    this.#kept.set(reply.id, { reply, sinceMs: this.#environment.clock.monotonicMs() });
    this.#keptBytes += reply.value.bytes;
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_REPLIES && this.#keptBytes <= KEPT_REPLY_BYTES) break;
      this.#forget(id);
    }
  }

  #forget(id: number): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#keptBytes -= kept.reply.value.bytes;
    this.#kept.delete(id);
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const { lane, incarnation } = this.#environment;
    const replies = this.#unsent.splice(0);
    let frame: OutgoingReply[] = [];
    let bytes = 0;
    for (const reply of replies) {
      if (frame.length === FRAME_MESSAGES || (frame.length > 0 && bytes + reply.value.bytes > FRAME_BYTES)) {
        lane.sendReplies(incarnation, encodeReplies(frame));
        frame = [];
        bytes = 0;
      }
      frame.push(reply);
      bytes += reply.value.bytes;
    }
    if (frame.length > 0) lane.sendReplies(incarnation, encodeReplies(frame));
  }
}

const nothing: Prepared = prepare(undefined);
