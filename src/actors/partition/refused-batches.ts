// What this node has lately refused of idempotent producers. A client sends several batches without waiting; when the
// first of a new producer is refused (full disk, shard being opened anew) and the second is taken, the second becomes the
// producer's first record and the first one, sent again, is out of order for ever. Kafka has that hole, since a producer
// of which nothing is known may start at any sequence (KAFKA-14359); this closes it.

import type { BatchHeader } from '../../protocol/records/batch.ts';
import type { PartitionKey } from '../shard/ports.ts';

/** Producers remembered; the oldest is forgotten first. */
const PRODUCERS_MAX = 10_000;

type Numbered = Pick<BatchHeader, 'producerId' | 'producerEpoch' | 'baseSequence'>;

export class RefusedBatches {
  /** Lowest sequence refused, by partition, producer and epoch. */
  readonly #lowest = new Map<string, number>();

  /** Notes that a batch was refused and will come again. */
  note(key: PartitionKey, header: Numbered): void {
    if (header.producerId < 0n) return;
    const producer = nameOf(key, header);
    const known = this.#lowest.get(producer);
    if (known !== undefined && known <= header.baseSequence) return;
    this.#lowest.set(producer, header.baseSequence);
    if (this.#lowest.size <= PRODUCERS_MAX) return;
    this.#lowest.delete(this.#lowest.keys().next().value as string);
  }

  /** Whether a batch that should come before this one was refused and has not come again. */
  precede(key: PartitionKey, header: Numbered): boolean {
    return (this.#lowest.get(nameOf(key, header)) ?? header.baseSequence) < header.baseSequence;
  }

  /** The producer's batch is in the log: what it sent before has come. */
  taken(key: PartitionKey, header: Numbered): void {
    if (this.#lowest.size > 0) this.#lowest.delete(nameOf(key, header));
  }
}

function nameOf(key: PartitionKey, { producerId, producerEpoch }: Numbered): string {
  return `${key}/${producerId}/${producerEpoch}`;
}
