// The value of every metric at a moment: from what the meters have counted, and from a look at the node.

import type { Node } from '../../src/actors/node.ts';
import type { ShardStorage } from '../../src/actors/shard/ports.ts';
import type { MetricName, StorageFigures } from '../../src/events.ts';
import type { EventLoopMonitor } from './event-loop.ts';
import type { Histogram } from './histogram.ts';
import { type ApiMeter, errorName, type Meters, type TopicMeter } from './meters.ts';

export type Labels = Readonly<Record<string, string | number>>;

export interface Sample {
  readonly labels?: Labels;
  readonly value: number | Histogram;
}

export type Samples = { readonly [Name in MetricName]?: readonly Sample[] };

/** What a scrape looks at. */
export interface SampleSources {
  readonly meters: Meters;
  /** Undefined while it starts. */
  readonly node: Node | undefined;
  readonly storage: ShardStorage | undefined;
  readonly build: { readonly version: string; readonly nodeId: number };
  readonly eventLoop: Pick<EventLoopMonitor, 'activeSeconds' | 'latenessSeconds'>;
  readonly spans: { readonly exported: number; readonly dropped: number };
  readonly lagPartitionsMax: number;
}

/** Takes all samples. What cannot be had now is left out. */
export async function takeSamples(sources: SampleSources): Promise<Samples> {
  const { node, storage } = sources;
  return {
    ...countedSamples(sources.meters),
    ...(node && nodeSamples(node)),
    ...(node && (await lagSamples(node, sources.lagPartitionsMax))),
    ...(storage && (await storageSamples(storage))),
    ...processSamples(sources),
  };
}

type Counted = Exclude<
  MetricName,
  keyof StorageFigures | keyof ReturnType<typeof nodeSamples> | keyof ReturnType<typeof processSamples> | LagMetric
>;
type LagMetric =
  | 'sargasso_consumer_committed_offset'
  | 'sargasso_consumer_lag_records'
  | 'sargasso_consumer_lag_omitted';

function countedSamples(meters: Meters): { readonly [Name in Counted]: readonly Sample[] } {
  const apis = meters.apis.filter((api) => api !== undefined);
  const topics = [...meters.topics];
  const ofTopics = (field: keyof TopicMeter): Sample[] =>
    topics.map(([topic, meter]) => ({ labels: { topic }, value: meter[field] }));
  return {
    sargasso_request_duration_seconds: apis.flatMap(latenciesOf),
    sargasso_request_errors_total: apis.flatMap(({ name: api, errors }) =>
      [...errors].map(([code, value]) => ({ labels: { api, error: errorName(code) }, value })),
    ),
    sargasso_request_bytes_total: apis.map(({ name: api, requestBytes: value }) => ({ labels: { api }, value })),
    sargasso_response_bytes_total: apis.map(({ name: api, responseBytes: value }) => ({ labels: { api }, value })),
    sargasso_connections_opened_total: byLabel('listener', meters.connectionsOpened),
    sargasso_connections_closed_total: byLabel('reason', meters.connectionsClosed),
    sargasso_topic_produced_records_total: ofTopics('producedRecords'),
    sargasso_topic_produced_bytes_total: ofTopics('producedBytes'),
    sargasso_topic_fetched_records_total: ofTopics('fetchedRecords'),
    sargasso_topic_fetched_bytes_total: ofTopics('fetchedBytes'),
    sargasso_tail_cache_hits_total: one(meters.cacheHits),
    sargasso_tail_cache_misses_total: one(meters.cacheMisses),
    sargasso_journal_append_duration_seconds: [{ value: meters.appendLatency }],
    sargasso_journal_appended_bytes_total: one(meters.appendedBytes),
    sargasso_journal_submissions_total: one(meters.appendedSubmissions),
    sargasso_journal_append_errors_total: byLabel('code', meters.appendErrors),
    sargasso_actor_messages_total: byLabels('kind', 'message', meters.turns),
    sargasso_actor_restarts_total: byLabel('kind', meters.restarts),
    sargasso_actors_given_up_total: byLabel('kind', meters.givenUp),
    sargasso_mailbox_refused_total: byLabel('kind', meters.refused),
    sargasso_remote_request_duration_seconds: byLabel('service', meters.remoteLatencies),
    sargasso_remote_request_errors_total: byLabels('service', 'code', meters.remoteErrors),
    sargasso_remote_served_total: byLabel('service', meters.remoteServes),
  };
}

function nodeSamples(node: Node) {
  const { inspection } = node;
  const { view } = inspection;
  const shards = inspection.shards();
  const groups = inspection.groups();
  const actors = inspection.actors();
  const { topics, partitions } = inspection.topics();
  const states = [...groups.byState];
  return {
    sargasso_requests_in_progress: one(node.connections.requestCount),
    sargasso_request_memory_bytes: one(node.connections.requestBytes),
    sargasso_connections: byLabel('listener', node.connections.countByListener),
    sargasso_topics: one(topics),
    sargasso_partitions: one(partitions),
    sargasso_tail_cache_bytes: one(inspection.cacheBytes),
    sargasso_groups: states.map(([state, counted]) => ({ labels: { state }, value: counted.groups })),
    sargasso_group_members: states.map(([state, counted]) => ({ labels: { state }, value: counted.members })),
    sargasso_group_partitions: [
      { labels: { state: 'loaded' }, value: groups.loadedPartitions },
      { labels: { state: 'loading' }, value: groups.loadingPartitions },
    ],
    sargasso_view_epoch: one(view.epoch),
    sargasso_view_members: one(view.members.length),
    sargasso_shards: [
      { labels: { state: 'owned' }, value: shards.owned },
      { labels: { state: 'open' }, value: shards.open.length },
    ],
    sargasso_shard_epoch: shards.open.map(({ shard, epoch }) => ({ labels: { shard }, value: epoch })),
    sargasso_journal_queue_submissions: one(shards.queuedSubmissions),
    sargasso_journal_queue_bytes: one(shards.queuedBytes),
    sargasso_actors: actors.map(({ kind, actors: value }) => ({ labels: { kind }, value })),
    sargasso_mailbox_messages: actors.map(({ kind, waiting: value }) => ({ labels: { kind }, value })),
    sargasso_mailbox_deepest_messages: actors.map(({ kind, deepest: value }) => ({ labels: { kind }, value })),
  } satisfies Samples;
}

async function lagSamples(
  node: Node,
  partitionsMax: number,
): Promise<{ readonly [Name in LagMetric]: readonly Sample[] }> {
  const { partitions, omitted } = await node.inspection.consumerLag(partitionsMax);
  const committed: Sample[] = [];
  const lag: Sample[] = [];
  for (const { groupId, topic, partition, committedOffset, lagRecords } of partitions) {
    const labels = { group: groupId, topic, partition };
    committed.push({ labels, value: Number(committedOffset) });
    lag.push({ labels, value: Number(lagRecords) });
  }
  return {
    sargasso_consumer_committed_offset: committed,
    sargasso_consumer_lag_records: lag,
    sargasso_consumer_lag_omitted: one(omitted),
  };
}

async function storageSamples(storage: ShardStorage): Promise<Samples> {
  const { totalBytes, usableBytes } = await storage.volume().catch(() => ({ totalBytes: -1, usableBytes: -1 }));
  const figures: StorageFigures = {
    ...(totalBytes >= 0 && { sargasso_storage_total_bytes: totalBytes }),
    ...(usableBytes >= 0 && { sargasso_storage_usable_bytes: usableBytes }),
    ...storage.status?.().figures,
  };
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, one(value)]));
}

function processSamples({ build, eventLoop, spans }: SampleSources) {
  return {
    sargasso_build_info: [{ labels: { version: build.version, node: build.nodeId }, value: 1 }],
    sargasso_event_loop_active_seconds_total: one(eventLoop.activeSeconds),
    sargasso_event_loop_delay_seconds: [{ value: eventLoop.latenessSeconds }],
    sargasso_spans_exported_total: one(spans.exported),
    sargasso_spans_dropped_total: one(spans.dropped),
  } satisfies Samples;
}

function latenciesOf({ name: api, latencies }: ApiMeter): Sample[] {
  return latencies.flatMap((value, version) => (value === undefined ? [] : [{ labels: { api, version }, value }]));
}

function one(value: number): readonly Sample[] {
  return [{ value }];
}

function byLabel(label: string, values: ReadonlyMap<string, number | Histogram>): Sample[] {
  return [...values].map(([name, value]) => ({ labels: { [label]: name }, value }));
}

function byLabels(
  outer: string,
  inner: string,
  values: ReadonlyMap<string, ReadonlyMap<string, number>>,
): readonly Sample[] {
  return [...values].flatMap(([first, counts]) =>
    [...counts].map(([second, value]) => ({ labels: { [outer]: first, [inner]: second }, value })),
  );
}
