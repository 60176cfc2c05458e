// Moves one shard's runs to SeaweedMQ and says when each is proven to be stored.
//
//   given ──sent──> acknowledged (in the broker's memory) ──a log file shows it──> proven: the promise resolves
//     ^                    │
//     └── stream broke, or no proof in time: sent again, to a topic of the next generation
//
// Proof is that the index holds every offset of the run; the index holds only what was found in a log file. Whoever wrote
// it counts. A broken stream's topic is never published to again, so that what its broker may still have to write cannot get
// in the way; what was acknowledged there is looked for before it is sent again.

import type { TimerHandle } from '../../actors/runtime/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import type { ColdRun } from './cold-store.ts';
import { compressRun, isUncompressed } from './compression.ts';
import type { SeaweedContext } from './context.ts';
import { publishFrame } from './log-entry.ts';
import { PublishStream } from './publish-stream.ts';
import { runHeaderBytes, writeRunHeader } from './run-format.ts';
import type { ShardFiles } from './shard-files.ts';
import type { ShardIndex } from './shard-index.ts';
import { type ShardTopic, shardTopic } from './topic-names.ts';

const DRAIN_POLL_MS = 20;

interface Pending {
  readonly run: ColdRun;
  readonly bytes: number;
  readonly givenMs: number;
  /** Monotonic ms of its acknowledgement; undefined while there is none. */
  ackedMs: number | undefined;
  sent: boolean;
  readonly resolve: () => void;
  readonly reject: (fault: StorageFault) => void;
}

export class ShardMover {
  readonly #context: SeaweedContext;
  readonly #index: ShardIndex;
  readonly #files: ShardFiles;
  readonly #shard: number;
  readonly #epoch: number;
  #generation: number;
  /** Not proven yet, in the order given. */
  readonly #pending = new Set<Pending>();
  /** Not sent, or to be sent again; in order. */
  #unsent: Pending[] = [];
  #bytes = 0;
  #stream: PublishStream | undefined;
  /** The stream's topic, or that of the stream before, which is used again after a clean close. */
  #topic: ShardTopic | undefined;
  /** Topics of broken streams, looked through for late proofs before anything is sent again. */
  #abandoned: ShardTopic[] = [];
  /** How many since the last proof. */
  #abandonedSinceProof = 0;
  #closing: Promise<void> | undefined;
  /** Proven, and told so after a while. */
  readonly #settling = new Map<Pending, TimerHandle>();
  #working = false;
  #closed = false;
  /** Wakes the worker: an acknowledgement, a proof, a break, a close. */
  #wake: () => void = () => {};
  #idle: TimerHandle | undefined;
  #poll: TimerHandle | undefined;
  readonly #onRoom: () => void;
  /** Ends each pause before its time. */
  readonly #pauses = new Set<() => void>();

  constructor(
    context: SeaweedContext,
    index: ShardIndex,
    files: ShardFiles,
    shard: number,
    epoch: number,
    onRoom: () => void,
  ) {
    this.#context = context;
    this.#index = index;
    this.#files = files;
    this.#shard = shard;
    this.#epoch = epoch;
    this.#onRoom = onRoom;
    // A journal that was made anew begins its epochs again: the topics of the old one are left alone.
    let generation = 0;
    for (const { topic } of index.topics.values()) {
      if (topic.epoch === epoch && topic.generation >= generation) generation = topic.generation + 1;
    }
    this.#generation = generation;
  }

  /** Bytes given and not proven. */
  get bytes(): number {
    return this.#bytes;
  }

  get runs(): number {
    return this.#pending.size;
  }

  /** Monotonic ms at which the oldest run that is not proven was given. */
  get oldestGivenMs(): number | undefined {
    return this.#pending.values().next().value?.givenMs;
  }

  /** The topic that is written to now; its newest log file may grow. */
  get openTopic(): string | undefined {
    return this.#topic?.name;
  }

  /** As ColdShard.move. */
  move(run: ColdRun): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closedFault());
    const bytes = run.pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (this.#isProven(run)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const givenMs = this.#context.clock.monotonicMs();
      const pending: Pending = { run, bytes, givenMs, ackedMs: undefined, sent: false, resolve, reject };
      this.#pending.add(pending);
      this.#unsent.push(pending);
      this.#bytes += bytes;
      this.#context.counters.unprovenBytes += bytes;
      this.#start();
    });
  }

  /** Looks which runs the index holds by now. */
  settleProven(): void {
    let settled = false;
    for (const pending of this.#pending) {
      if (!this.#isProven(pending.run)) continue;
      this.#context.counters.proven(pending.bytes, this.#context.clock.nowMs());
      this.#drop(pending);
      this.#settle(pending);
      settled = true;
    }
    if (!settled) return;
    this.#abandonedSinceProof = 0;
    for (const end of this.#pauses) end();
    this.#unsent = this.#unsent.filter((pending) => this.#pending.has(pending));
    this.#onRoom();
    if (this.#pending.size === 0) this.#rest();
    this.#wake();
  }

  /** Sends what is not sent, closes the stream, which has the broker write everything, and proves it. @throws StorageFault */
  async drain(timeoutMs: number): Promise<void> {
    const { clock } = this.#context;
    const endMs = clock.monotonicMs() + timeoutMs;
    while (this.#pending.size > 0) {
      if (this.#closed) throw this.#closedFault();
      if (clock.monotonicMs() >= endMs)
        throw new StorageFault('unavailable', `${this.#pending.size} runs are not stored after ${timeoutMs} ms`);
      if ([...this.#pending].every((pending) => pending.ackedMs !== undefined)) {
        if (this.#stream !== undefined) await this.#closeStream();
        else await this.#refresh();
      }
      if (this.#pending.size > 0) await this.#pause(DRAIN_POLL_MS);
    }
  }

  /** Lets go of everything; what is not proven rejects. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#clearTimers();
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.abort('the shard is closed');
    for (const pending of [...this.#pending]) {
      this.#drop(pending);
      pending.reject(this.#closedFault());
    }
    for (const [pending, timer] of this.#settling) {
      this.#context.clock.clearTimer(timer);
      pending.reject(this.#closedFault());
    }
    this.#settling.clear();
    this.#unsent = [];
    this.#wake();
    for (const end of this.#pauses) end();
  }

  /** Tells that a run is proven: at once, or when what the filer shows has had the time to reach its disk. */
  #settle(pending: Pending): void {
    const { settleMs } = this.#context.limits;
    if (settleMs === 0) {
      pending.resolve();
      return;
    }
    const timer = this.#context.clock.setTimer(settleMs, () => {
      this.#settling.delete(pending);
      pending.resolve();
    });
    this.#settling.set(pending, timer);
  }

  #drop(pending: Pending): void {
    this.#pending.delete(pending);
    this.#bytes -= pending.bytes;
    this.#context.counters.unprovenBytes -= pending.bytes;
  }

  #isProven({ partition, baseOffset, lastOffset }: ColdRun): boolean {
    return this.#index.partition(partition)?.covers(baseOffset, lastOffset) ?? false;
  }

  #start(): void {
    if (this.#idle !== undefined) this.#context.clock.clearTimer(this.#idle);
    this.#idle = undefined;
    this.#wake();
    if (this.#working) return;
    this.#working = true;
    void this.#work();
    this.#watchProofs();
  }

  /** Sends until nothing is left to send. */
  async #work(): Promise<void> {
    const { limits } = this.#context;
    let backoffMs = limits.backoffFirstMs;
    try {
      while (!this.#closed && this.#unsent.length > 0) {
        try {
          const stream = this.#stream ?? (await this.#openStream());
          backoffMs = limits.backoffFirstMs;
          await this.#send(stream);
        } catch (error) {
          this.#note(error);
          const level = backoffMs === limits.backoffFirstMs ? 'warn' : 'debug';
          this.#context.logger.log(level, 'seaweed.move-failed', { shard: this.#shard, reason: String(error) });
          await this.#pause(backoffMs);
          backoffMs = Math.min(backoffMs * 2, limits.backoffLastMs);
        }
      }
    } finally {
      // At once, not when somebody hears of the end: a run that is given next has to find it so.
      this.#working = false;
    }
  }

  async #openStream(): Promise<PublishStream> {
    const { brokers, limits, clock, namespace } = this.#context;
    await this.#closing;
    // A broker that acknowledges and cannot store (full volumes, say) keeps what it was sent: it is not to be given the same
    // again and again.
    if (this.#abandonedSinceProof > 1)
      await this.#pause(Math.min(limits.backoffLastMs * 2 ** (this.#abandonedSinceProof - 1), limits.stallPauseMaxMs));
    for (const topic of [...this.#abandoned]) {
      await this.#files.refreshTopic(topic);
      this.#abandoned = this.#abandoned.filter((each) => each !== topic);
    }
    this.#topic ??= shardTopic(this.#shard, this.#epoch, this.#generation);
    const topic = { namespace, name: this.#topic.name };
    const leader = await brokers.configure(topic);
    let broken: StorageFault | undefined;
    let opened: PublishStream | undefined;
    opened = await PublishStream.open(brokers, leader, topic, limits, clock, (fault) => {
      broken = fault;
      if (opened !== undefined) this.#onBroken(opened, fault);
    });
    if (this.#closed) opened.abort('the shard is closed');
    if (broken !== undefined) throw broken;
    this.#stream = opened;
    return opened;
  }

  async #send(stream: PublishStream): Promise<void> {
    while (this.#stream === stream && this.#unsent.length > 0) {
      const bytes = this.#unsent[0]!.bytes;
      if (stream.unackedBytes > 0 && stream.unackedBytes + bytes > this.#context.limits.unackedBytesMax) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const pending = this.#unsent.shift()!;
      const frame = await this.#frame(pending.run);
      // Broken meanwhile: it is to be sent again with the others. Proven meanwhile, by what another stream had stored.
      if (this.#stream !== stream) return;
      if (!this.#pending.has(pending)) continue;
      if (pending.sent) this.#context.counters.resentRuns++;
      pending.sent = true;
      stream.send(frame, () => {
        // gRPC has copied it, and the broker has it.
        this.#context.frames.giveBack(frame);
        pending.ackedMs = this.#context.clock.monotonicMs();
        this.#context.counters.ackedRuns++;
        this.#context.counters.lastAckMs = this.#context.clock.nowMs();
        this.#wake();
      });
    }
  }

  /** A publish request with the run. */
  async #frame(run: ColdRun): Promise<Buffer> {
    const rawBytes = run.pieces.reduce((sum, piece) => sum + piece.length, 0);
    const packed = this.#context.compress && isUncompressed(run.pieces) ? await compressRun(run.pieces) : undefined;
    const storedBytes = packed?.length ?? rawBytes;
    const headerBytes = runHeaderBytes(run.partition);
    const key = Buffer.alloc(8);
    key.writeBigInt64BE(run.baseOffset);
    const { frame, valueAt } = publishFrame(key, headerBytes + storedBytes, (bytes) =>
      this.#context.frames.take(bytes),
    );
    let at = valueAt + headerBytes;
    for (const piece of packed === undefined ? run.pieces : [packed]) {
      frame.set(piece, at);
      at += piece.length;
    }
    writeRunHeader(frame, valueAt, {
      partition: run.partition,
      epoch: this.#epoch,
      position: run.position,
      baseOffset: run.baseOffset,
      lastOffset: run.lastOffset,
      maxTimestampMs: run.maxTimestampMs,
      rawBytes,
      storedBytes,
      compressed: packed !== undefined,
    });
    return frame;
  }

  #onBroken(stream: PublishStream, fault: StorageFault): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#abandonTopic();
    this.#context.counters.fault(fault, this.#context.clock.nowMs());
    this.#context.logger.log('warn', 'seaweed.stream-broken', { shard: this.#shard, reason: fault.message });
    this.#wake();
  }

  /** Has everything that is not proven sent again, to a new topic. */
  #abandonTopic(): void {
    if (this.#topic !== undefined) this.#abandoned.push(this.#topic);
    this.#abandonedSinceProof++;
    this.#topic = undefined;
    this.#generation++;
    for (const pending of this.#pending) pending.ackedMs = undefined;
    this.#unsent = [...this.#pending];
    if (!this.#closed && this.#unsent.length > 0) this.#start();
  }

  #closeStream(): Promise<void> {
    this.#closing ??= this.#closeNow().finally(() => {
      this.#closing = undefined;
    });
    return this.#closing;
  }

  async #closeNow(): Promise<void> {
    const stream = this.#stream!;
    this.#stream = undefined;
    try {
      await stream.close();
    } catch (error) {
      this.#note(error);
      this.#abandonTopic();
      return;
    }
    // The broker has let go of everything: what is in no log file now never will be.
    if (await this.#refresh()) this.#giveUpUnproven();
  }

  /** Looks through the log files of the topic. @returns whether that was possible */
  async #refresh(): Promise<boolean> {
    if (this.#topic === undefined) return false;
    try {
      await this.#files.refreshTopic(this.#topic);
      return true;
    } catch (error) {
      this.#note(error);
      return false;
    }
  }

  #giveUpUnproven(): void {
    if ([...this.#pending].some((pending) => pending.ackedMs !== undefined)) this.#abandonTopic();
  }

  /** Nothing to do: after a while the stream is closed, which frees the broker's buffers. */
  #rest(): void {
    const { clock, limits } = this.#context;
    if (this.#idle !== undefined) clock.clearTimer(this.#idle);
    this.#idle = clock.setTimer(limits.idleCloseMs, () => {
      this.#idle = undefined;
      if (this.#closed || this.#pending.size > 0 || this.#stream === undefined) return;
      void this.#closeStream();
    });
  }

  /** Looks for proofs that the filer's stream has not told, and gives up on what is never proven. */
  #watchProofs(): void {
    const { clock, limits } = this.#context;
    if (this.#poll !== undefined || this.#closed) return;
    this.#poll = clock.setTimer(limits.proofPollMs / 2, () => {
      this.#poll = undefined;
      if (this.#closed || this.#pending.size === 0) return;
      void this.#lookForProofs().finally(() => this.#watchProofs());
    });
  }

  async #lookForProofs(): Promise<void> {
    const { limits, clock } = this.#context;
    const ageOfOldestMs = () => {
      for (const { ackedMs } of this.#pending) if (ackedMs !== undefined) return clock.monotonicMs() - ackedMs;
      return 0;
    };
    if (ageOfOldestMs() < limits.proofPollMs) return;
    if (!(await this.#refresh()) || ageOfOldestMs() < limits.proofTimeoutMs) return;
    if (this.#stream !== undefined)
      this.#stream.abort(`acknowledged, but in no log file for ${limits.proofTimeoutMs} ms`);
    else this.#giveUpUnproven();
  }

  #note(error: unknown): void {
    if (!(error instanceof StorageFault)) throw error;
    this.#context.counters.fault(error, this.#context.clock.nowMs());
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#context.clock.setTimer(delayMs, () => end());
      const end = () => {
        this.#context.clock.clearTimer(timer);
        this.#pauses.delete(end);
        resolve();
      };
      this.#pauses.add(end);
    });
  }

  #clearTimers(): void {
    for (const timer of [this.#idle, this.#poll]) if (timer !== undefined) this.#context.clock.clearTimer(timer);
    this.#idle = undefined;
    this.#poll = undefined;
  }

  #closedFault(): StorageFault {
    return new StorageFault('unavailable', `shard ${this.#shard} is closed`);
  }
}
