// Bytes inside a message. Large ones travel raw behind the packed message, so that packing does not copy them and reading
// gives views of what arrived; small ones are packed inline and copied when read, so that no record of a member keeps a
// whole network buffer in memory.

import { addExtension } from 'msgpackr';

/** Bytes from which on a field travels raw. */
export const ATTACHED_BYTES_MIN = 4 * 1024;
/** msgpack extension type of a reference to attached bytes; its data is their length, big-endian. */
const EXTENSION_TYPE = 0x41;
const DEPTH_MAX = 32;

class Attached {
  readonly length: number;
  constructor(length: number) {
    this.length = length;
  }
}

/** A message ready to be packed. */
export interface Prepared {
  /** The message with references where large bytes were. */
  readonly value: unknown;
  readonly attachments: readonly Uint8Array[];
  /** About how many bytes it takes on the wire. */
  readonly bytes: number;
}

/**
 * Takes the large bytes out of a message; what holds none is used as it is.
 * @throws TypeError when the message is not plain data (RemoteRequest.message), naming the place
 */
export function prepare(message: unknown): Prepared {
  const attachments: Uint8Array[] = [];
  const size = { bytes: 0 };
  const value = detach(message, attachments, size, 0);
  return { value, attachments, bytes: size.bytes };
}

function detach(value: unknown, attachments: Uint8Array[], size: { bytes: number }, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      size.bytes += value.length + 2;
      return value;
    case 'object':
      if (value === null) break;
      if (value instanceof Uint8Array) {
        size.bytes += value.length + 8;
        if (value.length < ATTACHED_BYTES_MIN) return value;
        attachments.push(value);
        return new Attached(value.length);
      }
      if (depth === DEPTH_MAX) throw new TypeError(`a message is nested deeper than ${DEPTH_MAX}`);
      return Array.isArray(value)
        ? detachItems(value, attachments, size, depth)
        : detachFields(value as Record<string, unknown>, attachments, size, depth);
    case 'function':
    case 'symbol':
      throw new TypeError(`a ${typeof value} cannot be sent to another node`);
    default:
  }
  size.bytes += 9;
  return value;
}

function detachItems(items: unknown[], attachments: Uint8Array[], size: { bytes: number }, depth: number): unknown[] {
  let changed: unknown[] | undefined;
  for (let index = 0; index < items.length; index++) {
    const item = detach(items[index], attachments, size, depth + 1);
    if (item === items[index]) continue;
    changed ??= items.slice();
    changed[index] = item;
  }
  return changed ?? items;
}

function detachFields(
  fields: Record<string, unknown>,
  attachments: Uint8Array[],
  size: { bytes: number },
  depth: number,
): Record<string, unknown> {
  if (fields instanceof Map || fields instanceof Set || ArrayBuffer.isView(fields) || fields instanceof Date) {
    throw new TypeError(`a ${fields.constructor.name} cannot be sent to another node`);
  }
  let changed: Record<string, unknown> | undefined;
  for (const name of Object.keys(fields)) {
    // msgpackr reads it as another name, which guards prototypes.
    if (name === '__proto__') throw new TypeError('a field __proto__ cannot be sent to another node');
    size.bytes += name.length + 1;
    const field = detach(fields[name], attachments, size, depth + 1);
    if (field === fields[name]) continue;
    changed ??= { ...fields };
    changed[name] = field;
  }
  return changed ?? fields;
}

/** Where the attachments of the frame that is being read lie. */
let reading: { readonly bytes: Buffer; offset: number } | undefined;

/** Runs `unpack` with references standing for the bytes of `attached`, one after the other. */
export function withAttachments<T>(attached: Buffer, unpack: () => T): T {
  reading = { bytes: attached, offset: 0 };
  try {
    return unpack();
  } finally {
    reading = undefined;
  }
}

addExtension({
  Class: Attached,
  type: EXTENSION_TYPE,
  pack({ length }: Attached) {
    const data = Buffer.allocUnsafe(4);
    data.writeUInt32BE(length);
    return data;
  },
  unpack(data: Uint8Array) {
    if (reading === undefined) throw new RangeError('attached bytes outside of a frame');
    const length = Buffer.from(data.buffer, data.byteOffset, data.byteLength).readUInt32BE();
    const start = reading.offset;
    reading.offset += length;
    if (reading.offset > reading.bytes.length) throw new RangeError('attached bytes beyond the end of the frame');
    return reading.bytes.subarray(start, reading.offset);
  },
});
