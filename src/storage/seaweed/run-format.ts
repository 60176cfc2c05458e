// A run: whole record batches of one partition in offset order, as they lie in the value of one SeaweedMQ message. It says
// itself what it is, so that every run can be found from the log files alone.
//
//   0 mark, 64 bytes │ 64 version u8 │ 65 flags u8 │ 66 keyBytes u16 │ 68 position i64 │ 76 baseOffset i64 │
//   84 lastOffset i64 │ 92 maxTimestampMs i64 │ 100 epoch u32 │ 104 rawBytes u32 │ 108 storedBytes u32 │
//   112 payload crc32c u32 │ 116 partition key │ 116+keyBytes header crc32c u32 │ payload: the batches, or a zstd frame of them
//
// The header has a CRC of its own: runs are looked for by their headers, without reading the payload.

import { crc32c } from '@node-rs/crc32';
import type { PartitionKey } from '../../actors/shard/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';

/**
 * Begins each run. It is random so that it cannot be compressed: SeaweedFS tries the first 128 bytes of a chunk and, when they
 * compress, keeps the whole chunk compressed, of which every small read then costs the decompression of all of it.
 */
const MARK = Buffer.from(
  '7oWo1JXaaAcqg4L4OMds4S8gaCaq+BL8Qq4Wr8NsT0MUZMZpUTHUDIzKP8PAIpPsBGkk2MaY6SuxagYl6BC31w==',
  'base64',
);
const VERSION = 1;
const FLAG_ZSTD = 1;
const FIXED_BYTES = 116;
const CRC_BYTES = 4;
const KEY_BYTES_MAX = 249 + 12;

export interface RunHeader {
  readonly partition: PartitionKey;
  /** Epoch of the shard's opening that wrote it; says who, decides nothing. */
  readonly epoch: number;
  /** The journal's sequence up to which the run's batches lie; see ColdRun. */
  readonly position: bigint;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly maxTimestampMs: bigint;
  /** Bytes of the batches. */
  readonly rawBytes: number;
  /** Bytes of the payload as it is stored: `rawBytes`, or less when compressed. */
  readonly storedBytes: number;
  readonly compressed: boolean;
  readonly payloadCrc: number;
  /** Bytes of the header, where the payload begins. */
  readonly headerBytes: number;
}

/** Bytes of a run's header for a partition. */
export function runHeaderBytes(partition: PartitionKey): number {
  return FIXED_BYTES + Buffer.byteLength(partition) + CRC_BYTES;
}

/** Most bytes that any header takes: reading so many from a run's start on always holds its header. */
export const RUN_HEADER_BYTES_MAX = FIXED_BYTES + KEY_BYTES_MAX + CRC_BYTES;

/** Writes the header of a run at `at`, over whose payload (behind it already) the CRC is taken. */
export function writeRunHeader(
  target: Buffer,
  at: number,
  header: Omit<RunHeader, 'payloadCrc' | 'headerBytes'>,
): void {
  const keyBytes = Buffer.byteLength(header.partition);
  const payloadAt = at + FIXED_BYTES + keyBytes + CRC_BYTES;
  target.set(MARK, at);
  target.writeUInt8(VERSION, at + 64);
  target.writeUInt8(header.compressed ? FLAG_ZSTD : 0, at + 65);
  target.writeUInt16BE(keyBytes, at + 66);
  target.writeBigInt64BE(header.position, at + 68);
  target.writeBigInt64BE(header.baseOffset, at + 76);
  target.writeBigInt64BE(header.lastOffset, at + 84);
  target.writeBigInt64BE(header.maxTimestampMs, at + 92);
  target.writeUInt32BE(header.epoch, at + 100);
  target.writeUInt32BE(header.rawBytes, at + 104);
  target.writeUInt32BE(header.storedBytes, at + 108);
  target.writeUInt32BE(crc32c(target.subarray(payloadAt, payloadAt + header.storedBytes)), at + 112);
  target.write(header.partition, at + FIXED_BYTES, 'utf8');
  const crcAt = at + FIXED_BYTES + keyBytes;
  target.writeUInt32BE(crc32c(target.subarray(at, crcAt)), crcAt);
}

/**
 * Reads the header of the run that begins at `at`.
 * @returns undefined when what lies there is no run of this store, or `cut` when the buffer ends before the header does.
 * @throws StorageFault `corrupt` when it begins as a run but its CRC is wrong or its version unknown.
 */
export function readRunHeader(source: Buffer, at: number): RunHeader | 'cut' | undefined {
  if (at + 68 > source.length) return 'cut';
  if (source.compare(MARK, 0, MARK.length, at, at + MARK.length) !== 0) return undefined;
  const version = source.readUInt8(at + 64);
  if (version !== VERSION) throw new StorageFault('corrupt', `a run has format version ${version}, not ${VERSION}`);
  const keyBytes = source.readUInt16BE(at + 66);
  if (keyBytes > KEY_BYTES_MAX) throw new StorageFault('corrupt', `a run's partition key has ${keyBytes} bytes`);
  const crcAt = at + FIXED_BYTES + keyBytes;
  if (crcAt + CRC_BYTES > source.length) return 'cut';
  if (crc32c(source.subarray(at, crcAt)) !== source.readUInt32BE(crcAt))
    throw new StorageFault('corrupt', 'the CRC of a run header is wrong');
  return {
    partition: source.toString('utf8', at + FIXED_BYTES, crcAt) as PartitionKey,
    epoch: source.readUInt32BE(at + 100),
    position: source.readBigInt64BE(at + 68),
    baseOffset: source.readBigInt64BE(at + 76),
    lastOffset: source.readBigInt64BE(at + 84),
    maxTimestampMs: source.readBigInt64BE(at + 92),
    rawBytes: source.readUInt32BE(at + 104),
    storedBytes: source.readUInt32BE(at + 108),
    compressed: (source.readUInt8(at + 65) & FLAG_ZSTD) !== 0,
    payloadCrc: source.readUInt32BE(at + 112),
    headerBytes: FIXED_BYTES + keyBytes + CRC_BYTES,
  };
}
