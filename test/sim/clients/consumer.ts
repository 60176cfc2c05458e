// A simulated consumer of given partitions: fetches with sessions, keeps its position over whatever happens, and notes
// every batch of records it gets. GroupConsumer gives it its partitions by way of a group.

import { fetch } from '../../../src/protocol/apis/fetch.ts';
import { listOffsets } from '../../../src/protocol/apis/list-offsets.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { batchCrcValid, lastOffsetOf, readBatchHeader, splitBatches } from '../../../src/protocol/records/batch.ts';
import { decodeRecords } from '../../../src/protocol/records/record.ts';
import type { DecodedResponseOf } from '../../../src/protocol/schema/define.ts';
import type { LogRecordSeen } from '../history.ts';
import { type ClusterClient, partitionId, type TopicPartition } from './cluster-client.ts';
import { ClientFault } from './kafka-connection.ts';

export interface ConsumerOptions {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly partitionMaxBytes: number;
}

type FetchAnswer = DecodedResponseOf<typeof fetch>;
type PartitionAnswer = FetchAnswer['responses'][number]['partitions'][number];

interface Position {
  readonly partition: TopicPartition;
  offset: bigint;
  lastFetchedEpoch: number;
  leaderEpoch: number;
  /** Counts up with every jump of the position. */
  span: number;
}

interface Session {
  id: number;
  epoch: number;
  /** What the node knows of each partition: offset and leader epoch last sent. */
  readonly known: Map<string, string>;
}

export const EARLIEST = -2n;
export const LATEST = -1n;

const TOPIC_ID_VERSION = 13;
const SESSION_VERSION = 7;
const LEADER_EPOCH_VERSION = 9;
const RETRY_MS = 60;
/** Between two fetches that do not wait, ms. */
const IDLE_MS = 50;
/** A fetch's wait when several nodes are asked one after the other, ms. */
const SHORT_WAIT_MS = 50;
const MOVED = new Set<number>([
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.INCONSISTENT_TOPIC_ID,
]);
const RETRIABLE = new Set<number>([ErrorCode.KAFKA_STORAGE_ERROR]);

export class SimConsumer {
  readonly client: ClusterClient;
  readonly #options: ConsumerOptions;
  readonly #positions = new Map<string, Position>();
  readonly #sessions = new Map<number, Session>();
  #stopping = false;

  constructor(client: ClusterClient, options: ConsumerOptions) {
    this.client = client;
    this.#options = options;
  }

  /** Reads these partitions from now on, from the given offsets; an offset of EARLIEST is looked up. */
  assign(partitions: readonly (readonly [TopicPartition, bigint])[]): void {
    this.#positions.clear();
    for (const [partition, offset] of partitions) {
      this.#positions.set(partitionId(partition), {
        partition,
        offset,
        lastFetchedEpoch: -1,
        leaderEpoch: -1,
        span: this.client.environment.history.operation(),
      });
    }
  }

  /** Offset of the next record of each partition assigned; those not yet looked up are left out. */
  positions(): (readonly [TopicPartition, bigint])[] {
    return [...this.#positions.values()]
      .filter(({ offset }) => offset >= 0n)
      .map(({ partition, offset }) => [partition, offset] as const);
  }

  stop(): void {
    this.#stopping = true;
  }

  /** Fetches until `stop`. */
  async run(): Promise<void> {
    while (!this.#stopping) await this.pollOnce();
    this.client.disconnect();
  }

  /** One round of fetches from every node that leads a partition of this consumer's. */
  async pollOnce(): Promise<void> {
    const { scheduler } = this.client.environment;
    let fetched = false;
    try {
      const byNode = await this.#readable();
      // A node that has nothing must not hold up what others have.
      const maxWaitMs = byNode.size > 1 ? Math.min(this.#options.maxWaitMs, SHORT_WAIT_MS) : this.#options.maxWaitMs;
      for (const [nodeId, positions] of byNode) {
        await this.#fetchFrom(nodeId, positions, maxWaitMs);
        fetched = true;
      }
    } catch (fault) {
      if (!(fault instanceof ClientFault)) throw fault;
      this.#sessions.clear();
      for (const { partition } of this.#positions.values()) this.client.leaderMoved(partition.topic);
      fetched = false;
    }
    if (!fetched) await scheduler.sleep(RETRY_MS);
  }

  /** Partitions with a known leader and position, by leader. @throws ClientFault */
  async #readable(): Promise<Map<number, Position[]>> {
    const byNode = new Map<number, Position[]>();
    for (const position of [...this.#positions.values()]) {
      const leader = await this.client.leaderOf(position.partition);
      if (leader === undefined) continue;
      position.leaderEpoch = leader.epoch;
      if (position.offset < 0n) {
        const offset = await this.listOffset(position.partition, position.offset);
        if (offset === undefined) continue;
        position.offset = offset;
      }
      if (this.#positions.get(partitionId(position.partition)) !== position) continue;
      byNode.set(leader.nodeId, [...(byNode.get(leader.nodeId) ?? []), position]);
    }
    return byNode;
  }

  /** EARLIEST or LATEST offset of a partition; undefined when it cannot be told now. @throws ClientFault */
  async listOffset(partition: TopicPartition, timestamp: bigint): Promise<bigint | undefined> {
    const leader = await this.client.leaderOf(partition);
    if (leader === undefined) return undefined;
    const answer = await this.client.request(leader.nodeId, listOffsets, {
      replicaId: -1,
      topics: [
        {
          name: partition.topic,
          partitions: [{ partitionIndex: partition.index, currentLeaderEpoch: leader.epoch, timestamp }],
        },
      ],
    });
    const result = answer.topics[0]?.partitions[0];
    if (result === undefined || result.errorCode !== ErrorCode.NONE) {
      this.client.leaderMoved(partition.topic);
      return undefined;
    }
    return result.offset;
  }

  async #fetchFrom(nodeId: number, positions: readonly Position[], maxWaitMs: number): Promise<void> {
    const { history } = this.client.environment;
    const version = this.client.versionOf(fetch);
    const session = version >= SESSION_VERSION ? this.#session(nodeId) : undefined;
    const { named, forgotten } = this.#changes(session, positions);
    const operation = history.operation();
    history.add(this.client.name, { kind: 'fetch', operation });
    const sent = new Map(positions.map((position) => [position, position.offset]));
    const byTopic = (partition: TopicPartition) =>
      version >= TOPIC_ID_VERSION ? { topicId: partition.topicId } : { topic: partition.topic };
    const answer = await this.client.request(nodeId, fetch, {
      maxWaitMs,
      minBytes: this.#options.minBytes,
      maxBytes: this.#options.maxBytes,
      sessionId: session?.id ?? 0,
      sessionEpoch: session?.epoch ?? -1,
      topics: named.map(({ partition, offset, leaderEpoch, lastFetchedEpoch }) => ({
        ...byTopic(partition),
        partitions: [
          {
            partition: partition.index,
            currentLeaderEpoch: leaderEpoch,
            fetchOffset: offset,
            ...(version >= 12 ? { lastFetchedEpoch } : {}),
            partitionMaxBytes: this.#options.partitionMaxBytes,
          },
        ],
      })),
      forgottenTopicsData: forgotten.map((partition) => ({ ...byTopic(partition), partitions: [partition.index] })),
    });
    if (answer.errorCode !== ErrorCode.NONE) {
      this.#sessions.delete(nodeId);
      const sessionLost: number[] = [ErrorCode.FETCH_SESSION_ID_NOT_FOUND, ErrorCode.INVALID_FETCH_SESSION_EPOCH];
      if (!sessionLost.includes(answer.errorCode))
        this.client.anomaly(`fetch failed with error code ${answer.errorCode}`);
      return;
    }
    if (session !== undefined) {
      session.id = answer.sessionId;
      session.epoch = answer.sessionId === 0 ? 0 : session.epoch + 1;
      if (answer.sessionId === 0) session.known.clear();
    }
    for (const { topic, topicId, partitions } of answer.responses) {
      for (const partition of partitions) {
        const position = positions.find(
          ({ partition: wanted }) =>
            wanted.index === partition.partitionIndex &&
            (version >= TOPIC_ID_VERSION ? wanted.topicId === topicId : wanted.topic === topic),
        );
        if (position === undefined) this.client.anomaly('fetch answer with a partition not asked for');
        else if (sent.get(position) === position.offset) this.#take(operation, position, partition);
      }
    }
    const idle = answer.responses.every(({ partitions }) => partitions.every(({ records }) => !records?.length));
    if (idle && this.#options.maxWaitMs === 0) await this.client.environment.scheduler.sleep(IDLE_MS);
  }

  #session(nodeId: number): Session {
    let session = this.#sessions.get(nodeId);
    if (session === undefined) {
      session = { id: 0, epoch: 0, known: new Map() };
      this.#sessions.set(nodeId, session);
    }
    return session;
  }

  /** What the session does not know yet, and what it need not know any more. */
  #changes(session: Session | undefined, positions: readonly Position[]) {
    if (session === undefined) return { named: positions, forgotten: [] };
    const named = positions.filter(({ partition, offset, leaderEpoch, lastFetchedEpoch }) => {
      const now = `${offset}/${leaderEpoch}/${lastFetchedEpoch}`;
      const key = partitionId(partition);
      const changed = session.known.get(key) !== now;
      session.known.set(key, now);
      return changed;
    });
    const wanted = new Set(positions.map(({ partition }) => partitionId(partition)));
    const forgotten: TopicPartition[] = [];
    for (const key of [...session.known.keys()]) {
      if (wanted.has(key)) continue;
      session.known.delete(key);
      const [topicId = '', index] = key.split('/');
      const topic = [...this.client.knownTopicIds].find(([, id]) => id === topicId)?.[0] ?? '';
      forgotten.push({ topic, topicId, index: Number(index) });
    }
    return { named, forgotten };
  }

  #take(operation: number, position: Position, answer: PartitionAnswer): void {
    const { client } = this;
    const { errorCode } = answer;
    if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) {
      // As auto.offset.reset=earliest has it. What lies behind the end is judged by the checkers.
      client.environment.history.add(client.name, {
        kind: 'poll',
        operation,
        partition: partitionId(position.partition),
        span: position.span,
        position: position.offset,
        records: [],
        highWatermark: answer.highWatermark,
        logStartOffset: answer.logStartOffset,
      });
      if (answer.highWatermark >= 0n && position.offset > answer.highWatermark) {
        client.anomaly(`position ${position.offset} is out of range, the log ends at ${answer.highWatermark}`);
      }
      position.offset = EARLIEST;
      position.lastFetchedEpoch = -1;
      position.span = client.environment.history.operation();
      return;
    }
    if (errorCode !== ErrorCode.NONE) {
      if (MOVED.has(errorCode)) client.leaderMoved(position.partition.topic);
      else if (!RETRIABLE.has(errorCode)) client.anomaly(`fetch of a partition failed with error code ${errorCode}`);
      return;
    }
    if (answer.divergingEpoch.epoch >= 0) {
      client.anomaly(
        `position ${position.offset} of epoch ${position.lastFetchedEpoch} diverges from epoch ` +
          `${answer.divergingEpoch.epoch}, which ends at ${answer.divergingEpoch.endOffset}`,
      );
    }
    this.#takeRecords(operation, position, answer);
  }

  #takeRecords(operation: number, position: Position, answer: PartitionAnswer): void {
    const { client } = this;
    const before = position.offset;
    const records: LogRecordSeen[] = [];
    // Who has been served goes to the end, so that small answers do not starve the partitions behind it.
    const key = partitionId(position.partition);
    if (this.#positions.get(key) === position && (answer.records?.length ?? 0) > 0) {
      this.#positions.delete(key);
      this.#positions.set(key, position);
    }
    for (const batch of splitBatches(answer.records ?? Buffer.alloc(0), { allowPartialTail: true })) {
      const header = readBatchHeader(batch);
      if (!batchCrcValid(batch)) client.anomaly(`batch at ${header.baseOffset} has a wrong CRC`);
      const checked = this.client.versionOf(fetch) >= LEADER_EPOCH_VERSION && position.leaderEpoch >= 0;
      if (checked && header.leaderEpoch > position.leaderEpoch) {
        client.anomaly(`batch at ${header.baseOffset} is of epoch ${header.leaderEpoch}, the leader's is lower`);
      }
      for (const { offset, value } of decodeRecords(batch)) {
        if (offset >= before) records.push([offset, (value ?? Buffer.alloc(0)).toString().replace(/\.+$/, '')]);
      }
      const nextOffset = lastOffsetOf(header) + 1n;
      if (nextOffset > position.offset) position.offset = nextOffset;
      position.lastFetchedEpoch = header.leaderEpoch;
    }
    client.environment.history.add(client.name, {
      kind: 'poll',
      operation,
      partition: partitionId(position.partition),
      span: position.span,
      position: before,
      records,
      highWatermark: answer.highWatermark,
      logStartOffset: answer.logStartOffset,
    });
  }
}
