// The log of a partition as a coordinator (groups, later transactions) uses it: replay of all of it, appends of records.
// It goes through the partition's writer like everything else, so the topic stays an ordinary one that anybody can read.

import { endOffsetOf } from '../../protocol/records/batch.ts';
import type { Directory } from '../router/services.ts';
import type { TraceContext } from '../runtime/ports.ts';
import type { PartitionKey } from '../shard/ports.ts';
import { StorageFault } from '../shard/ports.ts';
import type { CoordinatorRecord } from './protocol.ts';
import type { PartitionReader } from './reader.ts';

/** Bytes that a replay reads at a time. */
const REPLAY_BYTES = 1 << 20;

export class PartitionCoordinatorLog {
  readonly #key: PartitionKey;
  readonly #directory: Pick<Directory, 'partition'>;
  readonly #reader: PartitionReader;
  #bytes = 0;

  constructor(key: PartitionKey, directory: Pick<Directory, 'partition'>, reader: PartitionReader) {
    this.#key = key;
    this.#directory = directory;
    this.#reader = reader;
  }

  /** Everything committed when it is called, in order; each buffer holds whole batches. @throws StorageFault, ActorFault */
  async *replay(): AsyncGenerator<Buffer> {
    const position = await this.#writer().ask('position', {
      fetchOffset: 0n,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    });
    this.#bytes = 0;
    let offset = position.logStartOffset;
    while (offset < position.highWatermark) {
      const chunks = await this.#reader.read(this.#key, offset, position.highWatermark, REPLAY_BYTES, true);
      if (chunks.length === 0) break;
      for (const chunk of chunks) {
        const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
        this.#bytes += buffer.length;
        offset = endOffsetOf(buffer);
        yield buffer;
      }
    }
  }

  /** Durable when it resolves. @throws StorageFault, ActorFault */
  async append(
    records: readonly CoordinatorRecord[],
    trace?: TraceContext,
  ): Promise<{ baseOffset: bigint; nextOffset: bigint }> {
    for (const { key, value } of records) this.#bytes += (key?.length ?? 0) + (value?.length ?? 0) + 80;
    return this.#writer().ask('appendRecords', { records }, trace);
  }

  /** Gives up everything below `offset`. @throws StorageFault, ActorFault */
  async deleteBefore(offset: bigint): Promise<void> {
    const { errorCode } = await this.#writer().ask('deleteRecords', { beforeOffset: offset });
    if (errorCode !== 0)
      throw new StorageFault('unavailable', `${this.#key}: log start refused with code ${errorCode}`);
  }

  /** About how many bytes lie in the log: counted at the last replay, estimated since. */
  bytes(): number {
    return this.#bytes;
  }

  #writer() {
    return this.#directory.partition(this.#key);
  }
}
