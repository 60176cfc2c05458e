// An index page: what a stretch of a topic's log files holds, written once into the filer so that opening the shard does
// not have to look through the log files themselves. A page that is lost or broken costs that look, nothing else.
//
//   magic u32 │ version u16 │ directories, partitions, files: counted │ … │ crc32c u32
//
// Numbers are big-endian; strings are a u16 length and UTF-8.

import { crc32c } from '@node-rs/crc32';
import type { PartitionKey } from '../../actors/shard/ports.ts';
import type { PageRun } from './shard-index.ts';

const MAGIC = 0x53475849;
const VERSION = 1;
const RUN_BYTES = 4 + 8 * 4 + 4 * 3;

export interface PageChunk {
  readonly fileId: string;
  readonly bytes: number;
  readonly runs: readonly PageRun[];
}

export interface PageFile {
  readonly directory: string;
  readonly name: string;
  readonly chunks: readonly PageChunk[];
}

export function encodeIndexPage(files: readonly PageFile[]): Buffer {
  const directories = [...new Set(files.map((file) => file.directory))];
  const chunks = files.flatMap((file) => file.chunks);
  const partitions = [...new Set(chunks.flatMap((chunk) => chunk.runs.map((run) => run.partition)))];
  const directoryNumbers = new Map(directories.map((directory, number) => [directory, number]));
  const partitionNumbers = new Map(partitions.map((partition, number) => [partition, number]));
  const strings = [...directories, ...partitions, ...files.map((file) => file.name), ...chunks.map((c) => c.fileId)];
  const stringBytes = strings.reduce((sum, text) => sum + 2 + Buffer.byteLength(text), 0);
  const runs = chunks.reduce((sum, chunk) => sum + chunk.runs.length, 0);
  const page = Buffer.alloc(4 + 2 + 12 + stringBytes + files.length * 8 + chunks.length * 8 + runs * RUN_BYTES + 4);
  let at = 0;
  const u16 = (value: number) => {
    at = page.writeUInt16BE(value, at);
  };
  const u32 = (value: number) => {
    at = page.writeUInt32BE(value, at);
  };
  const i64 = (value: bigint) => {
    at = page.writeBigInt64BE(value, at);
  };
  const text = (value: string) => {
    u16(Buffer.byteLength(value));
    at += page.write(value, at, 'utf8');
  };
  u32(MAGIC);
  u16(VERSION);
  u32(directories.length);
  for (const directory of directories) text(directory);
  u32(partitions.length);
  for (const partition of partitions) text(partition);
  u32(files.length);
  for (const file of files) {
    u32(directoryNumbers.get(file.directory)!);
    text(file.name);
    u32(file.chunks.length);
    for (const chunk of file.chunks) {
      text(chunk.fileId);
      u32(chunk.bytes);
      u32(chunk.runs.length);
      for (const run of chunk.runs) {
        u32(partitionNumbers.get(run.partition)!);
        i64(run.position);
        i64(run.baseOffset);
        i64(run.lastOffset);
        i64(run.maxTimestampMs);
        u32(run.rawBytes);
        u32(run.at);
        u32(run.bytes);
      }
    }
  }
  u32(crc32c(page.subarray(0, at)));
  return page;
}

/** @returns undefined when this is no whole, intact page. */
export function decodeIndexPage(page: Buffer): PageFile[] | undefined {
  if (page.length < 10 || crc32c(page.subarray(0, -4)) !== page.readUInt32BE(page.length - 4)) return undefined;
  let at = 0;
  const take = (bytes: number) => {
    const from = at;
    at += bytes;
    return from;
  };
  const u16 = () => page.readUInt16BE(take(2));
  const u32 = () => page.readUInt32BE(take(4));
  const i64 = () => page.readBigInt64BE(take(8));
  const text = () => {
    const bytes = u16();
    const from = take(bytes);
    return page.toString('utf8', from, from + bytes);
  };
  const list = <Item>(item: () => Item): Item[] => Array.from({ length: u32() }, item);
  if (u32() !== MAGIC || u16() !== VERSION) return undefined;
  const directories = list(text);
  const partitions = list(text) as PartitionKey[];
  const run = (): PageRun => ({
    partition: partitions[u32()]!,
    position: i64(),
    baseOffset: i64(),
    lastOffset: i64(),
    maxTimestampMs: i64(),
    rawBytes: u32(),
    at: u32(),
    bytes: u32(),
  });
  return list(() => ({
    directory: directories[u32()]!,
    name: text(),
    chunks: list(() => ({ fileId: text(), bytes: u32(), runs: list(run) })),
  }));
}
