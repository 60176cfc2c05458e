// Requests from this process to one node in one lane, until they are answered, refused or out of time.
//
//   queued ──frame──▶ sent ──reply──▶ answered
//      │                │
//      │                ├──connection lost and there again, here or there──▶ sent again under the same number
//      │                ├──nobody listens, sent once──▶ actor-stopped      (nothing has happened)
//      │                └──time-out, the process is gone──▶ outcome-unknown
//      └──time-out, the node is not there──▶ actor-stopped                 (nothing has happened)
//
// Requests are numbered in the order of the calls. The receiver remembers which numbers it has had for as long as its
// process lives, and the subject reaches that process only; so sending again never repeats an effect.

import { decodeFault } from '../../src/actors/remote/faults.ts';
import type { RemoteRequest } from '../../src/actors/remote/mailbox.ts';
import { ActorFault } from '../../src/actors/runtime/errors.ts';
import type { Clock, TimerHandle } from '../../src/actors/runtime/ports.ts';
import { type Prepared, prepare } from './attachments.ts';
import { encodeRequests, type Gap, type OutgoingRequest, type Refusal, type ReplyEnvelope } from './frame.ts';
import type { LaneConnection } from './lane.ts';
import { FRAME_BYTES, FRAME_MESSAGES, type MailboxLimits, MISS_RETRY_MS, MISSES_MAX } from './limits.ts';
import type { ReplyBudget } from './reply-budget.ts';

interface Entry {
  readonly request: RemoteRequest;
  readonly message: Prepared;
  readonly bytes: number;
  /** What the reply will take, where the request says so: a read of a log. */
  readonly replyBytes: number;
  readonly deadlineMs: number;
  readonly timer: TimerHandle;
  readonly resolve: (value: unknown) => void;
  readonly reject: (fault: Error) => void;
  /** 0 until it is sent. */
  id: number;
  /** The frame it was sent in last. */
  frame: number;
  /** It may have reached the receiver in a frame before the last one. */
  doubtful: boolean;
  /** The process that was not there when it was sent. */
  notAt: string | undefined;
}

export interface OutgoingEnvironment {
  readonly lane: LaneConnection;
  /** The node that asks. */
  readonly selfId: number;
  /** The node that is asked. */
  readonly nodeId: number;
  readonly clock: Clock;
  readonly limits: MailboxLimits;
  readonly budget: ReplyBudget;
  /** The process that runs as the node; undefined when none is there. */
  readonly findProcess: () => Promise<string | undefined>;
}

export class Outgoing {
  readonly #environment: OutgoingEnvironment;
  readonly #queued = new Set<Entry>();
  /** By number, which is the order they were sent in. */
  readonly #sent = new Map<number, Entry>();
  /** The process that the numbers are for. */
  #incarnation: string | undefined;
  /** Whether it is there, as far as is known. */
  #present = false;
  #lastId = 0;
  #bytes = 0;
  #sentBytes = 0;
  #flushing = false;
  #finding = false;
  /** A new process is there, and what was sent to the former one is being cleared up. */
  #switching = false;
  /** How often in a row requests that may have had an effect were sent again with nobody there. */
  #misses = 0;
  #retrying = false;
  readonly #flushSoonBound = (): void => this.#flushSoon();

  constructor(environment: OutgoingEnvironment) {
    this.#environment = environment;
  }

  /** Requests under way. */
  get count(): number {
    return this.#queued.size + this.#sent.size;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws as Mailbox.request; TypeError when the message is not plain data */
  ask(request: RemoteRequest): Promise<unknown> {
    const { lane, nodeId, clock, limits } = this.#environment;
    if (!lane.up) return Promise.reject(new ActorFault('actor-stopped', 'this node is not connected to NATS'));
    return new Promise((resolve, reject) => {
      const message = prepare(request.message);
      const { bytes } = message;
      if (this.count >= limits.requestsMax || (this.count > 0 && this.#bytes + bytes > limits.requestBytesMax)) {
        throw new ActorFault(
          'mailbox-full',
          `${this.count} requests (${this.#bytes} bytes) to node ${nodeId} are under way`,
        );
      }
      const entry: Entry = {
        request,
        message,
        bytes,
        replyBytes: replyBytes(request),
        deadlineMs: clock.monotonicMs() + request.timeoutMs,
        timer: clock.setTimer(request.timeoutMs, () => this.#timeOut(entry)),
        resolve,
        reject,
        id: 0,
        frame: 0,
        doubtful: false,
        notAt: undefined,
      };
      this.#queued.add(entry);
      this.#bytes += bytes;
      this.#flushSoon();
    });
  }

  /** A reply has come from the process. */
  replied({ id, fault, value }: ReplyEnvelope): void {
    const entry = this.#sent.get(id);
    this.#misses = 0;
    if (entry === undefined) return;
    this.#settle(entry);
    if (fault === undefined) entry.resolve(value);
    else entry.reject(decodeFault(fault));
    if (this.#queued.size > 0) this.#flushSoon();
  }

  /** Nobody listens where the frame went. */
  nobody(frame: number): void {
    const failed = this.#ofFrame(frame);
    if (failed.length === 0) return;
    // It may only be without a connection, so what was sent before may still be answered.
    this.#present = false;
    if (!failed.some((entry) => entry.doubtful)) {
      this.#takeBack(failed);
    } else if (this.#misses === MISSES_MAX) {
      this.#fail(failed, `node ${this.#environment.nodeId} is not there`);
    } else if (!this.#retrying) {
      this.#retrying = true;
      this.#misses++;
      this.#environment.clock.setTimer(MISS_RETRY_MS, () => {
        this.#retrying = false;
        this.#sendAgain(this.#lastId);
      });
    }
    if (this.#queued.size > 0) this.#flushSoon();
  }

  /** Queues requests again that have not arrived: for another process of the node, if there is one by now. */
  #takeBack(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#sent.delete(entry.id);
      this.#sentBytes -= entry.bytes;
      this.#environment.budget.release(entry.replyBytes);
      entry.id = 0;
      entry.notAt = this.#incarnation;
    }
    const later = [...this.#queued];
    this.#queued.clear();
    for (const entry of [...entries, ...later]) this.#queued.add(entry);
  }

  /** The process cannot read the frame. */
  refused({ frame, reason }: Refusal): void {
    this.#fail(this.#ofFrame(frame), `node ${this.#environment.nodeId} refuses: ${reason}`);
  }

  /** The process lacks requests that came before those of the frame: neither they nor later ones have been taken. */
  gap({ frame, lastId }: Gap): void {
    if (this.#ofFrame(frame).length === 0) return;
    for (const entry of this.#sent.values()) if (entry.id > lastId) entry.doubtful = false;
    this.#sendAgain(lastId);
  }

  /** Either end has been without a connection: what is unanswered is sent again. */
  resume(): void {
    this.#sendAgain(this.#lastId);
    if (this.#queued.size > 0) this.#flushSoon();
  }

  /** A process runs as the node. What a former one has had without an answer stays unknown. */
  runs(incarnation: string): void {
    if (this.#switching) return;
    if (this.#incarnation === incarnation || this.#sent.size === 0) {
      this.#switchTo(incarnation);
      return;
    }
    // First hear of everything that did not reach the former one.
    this.#present = false;
    this.#switching = true;
    this.#environment.lane.barrier().then(() => {
      this.#switching = false;
      this.#switchTo(incarnation);
      if (this.#queued.size > 0) this.#flushSoon();
    });
  }

  #switchTo(incarnation: string): void {
    this.#present = true;
    if (this.#incarnation === incarnation) return;
    this.#incarnation = incarnation;
    this.#lastId = 0;
    this.#misses = 0;
    const gone = new ActorFault('outcome-unknown', `node ${this.#environment.nodeId} has been started anew`);
    for (const entry of [...this.#sent.values()]) {
      this.#settle(entry);
      entry.reject(gone);
    }
  }

  /** Ends everything: what was sent is unknown, the rest has not happened. */
  close(): void {
    for (const entry of [...this.#queued]) {
      this.#settle(entry);
      entry.reject(new ActorFault('actor-stopped', 'this node is stopping'));
    }
    for (const entry of [...this.#sent.values()]) {
      this.#settle(entry);
      entry.reject(new ActorFault('outcome-unknown', 'this node is stopping'));
    }
  }

  #timeOut(entry: Entry): void {
    const { nodeId } = this.#environment;
    const { service, key, kind, timeoutMs } = entry.request;
    const what = `${service} ${key} ${kind} at node ${nodeId}`;
    this.#settle(entry);
    entry.reject(
      entry.id === 0
        ? new ActorFault('actor-stopped', `${what}: not sent within ${timeoutMs} ms`)
        : new ActorFault('outcome-unknown', `${what}: no reply within ${timeoutMs} ms`),
    );
    if (this.#queued.size > 0) this.#flushSoon();
  }

  #settle(entry: Entry): void {
    this.#environment.clock.clearTimer(entry.timer);
    this.#bytes -= entry.bytes;
    if (this.#queued.delete(entry)) return;
    this.#sent.delete(entry.id);
    this.#sentBytes -= entry.bytes;
    this.#environment.budget.release(entry.replyBytes);
  }

  #ofFrame(frame: number): Entry[] {
    return [...this.#sent.values()].filter((entry) => entry.frame === frame);
  }

  #fail(entries: readonly Entry[], reason: string): void {
    for (const entry of entries) {
      this.#settle(entry);
      entry.reject(new ActorFault(entry.doubtful ? 'outcome-unknown' : 'actor-stopped', reason));
    }
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    // After everything else that this round of the event loop brings, which then goes in the same frame.
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const { lane } = this.#environment;
    if (this.#queued.size === 0 || !lane.up) return;
    if (!this.#present) {
      this.#find();
      return;
    }
    const { budget, limits } = this.#environment;
    const { windowBytesMax } = limits;
    for (;;) {
      const entries: Entry[] = [];
      let frameBytes = 0;
      for (const entry of this.#queued) {
        if (this.#sent.size + entries.length > 0 && this.#sentBytes + entry.bytes > windowBytesMax) break;
        if (entries.length === FRAME_MESSAGES || (entries.length > 0 && frameBytes + entry.message.bytes > FRAME_BYTES))
          break;
        if (!budget.take(entry.replyBytes, this.#flushSoonBound)) break;
        entries.push(entry);
        frameBytes += entry.message.bytes;
        this.#sentBytes += entry.bytes;
      }
      if (entries.length === 0) return;
      const after = this.#lastId;
      for (const entry of entries) {
        this.#queued.delete(entry);
        entry.id = ++this.#lastId;
        this.#sent.set(entry.id, entry);
      }
      this.#send(entries, after, false);
    }
  }

  /** Sends everything unanswered again, in order; requests up to number `lastId` may have been taken before. */
  #sendAgain(lastId: number): void {
    if (this.#incarnation === undefined || !this.#environment.lane.up) return;
    let entries: Entry[] = [];
    let frameBytes = 0;
    const send = (): void => {
      if (entries.length > 0) this.#send(entries, 0, true);
      entries = [];
      frameBytes = 0;
    };
    for (const entry of [...this.#sent.values()]) {
      if (entry.id <= lastId) entry.doubtful = true;
      if (entries.length === FRAME_MESSAGES || frameBytes + entry.message.bytes > FRAME_BYTES) send();
      entries.push(entry);
      frameBytes += entry.message.bytes;
    }
    send();
  }

  #send(entries: readonly Entry[], after: number, again: boolean): void {
    const { lane, selfId, clock } = this.#environment;
    const sentAtMs = clock.monotonicMs();
    const requests = entries.map<OutgoingRequest>(({ id, request, message, deadlineMs }) => ({
      id,
      service: request.service,
      key: request.key,
      kind: request.kind,
      remainingMs: Math.max(0, deadlineMs - sentAtMs),
      trace: request.trace,
      message,
    }));
    const head = { sentAtMs, nodeId: selfId, after, again, repliedBelow: this.#lowestUnanswered() };
    const frame = lane.sendRequests(this.#incarnation as string, encodeRequests(head, requests));
    for (const entry of entries) entry.frame = frame;
  }

  #lowestUnanswered(): number {
    for (const id of this.#sent.keys()) return id;
    return this.#lastId + 1;
  }

  #find(): void {
    if (this.#finding || this.#switching) return;
    this.#finding = true;
    this.#environment.findProcess().then((incarnation) => {
      this.#finding = false;
      if (incarnation === undefined) {
        this.#fail([...this.#queued], `node ${this.#environment.nodeId} is not there`);
        return;
      }
      this.runs(incarnation);
      const absent = [...this.#queued].filter(({ notAt }) => notAt === incarnation);
      this.#fail(absent, `node ${this.#environment.nodeId} is not connected`);
      this.#flush();
    });
  }
}

function replyBytes({ message }: RemoteRequest): number {
  const { bytesMax } = (message ?? {}) as { bytesMax?: unknown };
  return typeof bytesMax === 'number' && bytesMax > 0 ? bytesMax : 0;
}
