// One lane's connection: takes the parts of frames that come for this process, and sends frames, no more of them at a time
// than the server keeps up with.

import type { Msg, Subscription } from '@nats-io/transport-node';
import type { NatsLink } from '../nats-connection.ts';
import { cut } from './frame.ts';
import { PART_BYTES, UNCONFIRMED_BYTES_MAX } from './limits.ts';
import { type Lane, type PartAddress, parsePart, type Subjects } from './subjects.ts';

export interface LaneEvents {
  /** A part of a frame of requests. */
  onRequestPart(payload: Buffer, address: PartAddress): void;
  /** A part of a frame of replies; `address` names the replier. */
  onReplyPart(payload: Buffer, address: PartAddress): void;
  /** No process listens where part of this frame went. */
  onNobody(frame: number): void;
  /** The connection is lost; or there again, with everything that comes for this process reaching it. */
  onChange(up: boolean): void;
}

interface WaitingFrame {
  readonly subject: string;
  readonly replySubject: (part: number, parts: number) => string;
  readonly parts: readonly Uint8Array[];
  nextPart: number;
}

export class LaneConnection {
  readonly lane: Lane;
  readonly #link: NatsLink;
  readonly #subjects: Subjects;
  readonly #incarnation: string;
  readonly #requests: Subscription;
  readonly #waiting: WaitingFrame[] = [];
  #waitingBytes = 0;
  /** Since the last flush was asked for, and in all. */
  #sinceFlushBytes = 0;
  #unconfirmedBytes = 0;
  /** Grows with every loss of the connection. */
  #period = 0;
  #ready = true;
  #lastFrame = 0;

  constructor(lane: Lane, link: NatsLink, subjects: Subjects, incarnation: string, events: LaneEvents) {
    this.lane = lane;
    this.#link = link;
    this.#subjects = subjects;
    this.#incarnation = incarnation;
    const { connection } = link;
    this.#requests = connection.subscribe(subjects.requests(incarnation, lane), {
      callback: (error, message) => {
        if (error !== null) return;
        const address = message.reply === undefined ? undefined : parsePart(message.reply);
        if (address !== undefined) events.onRequestPart(payloadOf(message), address);
      },
    });
    connection.subscribe(subjects.replies(incarnation, lane), {
      callback: (error, message) => {
        if (error !== null) return;
        const address = message.reply === undefined ? undefined : parsePart(message.reply);
        if (address !== undefined) events.onReplyPart(payloadOf(message), address);
      },
    });
    connection.subscribe(`${subjects.replies(incarnation, lane)}.>`, {
      callback: (error, message) => {
        if (error !== null || message.headers?.code !== 503) return;
        const address = parsePart(message.subject);
        if (address !== undefined) events.onNobody(address.frame);
      },
    });
    link.onChange((up) => {
      this.#waiting.length = 0;
      this.#waitingBytes = 0;
      this.#sinceFlushBytes = 0;
      this.#unconfirmedBytes = 0;
      this.#period++;
      this.#ready = false;
      if (up) this.#whenReady(() => events.onChange(true));
      else events.onChange(false);
    });
  }

  get up(): boolean {
    return this.#ready;
  }

  /** Bytes that wait for the server to keep up. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Sends requests to a process. @returns the frame's number */
  sendRequests(incarnation: string, segments: readonly Uint8Array[]): number {
    const frame = ++this.#lastFrame;
    this.#send({
      subject: this.#subjects.requests(incarnation, this.lane),
      replySubject: (part, parts) => this.#subjects.requestPart(this.#incarnation, this.lane, frame, part, parts),
      parts: this.#parts(segments),
      nextPart: 0,
    });
    return frame;
  }

  /** Sends replies, or what is to be said of a frame, to a process. */
  sendReplies(incarnation: string, segments: readonly Uint8Array[]): void {
    const frame = ++this.#lastFrame;
    this.#send({
      subject: this.#subjects.replies(incarnation, this.lane),
      replySubject: (part, parts) => this.#subjects.replyPart(this.#incarnation, this.lane, frame, part, parts),
      parts: this.#parts(segments),
      nextPart: 0,
    });
  }

  /** Resolves when what the server had to say of everything sent before has come, or the connection is lost. */
  async barrier(): Promise<void> {
    await this.#link.connection.flush().catch(() => undefined);
  }

  /** Takes no further requests; resolves when those that are on their way have come. */
  async drain(): Promise<void> {
    if (this.#ready) await this.#requests.drain().catch(() => undefined);
  }

  #parts(segments: readonly Uint8Array[]): Uint8Array[] {
    return cut(segments, Math.min(PART_BYTES, this.#link.payloadBytesMax));
  }

  #send(frame: WaitingFrame): void {
    // Not connected: what is given to the client now may be sent or dropped later. Those who wait find out when it is up.
    if (!this.#ready) return;
    this.#waiting.push(frame);
    for (const part of frame.parts) this.#waitingBytes += part.length;
    this.#pump();
  }

  #pump(): void {
    const { connection } = this.#link;
    while (this.#waiting.length > 0 && this.#unconfirmedBytes < UNCONFIRMED_BYTES_MAX) {
      const frame = this.#waiting[0] as WaitingFrame;
      const part = frame.parts[frame.nextPart] as Uint8Array;
      connection.publish(frame.subject, part, { reply: frame.replySubject(frame.nextPart, frame.parts.length) });
      this.#waitingBytes -= part.length;
      this.#unconfirmedBytes += part.length;
      this.#sinceFlushBytes += part.length;
      frame.nextPart++;
      if (frame.nextPart === frame.parts.length) this.#waiting.shift();
      if (this.#sinceFlushBytes >= UNCONFIRMED_BYTES_MAX / 8) this.#flush();
    }
  }

  /** The server has this process's subscriptions. */
  #whenReady(then: () => void): void {
    const period = this.#period;
    this.#link.connection.flush().then(
      () => {
        if (period !== this.#period) return;
        this.#ready = true;
        then();
      },
      // Lost again: the next change says more.
      () => undefined,
    );
  }

  /** Asks the server to confirm what it has been given. */
  #flush(): void {
    const bytes = this.#sinceFlushBytes;
    const period = this.#period;
    this.#sinceFlushBytes = 0;
    this.#link.connection.flush().then(
      () => {
        if (period !== this.#period) return;
        this.#unconfirmedBytes -= bytes;
        this.#pump();
      },
      // The connection is lost: onChange says so.
      () => undefined,
    );
  }
}

function payloadOf(message: Msg): Buffer {
  const { data } = message;
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
