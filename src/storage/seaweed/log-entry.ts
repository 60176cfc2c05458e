// The two protobuf messages of the data path, by hand: a publish request, built around the batches without a copy more than
// needed, and the LogEntry that a broker writes into a log file, of which a prefix says where the value lies.
//
//   PublishMessageRequest { data = 2: DataMessage { key = 1, value = 2 } }                      (mq_broker.proto)
//   log file: { length u32 big-endian │ LogEntry { ts_ns = 1, partition_key_hash = 2, data = 3, key = 4, offset = 5 } } …
//                                                                                               (filer.proto)

const WIRE_VARINT = 0;
const WIRE_BYTES = 2;
const TAG_MESSAGE_DATA = (2 << 3) | WIRE_BYTES;
const TAG_KEY = (1 << 3) | WIRE_BYTES;
const TAG_VALUE = (2 << 3) | WIRE_BYTES;
const LOG_ENTRY_DATA = 3;
/** Length and the fields before the value: two varints of up to ten bytes with their tags, tag and length of the value. */
export const LOG_ENTRY_PREFIX_BYTES_MAX = 4 + 11 + 11 + 1 + 5;

/** A publish request with room for a value of `valueBytes` at `valueAt`, in a buffer that `allocate` gives. */
export function publishFrame(
  key: Uint8Array,
  valueBytes: number,
  allocate: (bytes: number) => Buffer,
): { readonly frame: Buffer; readonly valueAt: number } {
  const dataBytes = 1 + varintBytes(key.length) + key.length + 1 + varintBytes(valueBytes) + valueBytes;
  const frame = allocate(1 + varintBytes(dataBytes) + dataBytes);
  let at = writeVarint(frame, TAG_MESSAGE_DATA, 0);
  at = writeVarint(frame, dataBytes, at);
  at = writeVarint(frame, TAG_KEY, at);
  at = writeVarint(frame, key.length, at);
  frame.set(key, at);
  at = writeVarint(frame, TAG_VALUE, at + key.length);
  at = writeVarint(frame, valueBytes, at);
  return { frame, valueAt: at };
}

export interface LogEntryPlace {
  /** Where the value begins in the buffer, and its size. */
  readonly valueAt: number;
  readonly valueBytes: number;
  /** Where the next entry begins; may lie behind the buffer. */
  readonly end: number;
}

/**
 * The log entry that begins at `at`, of which the buffer may hold only a prefix.
 * @returns `cut` when even the prefix is not all there, undefined when these bytes are no log entry.
 */
export function logEntryAt(buffer: Buffer, at: number): LogEntryPlace | 'cut' | undefined {
  if (at + 4 > buffer.length) return 'cut';
  const end = at + 4 + buffer.readUInt32BE(at);
  let next = at + 4;
  while (next < end) {
    const tag = readVarint(buffer, next);
    if (tag === undefined) return cutOrWrong(buffer, next);
    const field = tag.value >>> 3;
    const wire = tag.value & 7;
    // Fields come in the order of their numbers, as Go writes them; an empty value is not there.
    if (field > LOG_ENTRY_DATA) return { valueAt: end, valueBytes: 0, end };
    const length = readVarint(buffer, tag.end);
    if (length === undefined) return cutOrWrong(buffer, tag.end);
    if (wire === WIRE_VARINT) {
      next = length.end;
      continue;
    }
    if (wire !== WIRE_BYTES || length.end + length.value > end) return undefined;
    if (field === LOG_ENTRY_DATA) return { valueAt: length.end, valueBytes: length.value, end };
    next = length.end + length.value;
  }
  return next === end ? { valueAt: end, valueBytes: 0, end } : undefined;
}

function cutOrWrong(buffer: Buffer, at: number): 'cut' | undefined {
  return buffer.length - at < 10 ? 'cut' : undefined;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function writeVarint(target: Buffer, value: number, at: number): number {
  let rest = value;
  let next = at;
  while (rest >= 0x80) {
    target[next++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  target[next++] = rest;
  return next;
}

/** A varint; of one with more than 53 bits only `end` is right, which is all that is asked of timestamps and hashes. */
function readVarint(buffer: Buffer, at: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  let scale = 1;
  for (let next = at; next < buffer.length && next < at + 10; next++) {
    const byte = buffer[next]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, end: next + 1 };
    scale *= 0x80;
  }
  return undefined;
}
