// The SeaweedMQ brokers: finds the one that leads a topic and opens publish streams to it.
//
// ConfigureTopic comes first, always: it makes the topic if it is not there, moves it away from brokers that are gone and
// names the leader. LookupTopicBrokers is not called at all: made too early after a broker's start, it caches for 30 s that
// there is no leader (docs/decisions/0004-seaweedmq.md).

import type { ChannelCredentials, ClientDuplexStream } from '@grpc/grpc-js';
import { StorageFault } from '../../actors/shard/ports.ts';
import { GrpcChannel } from './grpc-channel.ts';
import type { SeaweedLimits } from './limits.ts';
import { type MqPartition, type MqTopic, type PublishMessageResponse, seaweedMethods } from './protos.ts';

/** The one partition of a topic, and the broker that leads it. */
export interface TopicLeader {
  readonly partition: MqPartition;
  /** `host:port` */
  readonly address: string;
}

export class Brokers {
  readonly #seeds: readonly string[];
  readonly #credentials: ChannelCredentials;
  readonly #limits: SeaweedLimits;
  readonly #channels = new Map<string, GrpcChannel>();
  #current = 0;

  constructor(seeds: readonly string[], credentials: ChannelCredentials, limits: SeaweedLimits) {
    this.#seeds = seeds;
    this.#credentials = credentials;
    this.#limits = limits;
  }

  /**
   * Makes the topic, with one partition, if it is not there. Any broker passes the call on to the one that balances.
   * @throws StorageFault `unavailable` when no broker answers or none can lead
   */
  async configure(topic: MqTopic): Promise<TopicLeader> {
    for (let failed = 0; ; ) {
      const at = this.#current;
      try {
        return await this.#configureBy(this.#seeds[at]!, topic);
      } catch (error) {
        if (!(error instanceof StorageFault) || ++failed >= this.#seeds.length) throw error;
        if (at === this.#current) this.#current = (at + 1) % this.#seeds.length;
      }
    }
  }

  async #configureBy(seed: string, topic: MqTopic): Promise<TopicLeader> {
    const { broker_partition_assignments: assignments } = await this.#channel(seed).unary(
      seaweedMethods().broker.ConfigureTopic,
      { topic, partition_count: 1 },
      this.#limits.callTimeoutMs,
    );
    const [assignment] = assignments;
    if (assignment?.partition == null || assignment.leader_broker === '')
      throw new StorageFault('unavailable', `SeaweedMQ broker at ${seed} names no leader for ${topic.name}`);
    return { partition: assignment.partition, address: assignment.leader_broker };
  }

  /** A publish stream to a broker, on which nothing was said yet. */
  publishStream(address: string): ClientDuplexStream<Buffer, PublishMessageResponse> {
    return this.#channel(address).frameStream(seaweedMethods().broker.PublishMessage as never);
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
  }

  /** All streams to a broker share one connection. */
  #channel(address: string): GrpcChannel {
    let channel = this.#channels.get(address);
    if (channel === undefined) {
      channel = new GrpcChannel(address, this.#credentials);
      this.#channels.set(address, channel);
    }
    return channel;
  }
}
