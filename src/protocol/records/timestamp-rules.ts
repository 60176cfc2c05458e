// Which record timestamps a topic accepts (KIP-32, KIP-937), and what it says of those it does not.
import { ErrorCode } from '../errors.ts';
import { NO_TIMESTAMP_MS, type TimestampType } from './batch.ts';
import { type RecordError, RecordsFault } from './records-fault.ts';

/** With so many record errors the batch is not looked at any further: it fails as a whole in any case. */
const RECORD_ERRORS_MAX = 1000;

/** The rules that are looked at for each record. */
export interface RecordRules {
  /** The topic's `message.timestamp.type`. */
  readonly timestampType: TimestampType;
  /** `message.timestamp.before.max.ms`: how old a record may be. */
  readonly timestampBeforeMaxMs: bigint;
  /** `message.timestamp.after.max.ms`: how far ahead of the broker's clock a record may be. */
  readonly timestampAfterMaxMs: bigint;
  readonly nowMs: bigint;
  /** `cleanup.policy` contains compact: every record needs a key. */
  readonly compacted: boolean;
}

/** Gathers the errors of a batch's records in the order Kafka's LogValidator looks for them. */
export class RecordJudge {
  readonly #rules: RecordRules;
  readonly #batchTimestampType: TimestampType | undefined;
  readonly #errors: RecordError[] = [];
  #invalidTimestamp = false;

  /** @param batchTimestampType undefined in format v0, which has no timestamps */
  constructor(rules: RecordRules, batchTimestampType: TimestampType | undefined) {
    this.#rules = rules;
    this.#batchTimestampType = batchTimestampType;
  }

  #add(batchIndex: number, message: string): void {
    if (!this.full) this.#errors.push({ batchIndex, message });
  }

  /** So many errors that further ones would not be listed. */
  get full(): boolean {
    return this.#errors.length >= RECORD_ERRORS_MAX;
  }

  reject(batchIndex: number, message: string): void {
    this.#add(batchIndex, message);
  }

  /** @returns whether the record may be appended */
  record(batchIndex: number, hasKey: boolean, timestampMs: bigint): boolean {
    const rules = this.#rules;
    if (rules.compacted && !hasKey) {
      this.#add(batchIndex, 'Compacted topic cannot accept message without key');
      return false;
    }
    if (rules.timestampType === 'CreateTime' && timestampMs !== NO_TIMESTAMP_MS) {
      if (timestampAccepted(timestampMs, rules)) return true;
      this.#invalidTimestamp = true;
      this.#add(
        batchIndex,
        `Timestamp ${timestampMs} of the message is out of range. The timestamp should be within ` +
          `[${rules.nowMs - rules.timestampBeforeMaxMs}, ${rules.nowMs + rules.timestampAfterMaxMs}]`,
      );
      return false;
    }
    if (this.#batchTimestampType === 'LogAppendTime') {
      this.#invalidTimestamp = true;
      this.#add(batchIndex, 'Invalid timestamp type. Producer should not set timestamp type to LogAppendTime.');
      return false;
    }
    return true;
  }

  /** @throws RecordsFault INVALID_TIMESTAMP if any record's timestamp was refused, else INVALID_RECORD if any record was */
  settle(): void {
    if (this.#errors.length === 0) return;
    if (this.#invalidTimestamp) {
      throw new RecordsFault(
        ErrorCode.INVALID_TIMESTAMP,
        'One or more records have been rejected due to invalid timestamp',
        this.#errors,
      );
    }
    const [first] = this.#errors as [RecordError];
    throw new RecordsFault(
      ErrorCode.INVALID_RECORD,
      `One or more records have been rejected due to ${this.#errors.length} record errors; the first: ` +
        `record ${first.batchIndex}: ${first.message}`,
      this.#errors,
    );
  }
}

export function timestampAccepted(timestampMs: bigint, rules: RecordRules): boolean {
  const age = rules.nowMs - timestampMs;
  return age <= rules.timestampBeforeMaxMs && -age <= rules.timestampAfterMaxMs;
}
