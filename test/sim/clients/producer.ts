// A simulated producer. Batches of one partition leave in order; after anything but success it waits for all that is in
// flight there, then sends what is unanswered again, oldest first. An idempotent one numbers its batches and takes a new
// producer id when it has to give one up whose outcome it does not know (as KIP-360 has clients do).

import { initProducerId } from '../../../src/protocol/apis/init-producer-id.ts';
import { produce } from '../../../src/protocol/apis/produce.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import type { CompressionType } from '../../../src/protocol/records/compression.ts';
import { encodeBatch } from '../../../src/protocol/records/record.ts';
import { WORLD_START_MS } from '../process.ts';
import { type ClusterClient, partitionId, retrying, type TopicPartition } from './cluster-client.ts';
import { ClientFault, type KafkaConnection } from './kafka-connection.ts';

export interface ProducerOptions {
  readonly partitions: readonly TopicPartition[];
  readonly idempotent: boolean;
  /** Requests in flight per partition; an idempotent producer has five at the most. */
  readonly inFlightMax: number;
  readonly acks: -1 | 0 | 1;
  readonly intervalMeanMs: number;
  readonly batchRecordsMax: number;
  readonly valueBytes: number;
  readonly compression: CompressionType;
  readonly deliveryTimeoutMs: number;
  /** Probability that a batch is spoilt on purpose: it must be refused and never seen. */
  readonly spoilChance: number;
}

interface Batch {
  readonly operation: number;
  readonly values: readonly string[];
  readonly createdMs: number;
  readonly spoilt: boolean;
  baseSequence: number;
  attempts: number;
  state: 'waiting' | 'in-flight';
  /** Sent under a producer id that has been given up since: it must not be sent again. */
  orphaned: boolean;
}

const TOPIC_ID_VERSION = 13;
const REQUEST_TIMEOUT_MS = 3_000;
const RETRY_MS = 60;
/** Producer ids go with batches of at most this many in flight (KIP-98). */
const IDEMPOTENT_IN_FLIGHT_MAX = 5;

/** Refusals after which nothing can have been stored, whatever went before in the same attempt. */
const DEFINITE = new Set<number>([
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.INVALID_RECORD,
  ErrorCode.INVALID_TIMESTAMP,
  ErrorCode.INVALID_REQUIRED_ACKS,
]);
const RETRIABLE = new Set<number>([
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
]);

export class SimProducer {
  readonly #client: ClusterClient;
  readonly #options: ProducerOptions;
  readonly #lanes: Lane[];
  #stopping = false;
  #values = 0;

  constructor(client: ClusterClient, options: ProducerOptions) {
    this.#client = client;
    this.#options = options;
    this.#lanes = options.partitions.map((partition) => new Lane(client, options, partition));
  }

  /** Produces until `stop`, then until everything is answered or given up. */
  async run(): Promise<void> {
    const { scheduler, random } = this.#client.environment;
    while (!this.#stopping) {
      await scheduler.sleep(random.exponential(this.#options.intervalMeanMs));
      if (this.#stopping) break;
      const values = Array.from({ length: random.int(1, this.#options.batchRecordsMax) }, () => this.#nextValue());
      random.pick(this.#lanes).add(values);
    }
    while (this.#lanes.some((lane) => lane.busy)) await scheduler.sleep(20);
    this.#client.disconnect();
  }

  stop(): void {
    this.#stopping = true;
  }

  #nextValue(): string {
    return `${this.#client.name}-${++this.#values}`;
  }
}

/** What one producer sends to one partition. */
class Lane {
  readonly #client: ClusterClient;
  readonly #options: ProducerOptions;
  readonly #partition: TopicPartition;
  readonly #inFlightMax: number;
  #batches: Batch[] = [];
  #inFlight = 0;
  #mode: 'sending' | 'recovering' | 'opening' = 'sending';
  #producerId = -1n;
  #producerEpoch = -1;
  #nextSequence = 0;
  /** Ends when the batch before has been handed to its connection: so they leave in order. */
  #order: Promise<unknown> = Promise.resolve();

  constructor(client: ClusterClient, options: ProducerOptions, partition: TopicPartition) {
    this.#client = client;
    this.#options = options;
    this.#partition = partition;
    this.#inFlightMax = options.idempotent
      ? Math.min(options.inFlightMax, IDEMPOTENT_IN_FLIGHT_MAX)
      : options.inFlightMax;
  }

  get busy(): boolean {
    return this.#batches.length > 0;
  }

  add(values: readonly string[]): void {
    const { history, scheduler, random } = this.#client.environment;
    const { idempotent } = this.#options;
    const spoilt = random.chance(this.#options.spoilChance);
    const operation = history.operation();
    history.add(this.#client.name, {
      kind: 'send',
      operation,
      partition: partitionId(this.#partition),
      values,
      idempotent,
      ordered: idempotent || this.#inFlightMax === 1,
    });
    this.#batches.push({
      operation,
      values,
      createdMs: scheduler.nowMs,
      spoilt,
      baseSequence: -1,
      attempts: 0,
      state: 'waiting',
      orphaned: false,
    });
    this.#pump();
  }

  #pump(): void {
    if (this.#mode !== 'sending') return;
    if (this.#options.idempotent && this.#producerId < 0n) {
      this.#mode = 'opening';
      void this.#open();
      return;
    }
    for (const batch of this.#batches) {
      if (this.#inFlight >= this.#inFlightMax || this.#mode !== 'sending') return;
      if (batch.state === 'waiting') void this.#send(batch);
    }
  }

  /** Gets a producer id. */
  async #open(): Promise<void> {
    const client = this.#client;
    const { scheduler } = client.environment;
    const answer = await retrying(client, scheduler.nowMs + this.#options.deliveryTimeoutMs, async () => {
      const reply = await client.request(client.anyNode(), initProducerId, {
        transactionalId: null,
        transactionTimeoutMs: 0,
      });
      return reply.errorCode === ErrorCode.NONE ? reply : undefined;
    });
    if (answer !== undefined) {
      this.#producerId = answer.producerId;
      this.#producerEpoch = answer.producerEpoch;
      this.#nextSequence = 0;
    }
    this.#mode = 'sending';
    this.#giveUpLate();
    this.#pump();
  }

  async #send(batch: Batch): Promise<void> {
    batch.state = 'in-flight';
    this.#inFlight++;
    if (this.#options.idempotent && batch.baseSequence < 0 && !batch.spoilt) {
      batch.baseSequence = this.#nextSequence;
      this.#nextSequence += batch.values.length;
    }
    let verdict: Verdict;
    try {
      verdict = await this.#attempt(batch);
    } catch (fault) {
      if (!(fault instanceof ClientFault)) throw fault;
      verdict = { kind: 'again', errorCode: ErrorCode.NETWORK_EXCEPTION };
    }
    this.#inFlight--;
    batch.state = 'waiting';
    this.#judge(batch, verdict);
    if (this.#mode === 'recovering' && this.#inFlight === 0) {
      await this.#client.environment.scheduler.sleep(RETRY_MS);
      this.#mode = 'sending';
      this.#giveUpLate();
    }
    this.#pump();
  }

  /** One attempt at sending a batch. @throws ClientFault */
  async #attempt(batch: Batch): Promise<Verdict> {
    const connecting = this.#order.then(() => this.#connect());
    this.#order = connecting;
    const connection = await connecting;
    if (connection === undefined) return { kind: 'again', errorCode: ErrorCode.NETWORK_EXCEPTION };
    const { topic, topicId, index } = this.#partition;
    const version = this.#client.versionOf(produce);
    const request = {
      acks: this.#options.acks,
      timeoutMs: REQUEST_TIMEOUT_MS,
      topicData: [
        {
          ...(version >= TOPIC_ID_VERSION ? { topicId } : { name: topic }),
          partitionData: [{ index, records: this.#encode(batch) }],
        },
      ],
    };
    batch.attempts++;
    if (this.#options.acks === 0) {
      connection.send(produce, version, request);
      return { kind: 'given-up' };
    }
    const answer = await connection.request(produce, version, request, REQUEST_TIMEOUT_MS);
    const result = answer.responses[0]?.partitionResponses[0];
    if (result === undefined) {
      this.#client.anomaly('produce answer without the partition asked for');
      return { kind: 'given-up' };
    }
    const { errorCode, baseOffset } = result;
    if (errorCode === ErrorCode.NONE) return { kind: 'ok', baseOffset };
    if (errorCode === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) return { kind: 'ok', baseOffset: -1n };
    if (DEFINITE.has(errorCode)) return { kind: 'refused', errorCode };
    if (RETRIABLE.has(errorCode)) return { kind: 'again', errorCode };
    if (errorCode === ErrorCode.UNKNOWN_TOPIC_ID) return { kind: 'topic-gone', errorCode };
    this.#client.anomaly(`produce refused with error code ${errorCode}`);
    return { kind: 'given-up' };
  }

  /** The leader's connection; undefined when there is none, or when a batch before has failed. */
  async #connect(): Promise<KafkaConnection | undefined> {
    if (this.#mode === 'recovering') return undefined;
    try {
      const leader = await this.#client.leaderOf(this.#partition);
      const connection = leader === undefined ? undefined : await this.#client.connection(leader.nodeId);
      if (connection !== undefined && this.#mode === 'sending') return connection;
    } catch (fault) {
      if (!(fault instanceof ClientFault)) throw fault;
    }
    this.#mode = 'recovering';
    return undefined;
  }

  #encode(batch: Batch): Buffer {
    const { scheduler } = this.#client.environment;
    const { idempotent, valueBytes, compression } = this.#options;
    const encoded = encodeBatch({
      baseOffset: 0n,
      records: batch.values.map((value) => ({
        timestampMs: BigInt(Math.floor(WORLD_START_MS + scheduler.nowMs)),
        key: null,
        value: Buffer.from(value.padEnd(valueBytes, '.')),
      })),
      compression,
      ...(idempotent && !batch.spoilt
        ? { producerId: this.#producerId, producerEpoch: this.#producerEpoch, baseSequence: batch.baseSequence }
        : {}),
    });
    if (batch.spoilt) encoded[encoded.length - 1] = (encoded[encoded.length - 1] as number) ^ 0x01;
    return encoded;
  }

  #judge(batch: Batch, verdict: Verdict): void {
    switch (verdict.kind) {
      case 'ok':
        if (batch.spoilt) this.#client.anomaly('a batch with a wrong CRC was accepted');
        this.#done(batch, 'ok', verdict.baseOffset, ErrorCode.NONE);
        break;
      case 'refused':
        if (!batch.spoilt) this.#client.anomaly(`a sound batch was refused with error code ${verdict.errorCode}`);
        // An earlier attempt may have got through; of a spoilt batch none can have.
        this.#done(batch, batch.attempts === 1 || batch.spoilt ? 'fail' : 'unknown', -1n, verdict.errorCode);
        break;
      case 'given-up':
      case 'topic-gone': {
        const code = verdict.kind === 'topic-gone' ? verdict.errorCode : ErrorCode.NONE;
        this.#done(batch, 'unknown', -1n, code);
        break;
      }
      case 'again':
        this.#client.leaderMoved(this.#partition.topic);
        this.#mode = 'recovering';
        if (batch.orphaned) this.#done(batch, 'unknown', -1n, verdict.errorCode);
        else this.#checkSequence(batch, verdict.errorCode);
        break;
    }
  }

  /** The oldest batch is the one the broker waits for: it cannot be out of order. */
  #checkSequence(batch: Batch, errorCode: number): void {
    if (errorCode !== ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER || this.#batches[0] !== batch) return;
    this.#client.anomaly(
      `sequence ${batch.baseSequence} of producer ${this.#producerId} is out of order with nothing before it`,
    );
    this.#renew();
  }

  /** Batches whose time is over are given up; what was attempted under the producer id is then unknown with it. */
  #giveUpLate(): void {
    const { scheduler } = this.#client.environment;
    const late = this.#batches.filter(
      ({ createdMs, state }) => state === 'waiting' && scheduler.nowMs - createdMs > this.#options.deliveryTimeoutMs,
    );
    for (const batch of late)
      this.#done(batch, batch.attempts === 0 ? 'fail' : 'unknown', -1n, ErrorCode.REQUEST_TIMED_OUT);
    if (late.length > 0 && this.#options.idempotent) this.#renew();
  }

  #renew(): void {
    for (const batch of [...this.#batches]) {
      if (batch.state === 'in-flight') batch.orphaned = true;
      else if (batch.attempts > 0) this.#done(batch, 'unknown', -1n, ErrorCode.REQUEST_TIMED_OUT);
      else batch.baseSequence = -1;
    }
    this.#producerId = -1n;
  }

  #done(batch: Batch, outcome: 'ok' | 'fail' | 'unknown', baseOffset: bigint, errorCode: number): void {
    this.#batches = this.#batches.filter((other) => other !== batch);
    const { operation, attempts } = batch;
    this.#client.environment.history.add(this.#client.name, {
      kind: 'sent',
      operation,
      outcome,
      baseOffset,
      attempts,
      errorCode,
    });
  }
}

type Verdict =
  | { readonly kind: 'ok'; readonly baseOffset: bigint }
  | { readonly kind: 'refused'; readonly errorCode: number }
  | { readonly kind: 'again'; readonly errorCode: number }
  | { readonly kind: 'topic-gone'; readonly errorCode: number }
  | { readonly kind: 'given-up' };
