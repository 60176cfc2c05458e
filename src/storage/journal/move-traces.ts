// The traces of requests whose batches are still to be moved to the cold store: a move is a trace of its own, linked to
// them. Kept for sampled requests only, and only so many: what a node cannot move for long is moved without links.

import type { TraceContext } from '../../actors/runtime/ports.ts';
import type { LogEntry, PartitionKey } from '../../actors/shard/ports.ts';
import type { Span, Tracer } from '../../events.ts';

const TRACES_MAX = 1_024;
/** Links of one span: more show nothing. */
const LINKS_MAX = 64;

interface TracedBatch {
  readonly lastOffset: bigint;
  readonly trace: TraceContext;
}

export class MoveTraces {
  readonly #tracer: Tracer;
  readonly #shard: number;
  readonly #batches = new Map<PartitionKey, TracedBatch[]>();
  #count = 0;

  constructor(tracer: Tracer, shard: number) {
    this.#tracer = tracer;
    this.#shard = shard;
  }

  /** Batches were committed. */
  committed(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      if (entry.kind === 'removal') this.#forget(entry.partition);
      if (entry.kind !== 'batch' || entry.trace === undefined || this.#count >= TRACES_MAX) continue;
      const batches = this.#batches.get(entry.partition);
      const batch = { lastOffset: entry.lastOffset, trace: entry.trace };
      if (batches === undefined) this.#batches.set(entry.partition, [batch]);
      else batches.push(batch);
      this.#count++;
    }
  }

  /** Begins the span of the move of all up to `lastOffset`. @returns undefined when nothing of it is sampled */
  startMove(partition: PartitionKey, lastOffset: bigint, bytes: number): Span | undefined {
    const batches = this.#batches.get(partition);
    if (batches === undefined) return undefined;
    const later = batches.findIndex((batch) => batch.lastOffset > lastOffset);
    const moved = batches.splice(0, later < 0 ? batches.length : later);
    this.#count -= moved.length;
    if (batches.length === 0) this.#batches.delete(partition);
    if (moved.length === 0) return undefined;
    return this.#tracer.startLinked(
      'seaweedPublish',
      'seaweedmq publish',
      moved.slice(0, LINKS_MAX).map(({ trace }) => trace),
      { 'sargasso.shard': this.#shard, 'sargasso.run.bytes': bytes },
    );
  }

  #forget(partition: PartitionKey): void {
    this.#count -= this.#batches.get(partition)?.length ?? 0;
    this.#batches.delete(partition);
  }
}
