// Turns a message definition into a codec. Each version's decoder and encoder is compiled when first used: a broker
// meets few of the versions it serves. All codecs of the process share one reader and one writer; both are only ever
// in use inside one synchronous call.

import { EncodeError, ProtocolError } from '../protocol-error.ts';
import { WireReader } from '../wire/reader.ts';
import { WireWriter } from '../wire/writer.ts';
import { compileDecoder, type Decoder } from './decoder.ts';
import type { Decoded, Encodable, StructFields } from './define.ts';
import { compileEncoder, type Encoder } from './encoder.ts';
import { inRange, type VersionRange } from './versions.ts';

export const sharedReader = new WireReader();
export const sharedWriter = new WireWriter();

export interface Codec<Fields extends StructFields> {
  readonly fields: Fields;
  /** Decodes the message that starts at `offset`; what follows it is ignored. @throws ProtocolError */
  decode(this: void, version: number, buffer: Buffer, offset: number): Decoded<Fields>;
  /** The same from an open reader, which is left at the message's end. @throws ProtocolError */
  read(this: void, version: number, reader: WireReader): Decoded<Fields>;
  /** @throws EncodeError */
  encode(this: void, version: number, message: Encodable<Fields>): Uint8Array[];
  /** The same into a writer, behind what it holds. @throws EncodeError */
  write(this: void, version: number, message: Encodable<Fields>, writer: WireWriter): void;
}

/** A codec for a message that exists in `versions`, of which those in `flexible` have the compact form. */
export function compileMessage<Fields extends StructFields>(
  label: string,
  versions: VersionRange,
  flexible: VersionRange,
  fields: Fields,
): Codec<Fields> {
  const decoders: (Decoder | undefined)[] = [];
  const encoders: (Encoder | undefined)[] = [];

  function read(version: number, reader: WireReader): Decoded<Fields> {
    let decoder = decoders[version];
    if (decoder === undefined) {
      if (!inRange(versions, version)) throw new ProtocolError('', `${label} has no version ${version}`);
      decoder = compileDecoder(label, fields, version, inRange(flexible, version));
      decoders[version] = decoder;
    }
    return decoder(reader) as Decoded<Fields>;
  }

  function write(version: number, message: Encodable<Fields>, writer: WireWriter): void {
    let encoder = encoders[version];
    if (encoder === undefined) {
      if (!inRange(versions, version)) throw new EncodeError('', `${label} has no version ${version}`);
      encoder = compileEncoder(label, fields, version, inRange(flexible, version));
      encoders[version] = encoder;
    }
    encoder(writer, message);
  }

  return {
    fields,
    read,
    write,
    decode(version, buffer, offset) {
      sharedReader.open(buffer, offset);
      try {
        return read(version, sharedReader);
      } finally {
        sharedReader.close();
      }
    },
    encode(version, message) {
      sharedWriter.begin();
      write(version, message, sharedWriter);
      return sharedWriter.finish();
    },
  };
}
