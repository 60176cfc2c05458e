// Kafka's answers to cases.ts, from 4.3.1, and from 3.9.1 for what only older versions serve, beside ours.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import {
  type BatchHeader,
  batchCrcValid,
  patchBatch,
  readBatchHeader,
  splitBatches,
} from '../../../src/protocol/records/batch.ts';
import { downConvert } from '../../../src/protocol/records/legacy.ts';
import { type LegacyMessage, readMessage, unwrap } from '../../../src/protocol/records/message-set.ts';
import { decodeRecords, type LogRecord } from '../../../src/protocol/records/record.ts';
import { type ProduceRules, validateProduced } from '../../../src/protocol/records/validate.ts';
import { type ProduceCase, produceCases } from './cases.ts';
import { rules } from './rules.ts';

interface KafkaAnswer {
  readonly errorCode: number;
  readonly recordErrors: readonly { readonly batchIndex: number }[];
  /** Base64 of the batch as Kafka then has it in the log. */
  readonly stored?: string;
}

function load(name: string) {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8'));
}

const older: Record<string, KafkaAnswer> = load('kafka-answers-3.9.1');
const newer: Record<string, KafkaAnswer> = load('kafka-answers-4.3.1');

/** Where we answer otherwise, and why. */
const differences: Record<string, { errorCode: number; why: string }> = {};
for (const name of [
  'length too large',
  'length negative',
  'length zero',
  'length one too many',
  'length one too few',
]) {
  differences[`framing: ${name}, lz4`] = {
    errorCode: ErrorCode.INVALID_RECORD,
    why: 'Kafka skips through compressed records without their lengths and stores what its own consumer cannot read',
  };
}
for (const name of ['none', 'gzip']) {
  for (const order of ['all 0', 'backwards']) {
    differences[`offsets ${order}, ${name}`] = {
      errorCode: ErrorCode.NONE,
      why: 'Kafka stores such offsets when plain and fails on them when compressed; here they are numbered anew',
    };
  }
}
differences['gzip: bytes behind'] = { errorCode: ErrorCode.INVALID_RECORD, why: 'zlib takes them for a second member' };
for (const name of ['gzip to lz4, negative timestamp', 'magic 1: negative timestamp']) {
  differences[name] = {
    errorCode: ErrorCode.NONE,
    why: 'Kafka accepts negative timestamps but where it must rebuild the batch, and fails there',
  };
}
for (const id of [5, 6, 7]) {
  differences[`codec id ${id}`] = {
    errorCode: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
    why: 'Kafka fails on a codec that it does not know',
  };
}
for (const magic of [0, 1]) {
  differences[`magic ${magic}: wrapped, codec id 5`] = differences['codec id 5'] as { errorCode: number; why: string };
}

function rulesOf({ apiVersion, config }: ProduceCase): ProduceRules {
  return rules({
    apiVersion,
    maxMessageBytes: Number(config['max.message.bytes'] ?? 1_048_588),
    timestampType: (config['message.timestamp.type'] ?? 'CreateTime') as ProduceRules['timestampType'],
    timestampBeforeMaxMs: BigInt(config['message.timestamp.before.max.ms'] ?? 2n ** 63n - 1n),
    timestampAfterMaxMs: BigInt(config['message.timestamp.after.max.ms'] ?? 3_600_000n),
    compressionType: (config['compression.type'] ?? 'producer') as ProduceRules['compressionType'],
    compacted: config['cleanup.policy'] === 'compact',
  });
}

/** Header and records without what differs between two logs: place, epoch, clock and the codec library's bytes. */
function essence(batch: Buffer): { header: Partial<BatchHeader>; records: LogRecord[] } {
  const header = readBatchHeader(batch);
  const moved = Buffer.from(batch);
  patchBatch(moved, 0n, -1);
  const appendTime = header.timestampType === 'LogAppendTime';
  const { crc, batchBytes, ...rest } = readBatchHeader(moved);
  return {
    header: appendTime ? { ...rest, maxTimestampMs: 0n } : rest,
    records: decodeRecords(moved).map((record) => (appendTime ? { ...record, timestampMs: 0n } : record)),
  };
}

describe('records: answered as Apache Kafka does', () => {
  for (const each of produceCases) {
    const kafka = (newer[each.name] ?? older[each.name]) as KafkaAnswer;
    const difference = differences[each.name];
    it(`version ${each.apiVersion}, ${each.name}${difference === undefined ? '' : `: not, as ${difference.why}`}`, () => {
      const verdict = validateProduced(Buffer.from(each.records), rulesOf(each));
      const errorCode = verdict.ok ? ErrorCode.NONE : verdict.errorCode;
      if (difference !== undefined) {
        expect(errorCode).to.equal(difference.errorCode);
        return;
      }
      // Where Kafka fails in a way it did not foresee, the batch is at fault all the same, and said to be.
      const expected = kafka.errorCode === ErrorCode.UNKNOWN_SERVER_ERROR ? ErrorCode.INVALID_RECORD : kafka.errorCode;
      expect(errorCode, verdict.ok ? '' : verdict.errorMessage).to.equal(expected);
      if (!verdict.ok) {
        // Versions below 8 have no field for them.
        if (each.apiVersion < 8) return;
        const indexes = (verdict.recordErrors ?? []).map(({ batchIndex }) => batchIndex);
        expect(indexes).to.deep.equal(kafka.recordErrors.map(({ batchIndex }) => batchIndex));
        return;
      }
      if (kafka.stored === undefined) {
        expect(verdict.batches).to.deep.equal([]);
        return;
      }
      expect(verdict.batches).to.have.length(1);
      const [batch] = verdict.batches as [Buffer];
      expect(batchCrcValid(batch)).to.equal(true);
      expect(essence(batch)).to.deep.equal(essence(Buffer.from(kafka.stored, 'base64')));
    });
  }

  it('has an answer of Kafka for every case', () => {
    const missing = produceCases.filter(({ name }) => newer[name] === undefined && older[name] === undefined);
    expect(missing.map(({ name }) => name)).to.deep.equal([]);
    expect(Object.keys(differences).filter((name) => !produceCases.some((each) => each.name === name))).to.deep.equal(
      [],
    );
  });

  it('of which 4.3.1 and 3.9.1 give the same error codes', () => {
    for (const [name, answer] of Object.entries(newer)) {
      expect(answer.errorCode, name).to.equal((older[name] as KafkaAnswer).errorCode);
    }
  });
});

interface Conversion {
  readonly timestampType: string;
  readonly fetchVersion: number;
  readonly fromOffset: number;
  readonly log: string;
  readonly records: string;
}

/** The messages of a set, wrappers opened; each as the hex of its bytes, with the wrapper's own fields. */
function messagesOf(set: Buffer): unknown[] {
  const messages: unknown[] = [];
  for (let at = 0; at < set.length; ) {
    const end = at + 12 + set.readInt32BE(at + 8);
    // Kafka announces the size before it converts, and fills it up with a cut message, which clients drop.
    if (end > set.length) break;
    const entry = set.subarray(at, end);
    const message: LegacyMessage = readMessage(entry);
    if (message.compression === 'none') messages.push(entry.toString('hex'));
    else {
      const inner: string[] = [];
      unwrap(message, 1_000_000, (each) => inner.push(each.entry.toString('hex')));
      messages.push({ ...message, value: null, inner });
    }
    at = end;
  }
  return messages;
}

function sizeOf(batches: readonly Buffer[]): number {
  return batches.reduce((sum, batch) => sum + batch.length, 0);
}

describe('records: down-converted as Apache Kafka 3.9 does', () => {
  for (const { timestampType, fetchVersion, fromOffset, log, records } of load('kafka-conversions') as Conversion[]) {
    it(`${timestampType}, Fetch version ${fetchVersion} from offset ${fromOffset}`, () => {
      // A fetch begins with the batch that holds the offset.
      const batches = splitBatches(Buffer.from(log, 'base64')).filter((batch) => {
        const { baseOffset, lastOffsetDelta } = readBatchHeader(batch);
        return baseOffset + BigInt(lastOffsetDelta) >= BigInt(fromOffset);
      });
      const ours = downConvert(batches, fetchVersion < 2 ? 0 : 1, BigInt(fromOffset), 10_000_000);
      if (!('records' in ours)) throw new Error(ours.errorMessage);
      const theirs = messagesOf(Buffer.from(records, 'base64'));
      const messages = messagesOf(ours.records);
      expect(messages.slice(0, theirs.length)).to.deep.equal(theirs);
      // Messages of v1 may be larger than the batches were; Kafka keeps to the batches' size and ends before the last.
      expect(messages.length - theirs.length).to.be.within(0, ours.records.length > sizeOf(batches) ? 1 : 0);
    });
  }
});
