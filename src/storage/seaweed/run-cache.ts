// Runs as readers want them: fetched from the log chunks, checked, decompressed, kept while there is room. The least recently
// used goes first; a run that several readers ask for at once is fetched once, and reading ahead has half of the room.

import { crc32c } from '@node-rs/crc32';
import { StorageFault } from '../../actors/shard/ports.ts';
import { decompressRun } from './compression.ts';
import type { SeaweedContext } from './context.ts';
import type { Run } from './partition-runs.ts';
import { readRunHeader } from './run-format.ts';
import type { LogChunk } from './shard-index.ts';

/** A run and the chunk it lies in. */
export interface RunPlace {
  readonly run: Run;
  readonly chunk: LogChunk;
}

/** Runs fetched in one request may have so much of others between them. */
const WASTE_MAX = 0.25;
/** A fetched run is cut out of what was fetched with it when it is a smaller part of it than this. */
const SHARE_MIN = 0.8;

interface Kept {
  readonly buffer: Buffer;
  /** Fetched ahead and not asked for yet. */
  ahead: boolean;
}

export class RunCache {
  readonly #context: SeaweedContext;
  /** Settled runs, least recently used first. */
  readonly #kept = new Map<string, Kept>();
  readonly #underWay = new Map<string, Promise<Buffer>>();
  #bytes = 0;
  /** Bytes fetched ahead, on their way or here, that nobody has asked for yet. */
  #aheadBytes = 0;

  constructor(context: SeaweedContext) {
    this.#context = context;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The batches of each run, in order. @throws StorageFault `unavailable`, `corrupt` */
  load(places: readonly RunPlace[]): Promise<Buffer[]> {
    const missing = places.filter((place) => !this.#has(keyOf(place)));
    for (const group of groups(missing, this.#context.limits.fetchBytesMax)) this.#fetch(group, false);
    return Promise.all(places.map((place) => this.#take(keyOf(place))));
  }

  /**
   * Begins to fetch runs that will be asked for soon, as long as what was fetched ahead leaves half of the cache: more would
   * push itself out before it is used. What fails is fetched again when it is asked for.
   */
  ahead(places: readonly RunPlace[]): void {
    const missing = places.filter((place) => !this.#has(keyOf(place)));
    for (const group of groups(missing, this.#context.limits.fetchBytesMax)) {
      if (this.#aheadBytes > this.#context.limits.cacheBytesMax / 2) return;
      this.#fetch(group, true);
    }
  }

  #take(key: string): Promise<Buffer> {
    const kept = this.#kept.get(key);
    if (kept === undefined) return this.#underWay.get(key)!;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    this.#asked(kept);
    return Promise.resolve(kept.buffer);
  }

  #asked(kept: Kept): void {
    if (kept.ahead) this.#aheadBytes -= kept.buffer.length;
    kept.ahead = false;
  }

  #has(key: string): boolean {
    return this.#kept.has(key) || this.#underWay.has(key);
  }

  #fetch(group: readonly RunPlace[], ahead: boolean): void {
    const from = group[0]!.run.at;
    const last = group[group.length - 1]!.run;
    const bytes = this.#read(group[0]!.chunk, from, last.at + last.bytes);
    for (const place of group) {
      const key = keyOf(place);
      if (ahead) this.#aheadBytes += place.run.rawBytes;
      const settled = bytes
        .then((buffer) => this.#open(place, buffer, from))
        .then((buffer) => {
          this.#keep(key, { buffer, ahead });
          return buffer;
        })
        .catch((error: unknown) => {
          if (ahead) this.#aheadBytes -= place.run.rawBytes;
          throw error;
        })
        .finally(() => this.#underWay.delete(key));
      if (ahead) settled.catch(() => {});
      this.#underWay.set(key, settled);
    }
  }

  async #read(chunk: LogChunk, from: number, end: number): Promise<Buffer> {
    const buffer = await this.#context.filer.readChunk(chunk.fileId, from, end);
    if (buffer === undefined || buffer.length < end - from) {
      const found = buffer === undefined ? 'is gone' : `ends after ${from + buffer.length} bytes`;
      throw new StorageFault('corrupt', `log chunk ${chunk.fileId} of ${chunk.file.directory} ${found}`);
    }
    return buffer;
  }

  async #open({ run, chunk }: RunPlace, buffer: Buffer, bufferAt: number): Promise<Buffer> {
    this.#context.counters.fetchedRuns++;
    const at = run.at - bufferAt;
    const header = readRunHeader(buffer, at);
    const fault = (what: string) =>
      new StorageFault('corrupt', `run ${run.baseOffset} in log chunk ${chunk.fileId}: ${what}`);
    if (header === undefined || header === 'cut') throw fault('there is none');
    if (header.baseOffset !== run.baseOffset || header.headerBytes + header.storedBytes !== run.bytes)
      throw fault(`there is another one from ${header.baseOffset} on`);
    const payload = buffer.subarray(at + header.headerBytes, at + run.bytes);
    if (crc32c(payload) !== header.payloadCrc) throw fault('its CRC is wrong');
    if (header.compressed) return decompressRun(payload, header.rawBytes);
    return payload.length >= buffer.length * SHARE_MIN ? payload : Buffer.from(payload);
  }

  #keep(key: string, kept: Kept): void {
    const { cacheBytesMax } = this.#context.limits;
    this.#kept.set(key, kept);
    this.#bytes += kept.buffer.length;
    for (const [oldest, dropped] of this.#kept) {
      if (this.#bytes <= cacheBytesMax) break;
      this.#kept.delete(oldest);
      this.#bytes -= dropped.buffer.length;
      this.#asked(dropped);
    }
  }
}

function keyOf({ run, chunk }: RunPlace): string {
  return `${chunk.fileId}:${run.at}`;
}

/** Runs to fetch in one request each: neighbours in one chunk, with little between them. */
function groups(places: readonly RunPlace[], bytesMax: number): RunPlace[][] {
  const found: RunPlace[][] = [];
  let wanted = 0;
  for (const place of places) {
    const group = found[found.length - 1];
    const first = group?.[0];
    const last = group?.[group.length - 1];
    const { run, chunk } = place;
    if (first !== undefined && last !== undefined && first.chunk === chunk && run.at >= last.run.at + last.run.bytes) {
      const span = run.at + run.bytes - first.run.at;
      if (span <= bytesMax && span - wanted - run.bytes <= span * WASTE_MAX) {
        group!.push(place);
        wanted += run.bytes;
        continue;
      }
    }
    found.push([place]);
    wanted = run.bytes;
  }
  return found;
}
