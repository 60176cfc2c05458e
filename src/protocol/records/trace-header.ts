// The W3C trace context that a client may have put into its records' headers (https://www.w3.org/TR/trace-context/; the
// OpenTelemetry instrumentations of Kafka clients do). Only looked for where that costs next to nothing: in the first
// record of an uncompressed v2 batch.

import { BATCH_HEADER_BYTES, batchAttribute, batchField } from './batch.ts';
import { VarintReader } from './varint.ts';

/** Headers of the first record that are looked at. */
const HEADERS_MAX = 32;

const traceparentForm = /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export interface RecordTrace {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/**
 * The trace context in the headers of the first record.
 * @param batch begins with a v2 batch, checked or not; anything else has none
 */
export function traceOfFirstRecord(batch: Buffer): RecordTrace | undefined {
  if (batch.length <= BATCH_HEADER_BYTES || batch[batchField.magic] !== 2) return undefined;
  if (((batch[batchField.attributes + 1] as number) & batchAttribute.codecMask) !== 0) return undefined;
  try {
    return readTrace(new VarintReader(batch, BATCH_HEADER_BYTES, batch.length));
  } catch {
    // Malformed: whoever validates the batch says so.
    return undefined;
  }
}

/** @throws RecordsFault */
function readTrace(reader: VarintReader): RecordTrace | undefined {
  reader.varint();
  reader.byte();
  reader.varlong();
  reader.varint();
  reader.bytes(reader.varint());
  reader.bytes(reader.varint());
  const count = Math.min(reader.varint(), HEADERS_MAX);
  let traceparent: string | undefined;
  let tracestate: string | undefined;
  for (let index = 0; index < count; index++) {
    const key = reader.bytes(reader.varint());
    const value = reader.bytes(reader.varint());
    if (key === null || value === null) continue;
    if (isKey(key, 'traceparent')) traceparent = value.toString('latin1');
    else if (isKey(key, 'tracestate')) tracestate = value.toString('latin1');
  }
  if (traceparent === undefined || !traceparentForm.test(traceparent)) return undefined;
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

function isKey(bytes: Buffer, key: string): boolean {
  return bytes.length === key.length && bytes.toString('latin1').toLowerCase() === key;
}
