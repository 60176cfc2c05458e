// One publish stream to the leader of a topic: messages go out in order, acknowledgements come back in the same order.
//
//   opening ──hello──> open ──close(): half-close──> closing ──status OK──> closed: all of it is on the filer
//      └──────────────────┴── error, refusal, no ack in time ──┴──> broken: what was not acknowledged is unknown
//
// An acknowledgement means that the message is in the broker's memory, no more: see the proofs (shard-mover.ts).

import type { ClientDuplexStream, StatusObject } from '@grpc/grpc-js';
import type { Clock, TimerHandle } from '../../actors/runtime/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import type { Brokers, TopicLeader } from './brokers.ts';
import type { SeaweedLimits } from './limits.ts';
import { type MqTopic, type PublishMessageResponse, seaweedMethods } from './protos.ts';

interface Unacked {
  readonly bytes: number;
  readonly sentMs: number;
  readonly acked: () => void;
}

export class PublishStream {
  readonly #stream: ClientDuplexStream<Buffer, PublishMessageResponse>;
  readonly #what: string;
  readonly #limits: SeaweedLimits;
  readonly #clock: Clock;
  readonly #unacked: Unacked[] = [];
  #acked = 0;
  #unackedBytes = 0;
  #hello: { resolve: () => void; reject: (fault: StorageFault) => void } | undefined;
  #closed: { resolve: () => void; reject: (fault: StorageFault) => void } | undefined;
  #fault: StorageFault | undefined;
  #watchdog: TimerHandle | undefined;
  readonly #onBroken: (fault: StorageFault) => void;

  private constructor(
    brokers: Brokers,
    leader: TopicLeader,
    topic: MqTopic,
    limits: SeaweedLimits,
    clock: Clock,
    onBroken: (fault: StorageFault) => void,
  ) {
    this.#what = `publishing to ${topic.name} at ${leader.address}`;
    this.#limits = limits;
    this.#clock = clock;
    this.#onBroken = onBroken;
    this.#stream = brokers.publishStream(leader.address);
    this.#stream.on('data', (response: PublishMessageResponse) => this.#onResponse(response));
    this.#stream.on('error', (error: Error) => this.#break(error.message, error));
    this.#stream.on('status', (status: StatusObject) => this.#onStatus(status));
    this.#stream.write(
      Buffer.from(
        seaweedMethods().broker.PublishMessage.requestSerialize({
          init: { topic, partition: leader.partition, ack_interval: 1, publisher_name: 'sargasso' },
        }),
      ),
    );
  }

  /**
   * Opens a stream and waits until the broker has taken it. @param onBroken called at most once, never after `close` was
   * called or when the opening failed. @throws StorageFault `unavailable`
   */
  static async open(
    brokers: Brokers,
    leader: TopicLeader,
    topic: MqTopic,
    limits: SeaweedLimits,
    clock: Clock,
    onBroken: (fault: StorageFault) => void,
  ): Promise<PublishStream> {
    const stream = new PublishStream(brokers, leader, topic, limits, clock, onBroken);
    await new Promise<void>((resolve, reject) => {
      const timer = clock.setTimer(limits.callTimeoutMs, () => stream.#break('no greeting in time'));
      const settle = (then: () => void) => {
        clock.clearTimer(timer);
        then();
      };
      stream.#hello = {
        resolve: () => settle(resolve),
        reject: (fault) => settle(() => reject(fault)),
      };
    });
    return stream;
  }

  get unackedBytes(): number {
    return this.#unackedBytes;
  }

  /** Sends a publish frame. @param acked called when the broker has it; not called when the stream breaks before. */
  send(frame: Buffer, acked: () => void): void {
    if (this.#fault !== undefined) return;
    this.#unacked.push({ bytes: frame.length, sentMs: this.#clock.monotonicMs(), acked });
    this.#unackedBytes += frame.length;
    this.#stream.write(frame);
    this.#watch(this.#limits.ackTimeoutMs);
  }

  /**
   * Half-closes the stream and waits for its status: the broker has then written all of it to the filer.
   * @throws StorageFault `unavailable`: what is not proven otherwise may be lost
   */
  close(): Promise<void> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(this.#limits.closeTimeoutMs, () => this.#break('no status in time'));
      this.#closed = {
        resolve: () => {
          this.#clock.clearTimer(timer);
          resolve();
        },
        reject: (fault) => {
          this.#clock.clearTimer(timer);
          reject(fault);
        },
      };
      this.#stream.end();
    });
  }

  /** Cuts the stream off; `onBroken` is called. */
  abort(reason: string): void {
    this.#break(reason);
  }

  #onResponse(response: PublishMessageResponse): void {
    if (this.#fault !== undefined) return;
    if (response.error !== '' || response.should_close) {
      this.#break(`refused with ${response.error_code}: ${response.error}`);
      return;
    }
    if (this.#hello !== undefined) {
      const { resolve } = this.#hello;
      this.#hello = undefined;
      resolve();
      return;
    }
    const first = this.#unacked[this.#acked];
    if (first === undefined) {
      this.#break('the broker acknowledged more than was sent');
      return;
    }
    this.#acked++;
    this.#unackedBytes -= first.bytes;
    if (this.#acked === this.#unacked.length || this.#acked >= 1_024) {
      this.#unacked.splice(0, this.#acked);
      this.#acked = 0;
    }
    first.acked();
  }

  #onStatus(status: StatusObject): void {
    if (status.code !== 0) this.#break(`status ${status.code} ${status.details}`);
    else if (this.#closed === undefined) this.#break('the broker ended the stream');
    else if (this.#unackedBytes > 0) this.#break('the broker ended the stream before it had acknowledged everything');
    else {
      this.#stopWatching();
      this.#closed.resolve();
    }
  }

  #break(reason: string, cause?: Error): void {
    if (this.#fault !== undefined) return;
    this.#fault = new StorageFault('unavailable', `${this.#what}: ${reason}`, cause);
    this.#stopWatching();
    this.#stream.cancel();
    if (this.#hello !== undefined) this.#hello.reject(this.#fault);
    else if (this.#closed !== undefined) this.#closed.reject(this.#fault);
    else this.#onBroken(this.#fault);
  }

  /** Looks again when the oldest message without an acknowledgement may be too old. */
  #watch(delayMs: number): void {
    this.#watchdog ??= this.#clock.setTimer(delayMs, () => {
      this.#watchdog = undefined;
      const oldest = this.#unacked[this.#acked];
      if (oldest === undefined) return;
      const leftMs = oldest.sentMs + this.#limits.ackTimeoutMs - this.#clock.monotonicMs();
      if (leftMs <= 0) this.#break(`no acknowledgement in ${this.#limits.ackTimeoutMs} ms`);
      else this.#watch(leftMs);
    });
  }

  #stopWatching(): void {
    if (this.#watchdog !== undefined) this.#clock.clearTimer(this.#watchdog);
    this.#watchdog = undefined;
  }
}
