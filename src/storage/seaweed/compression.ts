// Compression of whole runs before they go to SeaweedMQ: worth it only for batches that their producer left uncompressed.
// The batches come back byte for byte.

import { Decoder, Encoder } from '@toondepauw/node-zstd';
import { StorageFault } from '../../actors/shard/ports.ts';

/** Fast, and on records of JSON most of what higher levels gain. */
const LEVEL = 1;
/** A run that does not get smaller than this part of itself is stored as it is. */
const WORTH_BELOW = 0.9;
const ATTRIBUTES_LOW_AT = 22;
const CODEC_MASK = 0x07;

let encoder: Encoder | undefined;
let decoder: Decoder | undefined;

/** Whether the first batch of a piece of batches is not compressed by its producer. */
export function isUncompressed(pieces: readonly Uint8Array[]): boolean {
  const [first] = pieces;
  return first !== undefined && first.length > ATTRIBUTES_LOW_AT && (first[ATTRIBUTES_LOW_AT]! & CODEC_MASK) === 0;
}

/** The run's batches as a zstd frame, or undefined when that is not worth it. Works off the main thread. */
export async function compressRun(pieces: readonly Uint8Array[]): Promise<Buffer | undefined> {
  encoder ??= new Encoder(LEVEL);
  const raw = Buffer.concat(pieces);
  const frame = await encoder.encode(raw);
  return frame.length < raw.length * WORTH_BELOW ? frame : undefined;
}

/** The batches of a compressed run. @throws StorageFault `corrupt` */
export async function decompressRun(frame: Buffer, rawBytes: number): Promise<Buffer> {
  decoder ??= new Decoder();
  let raw: Buffer;
  try {
    raw = await decoder.decode(frame);
  } catch (error) {
    throw new StorageFault('corrupt', `a compressed run cannot be read: ${(error as Error).message}`, error);
  }
  if (raw.length !== rawBytes) throw new StorageFault('corrupt', `a run has ${raw.length} bytes, not ${rawBytes}`);
  return raw;
}
