// Zstandard (RFC 8878). The library decodes a whole buffer without a bound of its own, so the frames are scanned first:
// their blocks say how much they can become at most. Only when that is more than the bound, though most blocks are smaller
// than they could be, is a frame decoded in prefixes to learn its true size.
import { Decoder, Encoder } from '@toondepauw/node-zstd';
import { ErrorCode } from '../errors.ts';
import { RecordsFault } from './records-fault.ts';

const LEVEL_DEFAULT = 3;
const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const BLOCK_BYTES_MAX = 128 * 1024;
const CHECKSUM_FLAG = 0x04;
const SINGLE_SEGMENT_FLAG = 0x20;
const RAW = 0;
const RUN_LENGTH = 1;
const RESERVED = 3;

function corrupt(reason: string, cause?: unknown): RecordsFault {
  return new RecordsFault(ErrorCode.INVALID_RECORD, `Failed to decompress record stream (zstd): ${reason}`, [], cause);
}

function tooLarge(bytesMax: number): RecordsFault {
  return new RecordsFault(ErrorCode.MESSAGE_TOO_LARGE, `Batch decompresses to more than ${bytesMax} bytes`);
}

interface Frame {
  readonly start: number;
  /** Where the first block's header lies. */
  readonly blocksAt: number;
  /** Behind the frame, its checksum included. */
  end: number;
  /** For each block: where it ends, and the most that all up to it can become. */
  readonly blockEnds: number[];
  readonly bytesUpTo: number[];
}

/** Bytes of the header's content size field, by its two flag bits; 0 means one byte in a single segment. */
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

function scanFrame(data: Buffer, start: number): Frame {
  if (data.length - start < 6) throw corrupt('cut frame header');
  const descriptor = data[start + 4] as number;
  if ((descriptor & 0x08) !== 0) throw corrupt('reserved bit');
  if ((descriptor & 0x03) !== 0) throw corrupt('a dictionary is needed');
  const singleSegment = (descriptor & SINGLE_SEGMENT_FLAG) !== 0;
  const sizeFlag = (descriptor >> 6) as 0 | 1 | 2 | 3;
  const contentSizeBytes = sizeFlag === 0 && singleSegment ? 1 : CONTENT_SIZE_BYTES[sizeFlag];
  const headerBytes = 5 + (singleSegment ? 0 : 1) + contentSizeBytes;
  const frame: Frame = { start, blocksAt: start + headerBytes, end: 0, blockEnds: [], bytesUpTo: [] };
  let at = frame.blocksAt;
  let bytes = 0;
  for (let last = false; !last; ) {
    if (data.length - at < 3) throw corrupt('cut block header');
    const word = data.readUIntLE(at, 3);
    last = (word & 1) !== 0;
    const kind = (word >> 1) & 3;
    const size = word >> 3;
    if (kind === RESERVED || size > BLOCK_BYTES_MAX) throw corrupt('block header');
    at += 3 + (kind === RUN_LENGTH ? 1 : size);
    if (at > data.length) throw corrupt('cut block');
    bytes += kind === RAW || kind === RUN_LENGTH ? size : BLOCK_BYTES_MAX;
    frame.blockEnds.push(at);
    frame.bytesUpTo.push(bytes);
  }
  frame.end = at + ((descriptor & CHECKSUM_FLAG) === 0 ? 0 : 4);
  if (frame.end > data.length) throw corrupt('cut checksum');
  return frame;
}

/** All frames; skippable ones are left out, as decoders skip them. */
function scanFrames(data: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < data.length; ) {
    if (data.length - at < 4) throw corrupt('cut magic number');
    const magic = data.readUInt32LE(at);
    if (magic === MAGIC) {
      const frame = scanFrame(data, at);
      frames.push(frame);
      at = frame.end;
    } else if ((magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
      if (data.length - at < 8) throw corrupt('cut skippable frame');
      at += 8 + data.readUInt32LE(at + 4);
      if (at > data.length) throw corrupt('cut skippable frame');
    } else {
      throw corrupt('not a zstd frame');
    }
  }
  return frames;
}

/** Prefixes of a frame are decoded at most so often, and to so many times the bound; after that it counts as too large. */
const PREFIX_DECODES_MAX = 64;
const PREFIX_WORK_MAX = 8;
/** A window of 128 MiB, the most that decoders accept by default: a prefix never needs more. */
const WINDOW_DESCRIPTOR_LARGEST = (27 - 10) << 3;

let decoder: Decoder | undefined;

function decode(data: Buffer): Buffer {
  decoder ??= new Decoder();
  try {
    return decoder.decodeSync(data);
  } catch (cause) {
    throw corrupt((cause as Error).message, cause);
  }
}

/** The first `blockCount` blocks as a frame of their own, without the content size and checksum of the whole. */
function prefixOf(data: Buffer, frame: Frame, blockCount: number): Buffer {
  const singleSegment = ((data[frame.start + 4] as number) & SINGLE_SEGMENT_FLAG) !== 0;
  const header = Buffer.alloc(6);
  header.writeUInt32LE(MAGIC, 0);
  header[5] = singleSegment ? WINDOW_DESCRIPTOR_LARGEST : (data[frame.start + 5] as number);
  const prefix = Buffer.concat([header, data.subarray(frame.blocksAt, frame.blockEnds[blockCount - 1])]);
  const lastBlockAt =
    header.length + (blockCount === 1 ? 0 : (frame.blockEnds[blockCount - 2] as number) - frame.blocksAt);
  prefix[lastBlockAt] = (prefix[lastBlockAt] as number) | 1;
  return prefix;
}

/** Decodes a frame that could be larger than `bytesMax`, and is not. */
function decodeCarefully(data: Buffer, frame: Frame, bytesMax: number): Buffer {
  const blockCount = frame.blockEnds.length;
  let known = 0;
  let bytes = 0;
  let work = 0;
  for (let round = 0; round < PREFIX_DECODES_MAX && work <= PREFIX_WORK_MAX * bytesMax; round++) {
    const slack = bytesMax - bytes + (known === 0 ? 0 : (frame.bytesUpTo[known - 1] as number));
    let next = known;
    while (next < blockCount && (frame.bytesUpTo[next] as number) <= slack) next++;
    if (next === blockCount) return decode(data.subarray(frame.start, frame.end));
    if (next === known) break;
    bytes = decode(prefixOf(data, frame, next)).length;
    work += bytes;
    known = next;
  }
  throw tooLarge(bytesMax);
}

/** @throws RecordsFault INVALID_RECORD, or MESSAGE_TOO_LARGE beyond `bytesMax` (give or take one block of 128 KiB). */
export function zstdDecompress(data: Buffer, bytesMax: number): Buffer {
  const frames = scanFrames(data);
  if (frames.length === 0) throw corrupt('no frame');
  let bytesAtMost = 0;
  for (const frame of frames) bytesAtMost += frame.bytesUpTo[frame.bytesUpTo.length - 1] as number;
  if (bytesAtMost <= bytesMax) return decode(data);
  const parts: Buffer[] = [];
  let total = 0;
  for (const frame of frames) {
    const part = decodeCarefully(data, frame, bytesMax - total);
    parts.push(part);
    total += part.length;
  }
  return Buffer.concat(parts, total);
}

const encoders = new Map<number, Encoder>();

/** One frame. @param level -131072 to 22, 3 without one. */
export function zstdCompress(data: Buffer, level = LEVEL_DEFAULT): Buffer {
  let encoder = encoders.get(level);
  if (encoder === undefined) {
    encoder = new Encoder(level);
    encoders.set(level, encoder);
  }
  return encoder.encodeSync(data);
}
