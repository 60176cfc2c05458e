// Partition writers over a memory disk whose operations the test lets through one at a time or all together.

import { bindPartition } from '../../../src/actors/partition/binding.ts';
import { definePartition } from '../../../src/actors/partition/partition.ts';
import type { PartitionProtocol } from '../../../src/actors/partition/protocol.ts';
import { RefusedBatches } from '../../../src/actors/partition/refused-batches.ts';
import type { ActorRef } from '../../../src/actors/runtime/define.ts';
import { ActorKind } from '../../../src/actors/runtime/system.ts';
import { type PartitionKey, partitionKey } from '../../../src/actors/shard/ports.ts';
import { Shards } from '../../../src/actors/shard/shards.ts';
import { View } from '../../../src/actors/shard/view.ts';
import { noEvents, noTracer } from '../../../src/events.ts';
import { readBatchHeader } from '../../../src/protocol/records/batch.ts';
import { encodeBatch } from '../../../src/protocol/records/record.ts';
import { createMemoryStore, MemoryDisk, type MemoryFaults, type MemoryOperation } from '../../../src/storage/memory.ts';
import { SimProcess } from '../../sim/process.ts';
import { SeededRandom } from '../../sim/random.ts';
import { Scheduler } from '../../sim/scheduler.ts';

export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
export const KEY = partitionKey(TOPIC_ID, 0);
export const REOPEN_DELAY_MS = 100;

export interface PartitionBench {
  readonly scheduler: Scheduler;
  readonly disk: MemoryDisk;
  readonly partitions: ActorKind<PartitionProtocol, never, never, never>;
  readonly partition: ActorRef<PartitionProtocol>;
  readonly shards: Shards;
  readonly refused: RefusedBatches;
  /** Batches told to the cache: base offset and the one after the last. */
  readonly cached: (readonly [bigint, bigint])[];
}

export interface PartitionBenchOptions {
  readonly disk?: MemoryDisk;
  readonly faults?: MemoryFaults;
  readonly delayMs?: (operation: MemoryOperation) => number;
  readonly checkpointBatches?: number;
  readonly onCommitted?: () => void;
}

/** A writer's node, started anew on `options.disk` or on an empty one. */
export async function partitionBench(options: PartitionBenchOptions = {}): Promise<PartitionBench> {
  const { disk = new MemoryDisk(), faults = {}, delayMs = () => 1, checkpointBatches = 1_000 } = options;
  const random = new SeededRandom(1);
  const scheduler = new Scheduler(random);
  const clock = new SimProcess(scheduler, 0);
  const logger = { log: () => {} };
  const store = createMemoryStore({
    disk,
    faults,
    schedule: (operation, complete) => void scheduler.after(delayMs(operation), complete),
  });
  const view = new View(1, {
    epoch: 1,
    clusterId: 'c',
    shardCount: 1,
    members: [{ nodeId: 1, endpoints: {}, rack: null }],
  });
  const shards = new Shards({
    storage: store.shards,
    view,
    clock,
    logger,
    events: noEvents,
    tracer: noTracer,
    limits: { appendBytesMax: 1 << 20, reopenDelayMs: REOPEN_DELAY_MS },
    onClosed: (_shard, error) => partitions.stopAll(error),
    epochs: undefined,
    onOpened: () => {},
  });
  const opening = shards.openOwned();
  await scheduler.advance(1_000);
  await opening;
  const cached: PartitionBench['cached'] = [];
  const refused = new RefusedBatches();
  const definition = definePartition(
    { mailboxMessagesMax: 100, passivateAfterMs: 1_000, checkpointBatches },
    {
      onCommitted: (_key, baseOffset, nextOffset) => {
        cached.push([baseOffset, nextOffset]);
        options.onCommitted?.();
      },
    },
    refused,
  );
  const partitions = new ActorKind(definition, (key) => bindPartition(key as PartitionKey, shards, () => true), {
    clock,
    random,
    logger,
  });
  return {
    scheduler,
    disk,
    partitions: partitions as unknown as PartitionBench['partitions'],
    partition: partitions.ref(KEY),
    shards,
    refused,
    cached,
  };
}

export interface ProducedBatch {
  readonly values?: readonly string[];
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
}

/** What Produce hands to the writer. */
export function appendOf({ values = ['x'], producerId = -1n, producerEpoch = 0, baseSequence = 0 }: ProducedBatch) {
  const batch = encodeBatch({
    baseOffset: 0n,
    records: values.map((value) => ({ timestampMs: 1_700_000_000_000n, key: null, value: Buffer.from(value) })),
    ...(producerId < 0n ? {} : { producerId, producerEpoch, baseSequence }),
  });
  return { batch, header: readBatchHeader(batch), logAppendTimeMs: -1n };
}
