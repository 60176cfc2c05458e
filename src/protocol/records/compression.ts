// The codecs of record batches: which id is which, and one way in and out for all of them. Every decoder has an output
// bound, because a compressed batch of a few kilobytes can claim to be gigabytes.
import { constants, gunzipSync, gzipSync } from 'node:zlib';
import { ErrorCode } from '../errors.ts';
import { lz4Compress, lz4Decompress } from './lz4.ts';
import { RecordsFault } from './records-fault.ts';
import { snappyCompress, snappyDecompress } from './snappy.ts';
import { zstdCompress, zstdDecompress } from './zstd.ts';

/** In the order of the ids in a batch's attributes (org.apache.kafka.common.record.CompressionType). */
export const compressionTypes = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type CompressionType = (typeof compressionTypes)[number];

/** @throws RecordsFault UNSUPPORTED_COMPRESSION_TYPE for an id that no codec has. */
export function compressionTypeOf(id: number): CompressionType {
  const type = compressionTypes[id];
  if (type === undefined) {
    throw new RecordsFault(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, `Unknown compression type id: ${id}`);
  }
  return type;
}

export function compressionIdOf(type: CompressionType): number {
  return compressionTypes.indexOf(type);
}

/**
 * What one batch may decompress to when nobody says otherwise: as much as an uncompressed request may bring, which is
 * Kafka's default for `socket.request.max.bytes`. Kafka itself has no bound, as it streams; a client whose batch is
 * refused with MESSAGE_TOO_LARGE splits it (KIP-126) or sends it in smaller ones.
 */
export const DECOMPRESSED_BYTES_MAX = 104_857_600;

/** `magic` matters to lz4 only: the frames of magic 0 carry a header checksum over the wrong bytes (KIP-57). */
export interface CodecOptions {
  readonly magic?: number;
}

/**
 * @param bytesMax bound of the result
 * @returns the uncompressed bytes; with 'none' `data` itself
 * @throws RecordsFault MESSAGE_TOO_LARGE beyond `bytesMax`; INVALID_RECORD when `data` is not what the codec writes:
 *   Kafka answers UNKNOWN_SERVER_ERROR there, and CORRUPT_MESSAGE would have clients send it again and again
 */
export function decompress(
  type: CompressionType,
  data: Buffer,
  bytesMax = DECOMPRESSED_BYTES_MAX,
  options: CodecOptions = {},
): Buffer {
  switch (type) {
    case 'none':
      return data;
    case 'gzip':
      return gzipDecompress(data, bytesMax);
    case 'snappy':
      return snappyDecompress(data, bytesMax);
    case 'lz4':
      return lz4Decompress(data, bytesMax, options.magic ?? 2);
    case 'zstd':
      return zstdDecompress(data, bytesMax);
  }
}

/**
 * @param level the codec's own (KIP-390): gzip 1 to 9, zstd -131072 to 22; the codec's default without one. The lz4
 *   library has one level and snappy none.
 */
export function compress(type: CompressionType, data: Buffer, level?: number, options: CodecOptions = {}): Buffer {
  switch (type) {
    case 'none':
      return data;
    case 'gzip':
      return gzipSync(data, { level: level ?? constants.Z_DEFAULT_COMPRESSION });
    case 'snappy':
      return snappyCompress(data);
    case 'lz4':
      return lz4Compress(data, options.magic ?? 2);
    case 'zstd':
      return zstdCompress(data, level);
  }
}

/** Deflate makes at most 1,032 bytes of one (https://www.zlib.net/zlib_tech.html). */
const DEFLATE_RATIO_MAX = 1032;
const GZIP_CHUNK_BYTES_MAX = 8 * 1024 * 1024;

function gzipDecompress(data: Buffer, bytesMax: number): Buffer {
  // The last four bytes state the size (RFC 1952) and so how large an output chunk avoids joining many; a lie costs speed only.
  const stated = data.length < 18 ? 64 : data.readUInt32LE(data.length - 4);
  const chunkSize = Math.max(64, Math.min(stated + 1, bytesMax, data.length * DEFLATE_RATIO_MAX, GZIP_CHUNK_BYTES_MAX));
  try {
    return gunzipSync(data, { maxOutputLength: bytesMax, chunkSize });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new RecordsFault(ErrorCode.MESSAGE_TOO_LARGE, `Batch decompresses to more than ${bytesMax} bytes`);
    }
    throw new RecordsFault(ErrorCode.INVALID_RECORD, 'Failed to decompress record stream (gzip)', [], cause);
  }
}
