// The lz4 frame format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md) within the limits that Kafka's
// Lz4BlockInputStream and Lz4BlockOutputStream set: version 1, independent blocks, no dictionary. Frames of magic 0
// carry a header checksum over the wrong bytes, which is written and not checked there (KIP-57).
// Blocks go to the library one by one, so the frame is read here and its output bounded here.
import { compressSync, uncompressSync } from 'lz4-napi';
import { ErrorCode } from '../errors.ts';
import { RecordsFault } from './records-fault.ts';
import { xxhash32 } from './xxhash32.ts';

const MAGIC = 0x184d2204;
const FLAG_VERSION_1 = 0x40;
const FLAG_INDEPENDENT = 0x20;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_CONTENT_CHECKSUM = 0x04;
const UNCOMPRESSED_BLOCK = 0x8000_0000;
/** 64 KiB blocks: code 4 in the descriptor's bits 4 to 6. */
const BLOCK_SIZE_CODE = 4;
const BLOCK_BYTES = 64 * 1024;
/** A byte of a compressed block stands for at most 255 (the length codes' maximum), plus a sequence's own minimum. */
const RATIO_MAX = 255;
/** The library wants the uncompressed size in front of a block. */
const SIZE_PREFIX_BYTES = 4;

function corrupt(reason: string, cause?: unknown): RecordsFault {
  return new RecordsFault(ErrorCode.INVALID_RECORD, `Failed to decompress record stream (lz4): ${reason}`, [], cause);
}

interface FrameHeader {
  readonly headerBytes: number;
  readonly blockBytesMax: number;
  readonly blockChecksum: boolean;
  readonly contentChecksum: boolean;
}

function readHeader(data: Buffer, magic: number): FrameHeader {
  if (data.length < 7) throw corrupt('cut header');
  if (data.readUInt32LE(0) !== MAGIC) throw corrupt('not an lz4 frame');
  const flags = data[4] as number;
  const descriptor = data[5] as number;
  if ((flags & 0xc0) !== FLAG_VERSION_1) throw corrupt(`frame version ${flags >> 6}`);
  if ((flags & 0x03) !== 0) throw corrupt('reserved bit or dictionary');
  if ((flags & FLAG_INDEPENDENT) === 0) throw corrupt('blocks depend on each other');
  const sizeCode = (descriptor >> 4) & 0x07;
  if ((descriptor & 0x8f) !== 0 || sizeCode < 4) throw corrupt(`block descriptor ${descriptor}`);
  const checksumAt = 6 + ((flags & FLAG_CONTENT_SIZE) === 0 ? 0 : 8);
  if (data.length <= checksumAt) throw corrupt('cut header');
  if (magic > 0 && data[checksumAt] !== ((xxhash32(data.subarray(4, checksumAt)) >> 8) & 0xff)) {
    throw corrupt('header checksum');
  }
  return {
    headerBytes: checksumAt + 1,
    blockBytesMax: 1 << (2 * sizeCode + 8),
    blockChecksum: (flags & FLAG_BLOCK_CHECKSUM) !== 0,
    contentChecksum: (flags & FLAG_CONTENT_CHECKSUM) !== 0,
  };
}

function decodeBlock(block: Buffer, bytesMax: number): Buffer {
  const prefixed = Buffer.allocUnsafe(SIZE_PREFIX_BYTES + block.length);
  prefixed.writeUInt32LE(Math.min(bytesMax, block.length * RATIO_MAX + 64), 0);
  block.copy(prefixed, SIZE_PREFIX_BYTES);
  try {
    return uncompressSync(prefixed);
  } catch (cause) {
    throw corrupt((cause as Error).message, cause);
  }
}

/**
 * The first frame's content; what follows its end mark is ignored, as Kafka does.
 * @param magic the message format around it; 0 tolerates a wrong header checksum
 * @throws RecordsFault INVALID_RECORD, or MESSAGE_TOO_LARGE beyond `bytesMax`
 */
export function lz4Decompress(data: Buffer, bytesMax: number, magic: number): Buffer {
  const header = readHeader(data, magic);
  const blocks: Buffer[] = [];
  let total = 0;
  let at = header.headerBytes;
  for (;;) {
    if (data.length - at < 4) throw corrupt('no end mark');
    const word = data.readUInt32LE(at);
    at += 4;
    const blockBytes = word & 0x7fff_ffff;
    if (blockBytes === 0) break;
    if (blockBytes > header.blockBytesMax) throw corrupt(`block of ${blockBytes} bytes`);
    if (blockBytes + (header.blockChecksum ? 4 : 0) > data.length - at) throw corrupt('cut block');
    const stored = data.subarray(at, at + blockBytes);
    at += blockBytes;
    if (header.blockChecksum) {
      if (data.readUInt32LE(at) !== xxhash32(stored)) throw corrupt('block checksum');
      at += 4;
    }
    const block = word >= UNCOMPRESSED_BLOCK ? stored : decodeBlock(stored, header.blockBytesMax);
    total += block.length;
    if (total > bytesMax) {
      throw new RecordsFault(ErrorCode.MESSAGE_TOO_LARGE, `Batch decompresses to more than ${bytesMax} bytes`);
    }
    blocks.push(block);
  }
  if (header.contentChecksum && data.length - at < 4) throw corrupt('no content checksum');
  return blocks.length === 1 ? (blocks[0] as Buffer) : Buffer.concat(blocks, total);
}

/** One frame of independent 64 KiB blocks without checksums of content, as the Java client writes it. */
export function lz4Compress(data: Buffer, magic: number): Buffer {
  const header = Buffer.allocUnsafe(7);
  header.writeUInt32LE(MAGIC, 0);
  header[4] = FLAG_VERSION_1 | FLAG_INDEPENDENT;
  header[5] = BLOCK_SIZE_CODE << 4;
  header[6] = (xxhash32(header.subarray(magic === 0 ? 0 : 4, 6)) >> 8) & 0xff;
  const parts: Buffer[] = [header];
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    const block = data.subarray(at, at + BLOCK_BYTES);
    const prefixed = compressSync(block);
    const compressedBytes = prefixed.length - SIZE_PREFIX_BYTES;
    if (compressedBytes < block.length) {
      // The size in front of the library's block becomes the frame's block size.
      prefixed.writeUInt32LE(compressedBytes, 0);
      parts.push(prefixed);
    } else {
      const size = Buffer.allocUnsafe(4);
      size.writeUInt32LE(block.length + UNCOMPRESSED_BLOCK, 0);
      parts.push(size, block);
    }
  }
  parts.push(Buffer.alloc(4));
  return Buffer.concat(parts);
}
