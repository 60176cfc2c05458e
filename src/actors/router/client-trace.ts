// Which trace a client request belongs to, if it says so: Kafka's protocol has no place for it but the headers of
// records, so only Produce can.

import { produce } from '../../protocol/apis/produce.ts';
import { traceOfFirstRecord } from '../../protocol/records/trace-header.ts';
import type { AnyApi, RequestOf } from '../../protocol/schema/define.ts';
import type { TraceContext } from '../runtime/ports.ts';

/** The trace context in the first record of the request's first batch. */
export function clientTrace(api: AnyApi, request: unknown): TraceContext | undefined {
  if (api !== produce) return undefined;
  const records = (request as RequestOf<typeof produce>).topicData[0]?.partitionData[0]?.records;
  return records === null || records === undefined ? undefined : traceOfFirstRecord(records);
}
