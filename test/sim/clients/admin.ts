// A simulated administrator: creates and deletes topics, deletes records.

import { createTopics } from '../../../src/protocol/apis/create-topics.ts';
import { deleteRecords } from '../../../src/protocol/apis/delete-records.ts';
import { deleteTopics } from '../../../src/protocol/apis/delete-topics.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { type ClusterClient, partitionId, retrying, type TopicPartition } from './cluster-client.ts';
import { ClientFault } from './kafka-connection.ts';

const RETRIABLE = new Set<number>([
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.NOT_CONTROLLER,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
]);

export interface TopicSpec {
  readonly name: string;
  readonly partitionCount: number;
  readonly configs?: Readonly<Record<string, string>>;
}

export class SimAdmin {
  readonly client: ClusterClient;

  constructor(client: ClusterClient) {
    this.client = client;
  }

  /** Creates a topic; taken as done when it is there. @returns its partitions; undefined when time is over */
  async createTopic(spec: TopicSpec, timeoutMs: number): Promise<TopicPartition[] | undefined> {
    const { name, partitionCount, configs = {} } = spec;
    const { scheduler } = this.client.environment;
    const topicId = await retrying(this.client, scheduler.nowMs + timeoutMs, async () => {
      const answer = await this.client.request(this.client.anyNode(), createTopics, {
        topics: [
          {
            name,
            numPartitions: partitionCount,
            replicationFactor: 1,
            assignments: [],
            configs: Object.entries(configs).map(([config, value]) => ({ name: config, value })),
          },
        ],
        timeoutMs: 5_000,
      });
      const [result] = answer.topics;
      const errorCode = result?.errorCode ?? -1;
      if (errorCode !== ErrorCode.NONE && errorCode !== ErrorCode.TOPIC_ALREADY_EXISTS) {
        if (!RETRIABLE.has(errorCode)) {
          this.client.anomaly(`topic ${name} not created: ${errorCode} ${result?.errorMessage ?? ''}`);
        }
        return undefined;
      }
      // One that an earlier attempt made, perhaps.
      return (await this.client.refresh(name))?.topicId;
    });
    if (topicId === undefined) return undefined;
    return Array.from({ length: partitionCount }, (_, index) => ({ topic: name, topicId, index }));
  }

  /** Deletes a topic by its id; taken as done when it is not there any more. */
  async deleteTopic(topicId: string, timeoutMs: number): Promise<boolean> {
    const { scheduler, history } = this.client.environment;
    history.add(this.client.name, { kind: 'topicGone', topicId });
    const done = await retrying(this.client, scheduler.nowMs + timeoutMs, async () => {
      const answer = await this.client.request(this.client.anyNode(), deleteTopics, {
        topics: [{ name: null, topicId }],
        timeoutMs: 5_000,
      });
      const errorCode = answer.responses[0]?.errorCode ?? -1;
      if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.UNKNOWN_TOPIC_ID) return true;
      if (!RETRIABLE.has(errorCode)) this.client.anomaly(`topic ${topicId} not deleted: ${errorCode}`);
      return undefined;
    });
    return done === true;
  }

  /** Asks once for the records below an offset to be deleted. */
  async deleteRecords(partition: TopicPartition, beforeOffset: bigint): Promise<void> {
    const { history } = this.client.environment;
    const operation = history.operation();
    history.add(this.client.name, {
      kind: 'deleteRecords',
      operation,
      partition: partitionId(partition),
      beforeOffset,
    });
    const end = (outcome: 'ok' | 'unknown', logStartOffset: bigint) =>
      history.add(this.client.name, { kind: 'recordsDeleted', operation, outcome, logStartOffset });
    try {
      const leader = await this.client.leaderOf(partition);
      if (leader === undefined) return end('unknown', -1n);
      const answer = await this.client.request(leader.nodeId, deleteRecords, {
        topics: [{ name: partition.topic, partitions: [{ partitionIndex: partition.index, offset: beforeOffset }] }],
        timeoutMs: 5_000,
      });
      const result = answer.topics[0]?.partitions[0];
      if (result?.errorCode === ErrorCode.NONE) return end('ok', result.lowWatermark);
      const errorCode = result?.errorCode ?? -1;
      if (!RETRIABLE.has(errorCode)) this.client.anomaly(`records not deleted: error code ${errorCode}`);
      this.client.leaderMoved(partition.topic);
      end('unknown', -1n);
    } catch (fault) {
      if (!(fault instanceof ClientFault)) throw fault;
      end('unknown', -1n);
    }
  }
}
