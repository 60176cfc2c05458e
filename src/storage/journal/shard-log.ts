// One opening of a shard in the journal. Owns the order of what it appends (one message at a time: groups of its caller,
// markers, the journal's own entries) and decides whether it may still be used.
//
//   open ──10071, a later opening is told──▶ fenced        every call rejects with `fenced`
//     ├────outcome unknown──────────────────▶ broken       the shard must be opened again: `fenced`, too
//     └────close()──────────────────────────▶ closed

import { invariant } from '../../actors/runtime/errors.ts';
import type { Logger } from '../../actors/runtime/ports.ts';
import type { LogDescription, LogEntry, PartitionKey, ShardLog } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import type { Tracer } from '../../events.ts';
import type { ColdShard, ColdStore } from '../seaweed/cold-store.ts';
import type { Budget } from './budget.ts';
import { Chain } from './chain.ts';
import { ColdLink } from './cold-link.ts';
import { ColdMover } from './cold-mover.ts';
import type { ColdOpenings } from './cold-openings.ts';
import { splitGroup } from './group-parts.ts';
import type { IndexWriter } from './index-writer.ts';
import type { JournalLimits } from './limits.ts';
import { LogReader } from './log-reader.ts';
import { encodeHead, type JournalEntry } from './message-format.ts';
import type { MessageReader } from './message-reader.ts';
import { MoveTraces } from './move-traces.ts';
import type { JournalNames } from './names.ts';
import { OwnMessage } from './own-message.ts';
import type { Requester } from './requester.ts';
import type { AppliedMessage, ShardState } from './shard-state.ts';
import { Trimmer } from './trimmer.ts';
import type { Usage } from './usage.ts';

/** What the shards of a store share. */
export interface JournalContext {
  readonly appends: Requester;
  readonly reads: Requester;
  readonly names: JournalNames;
  readonly limits: JournalLimits;
  readonly logger: Logger;
  readonly reader: MessageReader;
  readonly appendBudget: Budget;
  readonly usage: Usage;
  /** Undefined: the journal is all there is. */
  readonly cold: ColdStore | undefined;
  readonly coldOpenings: ColdOpenings;
  /** Partitions that are not moved to the cold store. */
  readonly stays: (partition: PartitionKey) => boolean;
  /** For spans of moves. */
  readonly tracer: Tracer;
  /** Told of every acknowledged append. */
  readonly onAppended: (shard: number, bytes: number, durationMs: number) => void;
  /** Told of every append that NATS did not do for another reason than its fencing or its limits. */
  readonly onAppendLost: (error: StorageFault) => void;
}

export interface OpenedShard {
  readonly shard: number;
  readonly epoch: number;
  /** Sequence of the opening's message. */
  readonly sequence: number;
  readonly state: ShardState;
  readonly index: IndexWriter;
}

export class JournalShardLog implements ShardLog {
  readonly shard: number;
  readonly epoch: number;
  readonly state: ShardState;
  readonly index: IndexWriter;
  readonly trimmer: Trimmer;
  readonly #context: JournalContext;
  readonly #chain: Chain;
  readonly #reader: LogReader;
  readonly #cold: ColdLink | undefined;
  #mover: ColdMover | undefined;
  readonly #traces: MoveTraces;
  /** The append under way; the next one waits for it. */
  #tail: Promise<unknown> = Promise.resolve();
  #appending = false;
  #unusable: string | undefined;

  constructor(context: JournalContext, opened: OpenedShard) {
    const { shard, epoch, state } = opened;
    const { appends: requester, names, limits, logger } = context;
    this.#context = context;
    this.shard = shard;
    this.epoch = epoch;
    this.state = state;
    this.index = opened.index;
    this.#chain = new Chain({
      requester,
      names,
      limits,
      logger,
      shard,
      epoch,
      lastSequence: opened.sequence,
      indexSequence: () => this.index.sequence,
      onMarker: (sequence, bytes) => this.#note(sequence, bytes),
    });
    this.trimmer = new Trimmer({
      requester: context.reads,
      names,
      limits,
      shard,
      state,
      index: this.index,
      lastSequence: () => this.#chain.lastSequence,
      coverAll: () => this.#coverAll(),
    });
    this.#cold =
      context.cold === undefined
        ? undefined
        : new ColdLink({
            cold: context.cold,
            openings: context.coldOpenings,
            shard,
            epoch,
            state,
            retryMs: limits.coldRetryMs,
            logger,
            onOpen: (cold) => this.#startMoving(cold),
          });
    this.#traces = new MoveTraces(context.tracer, shard);
    this.#reader = new LogReader(shard, state, context.reader, limits, this.#cold);
    this.#cold?.open();
  }

  /** Whether it may be appended to. */
  get usable(): boolean {
    return this.#unusable === undefined;
  }

  /** Whether the cold store serves the shard; undefined: there is none. */
  get coldOpen(): boolean | undefined {
    return this.#cold === undefined ? undefined : this.#cold.current !== undefined;
  }

  /** Bytes of batches that are to be moved to the cold store and are not noted as moved; 0 without one. */
  get unmovedBytes(): number {
    if (this.#cold === undefined) return 0;
    let bytes = 0;
    for (const { key, rows } of this.state.partitions.values()) if (!this.#context.stays(key)) bytes += rows.bytes;
    return bytes;
  }

  get lastSequence(): number {
    return this.#chain.lastSequence;
  }

  async append(entries: readonly LogEntry[]): Promise<void> {
    this.#requireUsable();
    invariant(!this.#appending, `shard ${this.shard}: an append while another one is in flight`);
    this.#appending = true;
    try {
      await this.#appendEntries(entries);
      if (this.#mover !== undefined) this.#traces.committed(entries);
    } finally {
      this.#appending = false;
    }
  }

  async #appendEntries(entries: readonly JournalEntry[]): Promise<void> {
    this.#requireUsable();
    if (entries.length > 0) await this.#inTurn(() => this.#appendGroup(entries));
  }

  async describe(partition: PartitionKey): Promise<LogDescription> {
    this.#requireUsable();
    return this.#reader.describe(partition);
  }

  async read(
    partition: PartitionKey,
    fromOffset: bigint,
    endOffset: bigint,
    bytesMax: number,
    atLeastOne: boolean,
  ): Promise<Uint8Array[]> {
    this.#requireUsable();
    return this.#reader.read(partition, fromOffset, endOffset, bytesMax, atLeastOne);
  }

  async *headers(partition: PartitionKey, fromOffset: bigint): AsyncIterable<Uint8Array> {
    this.#requireUsable();
    yield* this.#reader.headers(partition, fromOffset);
  }

  async firstBatchAtOrAfter(partition: PartitionKey, timestampMs: bigint): Promise<bigint | undefined> {
    this.#requireUsable();
    return this.#reader.firstBatchAtOrAfter(partition, timestampMs);
  }

  async batchOfMaxTimestamp(partition: PartitionKey): Promise<bigint | undefined> {
    this.#requireUsable();
    return this.#reader.batchOfMaxTimestamp(partition);
  }

  async offsetToKeep(partition: PartitionKey, bytes: number): Promise<bigint> {
    this.#requireUsable();
    return this.#reader.offsetToKeep(partition, bytes);
  }

  async sizes(): Promise<ReadonlyMap<PartitionKey, number>> {
    this.#requireUsable();
    return this.#reader.sizes();
  }

  /** A later opening is known of. */
  fence(epoch: number): void {
    if (epoch > this.epoch) this.#end(`epoch ${this.epoch} has a later owner, of epoch ${epoch}`);
  }

  async close(): Promise<void> {
    if (this.usable && this.#context.appends.connected && this.index.behind.messages > CLOSE_BEHIND_MIN) {
      // A good leave: the next opener finds everything in the index. Without it, it reads a little more of the log.
      await this.#coverAll().catch((error: unknown) => {
        this.#context.logger.log('info', 'journal.closed-without-index', { shard: this.shard, error });
      });
    }
    this.#end('this handle was closed');
    await this.#mover?.stop();
    await this.#cold?.close();
    await this.#tail;
    await this.index.stop();
  }

  #requireUsable(): void {
    if (this.#unusable !== undefined) throw new StorageFault('fenced', `shard ${this.shard}: ${this.#unusable}`);
  }

  #end(why: string): void {
    this.#unusable ??= why;
    void this.#mover?.stop();
    void this.#cold?.close();
  }

  /** Runs `work` when all that was appended before it has its outcome. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work);
    this.#tail = turn.then(
      () => {},
      () => {},
    );
    return turn;
  }

  async #appendGroup(entries: readonly JournalEntry[]): Promise<void> {
    // Not `#requireUsable`: close() lets what was appended before it go through.
    const { limits, usage, appends } = this.#context;
    this.state.validate(entries);
    const parts = splitGroup(entries, Math.min(limits.messageBytesMax, appends.maxPayload), this.shard);
    const records = entries.some(({ kind }) => kind === 'batch' || kind === 'checkpoint');
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    if (records) usage.requireRoom(this.shard, bytes);
    const counter = this.#chain.nextCounter();
    const startedMs = performance.now();
    const landed: AppliedMessage[] = [];
    try {
      for (const [part, { entries: own }] of parts.entries()) {
        landed.push(await this.#appendPart(own, counter, part, part === parts.length - 1));
      }
    } catch (error) {
      // Parts without their last one have no effect.
      for (const message of landed) this.#note(message.sequence, message.bytes);
      this.#failed(error);
      if (error instanceof StorageFault && error.code === 'full') usage.refused(this.shard, bytes);
      throw error;
    }
    for (const message of landed) this.#apply(message);
    this.#context.onAppended(this.shard, bytes, performance.now() - startedMs);
    this.index.extendIfDue();
    if (this.#chain.superseded) this.#end(`epoch ${this.epoch} has a later owner`);
  }

  async #appendPart(
    entries: readonly JournalEntry[],
    counter: number,
    part: number,
    lastPart: boolean,
  ): Promise<AppliedMessage> {
    const { appendBudget, reader, usage } = this.#context;
    const indexSequence = this.index.sequence;
    const fields = { kind: 'group', epoch: this.epoch, counter, part, lastPart, indexSequence } as const;
    const { head, headBytes, bodies, bytes } = encodeHead(fields, entries);
    const parts = [headBytes, ...bodies];
    const sequence = await appendBudget.run(bytes, async () => {
      const startedMs = performance.now();
      const landed = await this.#chain.append(parts, fields);
      appendBudget.took(performance.now() - startedMs);
      return landed;
    });
    const message = new OwnMessage(head, headBytes, bodies, sequence, bytes);
    reader.put(this.shard, sequence, message);
    usage.appended(this.shard, bytes);
    this.index.named(indexSequence);
    return message;
  }

  #apply(message: AppliedMessage): void {
    this.state.apply(message);
    this.index.applied(message);
    const { items } = message.head;
    this.#cold?.applied(items, message.sequence);
    if (this.#mover === undefined) return;
    for (const item of items) if (item.kind === 'batch') this.#mover.appended(item.partition);
  }

  #startMoving(cold: ColdShard): void {
    const { limits, logger, stays, usage } = this.#context;
    this.#mover = new ColdMover(cold, {
      shard: this.shard,
      state: this.state,
      limits,
      logger,
      stays,
      isPressed: () => usage.pressed,
      traces: this.#traces,
      read: (rows) => this.#reader.readRows(rows),
      append: async (entries) => {
        this.#requireUsable();
        await this.#inTurn(async () => {
          const own = entries();
          if (own.length > 0) await this.#appendGroup(own);
        });
      },
    });
    if (!this.usable) void this.#mover.stop();
  }

  #failed(error: unknown): void {
    if (!(error instanceof StorageFault)) return;
    if (error.code === 'unavailable' || error.code === 'outcome-unknown') this.#context.onAppendLost(error);
    if (error.code === 'fenced') this.#end(error.message);
    if (error.code === 'outcome-unknown') this.#end(`it must be opened again: ${error.message}`);
  }

  #note(sequence: number, bytes: number): void {
    this.state.note(sequence, bytes);
    this.index.noted(sequence, bytes);
  }

  /** Brings the index up to date and names it in the log by a message of its own. */
  async #coverAll(): Promise<void> {
    await this.index.extend();
    if (!this.index.unnamed || !this.usable) return;
    await this.#inTurn(async () => {
      const message = await this.#appendPart([], this.#chain.nextCounter(), 0, true);
      this.#note(message.sequence, message.bytes);
    });
  }
}

/** Fewer messages than this are not worth an index message when a shard is closed. */
const CLOSE_BEHIND_MIN = 4;
