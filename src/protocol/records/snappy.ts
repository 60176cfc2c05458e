// Snappy as Kafka clients write it: the Java library wraps it in a framing of its own (xerial: a 16-byte header, then
// chunks of a big-endian length and a raw snappy block), while librdkafka and some others send one raw block.
// Decoding tells them apart by the header, as snappy-java's SnappyInputStream does; encoding frames, which all read.
import { compressSync, uncompressSync } from 'snappy';
import { ErrorCode } from '../errors.ts';
import { RecordsFault } from './records-fault.ts';

const MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const HEADER_BYTES = 16;
/** The header's first four bytes read as a chunk length: where a second stream was appended to the first. */
const MAGIC_AS_LENGTH = MAGIC.readInt32BE(0);
const CHUNK_BYTES = 32 * 1024;
/** No element of a snappy block makes more than 64 bytes of 3. */
const RATIO_MAX = 22;

function corrupt(reason: string, cause?: unknown): RecordsFault {
  return new RecordsFault(
    ErrorCode.INVALID_RECORD,
    `Failed to decompress record stream (snappy): ${reason}`,
    [],
    cause,
  );
}

/** The uncompressed length that a raw block states: an unsigned varint of 32 bits. */
function statedBytes(block: Buffer): number {
  let bytes = 0;
  for (let index = 0; index < 5; index++) {
    const byte = block[index];
    if (byte === undefined) break;
    bytes += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return bytes;
  }
  throw corrupt('no length');
}

function decodeBlock(block: Buffer, bytesLeft: number, bytesMax: number): Buffer {
  const bytes = statedBytes(block);
  // The library allocates what the block states before it looks further, so the statement is judged first.
  if (bytes > block.length * RATIO_MAX) throw corrupt(`${block.length} bytes cannot hold ${bytes}`);
  if (bytes > bytesLeft) {
    throw new RecordsFault(ErrorCode.MESSAGE_TOO_LARGE, `Batch decompresses to more than ${bytesMax} bytes`);
  }
  try {
    // Copied out: an external buffer costs more than the copy at these sizes.
    return uncompressSync(block, { copyOutputData: true }) as Buffer;
  } catch (cause) {
    throw corrupt((cause as Error).message, cause);
  }
}

/** @throws RecordsFault INVALID_RECORD, or MESSAGE_TOO_LARGE beyond `bytesMax`. */
export function snappyDecompress(data: Buffer, bytesMax: number): Buffer {
  if (data.length < MAGIC.length || MAGIC.compare(data, 0, MAGIC.length) !== 0) {
    return decodeBlock(data, bytesMax, bytesMax);
  }
  if (data.length < HEADER_BYTES) throw corrupt('cut header');
  const blocks: Buffer[] = [];
  let at = HEADER_BYTES;
  let total = 0;
  while (at < data.length) {
    if (data.length - at < 4) throw corrupt('cut chunk length');
    const chunkBytes = data.readInt32BE(at);
    if (chunkBytes === MAGIC_AS_LENGTH && data.length - at >= HEADER_BYTES) {
      at += HEADER_BYTES;
      continue;
    }
    at += 4;
    if (chunkBytes < 0 || chunkBytes > data.length - at) throw corrupt(`chunk of ${chunkBytes} bytes`);
    const block = decodeBlock(data.subarray(at, at + chunkBytes), bytesMax - total, bytesMax);
    blocks.push(block);
    total += block.length;
    at += chunkBytes;
  }
  return blocks.length === 1 ? (blocks[0] as Buffer) : Buffer.concat(blocks, total);
}

/** In xerial framing, 32 KiB a chunk as snappy-java cuts them. */
export function snappyCompress(data: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeInt32BE(1, 8);
  header.writeInt32BE(1, 12);
  const parts: Buffer[] = [header];
  for (let at = 0; at < data.length; at += CHUNK_BYTES) {
    const block = compressSync(data.subarray(at, at + CHUNK_BYTES), { copyOutputData: true });
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}
