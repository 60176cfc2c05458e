// Messages that lie in records rather than in requests: an int16 version, then the fields in that version's form. The
// coordinators' topics hold keys and values of this kind, and consumers exchange theirs through JoinGroup and SyncGroup.

import { ProtocolError } from '../protocol-error.ts';
import { compileMessage, sharedReader, sharedWriter } from '../schema/compile.ts';
import type { Decoded, Encodable, StructFields } from '../schema/define.ts';
import { inRange, type VersionRange, type VersionSpec, versionRange } from '../schema/versions.ts';

export interface RecordDefinition<Fields extends StructFields> {
  readonly name: string;
  readonly versions: VersionSpec;
  readonly flexible: VersionSpec | 'none';
  /** Versions above the newest known are read as the newest: the message promises only ever to append fields. */
  readonly newerAsNewest?: true;
  readonly fields: Fields;
}

export interface RecordCodec<Fields extends StructFields> {
  readonly name: string;
  readonly versions: VersionRange;
  readonly definition: RecordDefinition<Fields>;
  /** Version and fields, in a buffer of its own. @throws EncodeError */
  encode(version: number, value: Encodable<Fields>): Buffer;
  /** Byte fields are views of `buffer`. @throws ProtocolError naming the field, also for an unknown version */
  decode(buffer: Buffer): { readonly version: number; readonly value: Decoded<Fields> };
}

/** What a decoder of this record returns as its value. */
export type RecordOf<Codec> = Codec extends RecordCodec<infer Fields> ? Decoded<Fields> : never;
/** What its encoder takes. */
export type RecordInputOf<Codec> = Codec extends RecordCodec<infer Fields> ? Encodable<Fields> : never;

export function defineRecord<const Fields extends StructFields>(
  definition: RecordDefinition<Fields>,
): RecordCodec<Fields> {
  const { name, fields } = definition;
  const versions = versionRange(definition.versions);
  const codec = compileMessage(name, versions, versionRange(definition.flexible), fields);
  return {
    name,
    versions,
    definition,
    encode(version, value) {
      sharedWriter.begin();
      sharedWriter.int16(version);
      codec.write(version, value, sharedWriter);
      return Buffer.concat(sharedWriter.finish());
    },
    decode(buffer) {
      sharedReader.open(buffer, 0);
      try {
        const version = sharedReader.int16();
        const readAs = definition.newerAsNewest && version > versions.max ? versions.max : version;
        if (!inRange(versions, readAs)) throw new ProtocolError('', `${name} has no version ${version}`);
        return { version, value: codec.read(readAs, sharedReader) };
      } finally {
        sharedReader.close();
      }
    },
  };
}

/** The version (of keys: also their kind) that a key or value starts with. @throws ProtocolError if it is too short */
export function recordVersion(buffer: Buffer): number {
  if (buffer.length < 2) throw new ProtocolError('', `needs 2 bytes, ${buffer.length} are left`);
  return buffer.readInt16BE(0);
}
