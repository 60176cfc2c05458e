// Why a record batch or message set cannot be accepted or read. Thrown inside this folder and by its decoders;
// `validateProduced` turns it into the answer a Produce response carries.
import type { ErrorCode } from '../errors.ts';

/** One record of a batch that broke a rule (KIP-467). */
export interface RecordError {
  /** Index of the record within its batch, from 0. */
  readonly batchIndex: number;
  readonly message: string;
}

/** Record bytes that break the format or a rule of the topic, with the Kafka error code that says so. */
export class RecordsFault extends Error {
  readonly errorCode: ErrorCode;
  readonly recordErrors: readonly RecordError[];

  constructor(errorCode: ErrorCode, message: string, recordErrors: readonly RecordError[] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RecordsFault';
    this.errorCode = errorCode;
    this.recordErrors = recordErrors;
  }
}
