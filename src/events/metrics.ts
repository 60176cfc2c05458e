// The table of metrics, in sections: /metrics and docs/metrics.md are made from it. Names follow Prometheus: a prefix, base
// units (seconds, bytes), `_total` for counters.

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram, ascending, without +Inf. */
  readonly buckets?: readonly number[];
}

const latencyBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;

function counter(help: string, ...labels: readonly string[]): MetricDefinition {
  return { type: 'counter', help, labels };
}

function gauge(help: string, ...labels: readonly string[]): MetricDefinition {
  return { type: 'gauge', help, labels };
}

function latency(help: string, ...labels: readonly string[]): MetricDefinition {
  return { type: 'histogram', help, labels, buckets: latencyBuckets };
}

const requestMetrics = {
  sargasso_request_duration_seconds: latency(
    'Time from a request to its response, waits of long polls and rebalances included; its count is the number of requests.',
    'api',
    'version',
  ),
  sargasso_request_errors_total: counter(
    'Error codes in responses, each occurrence (a response holds one for each topic, partition or group).',
    'api',
    'error',
  ),
  sargasso_request_bytes_total: counter('Bytes of request frames.', 'api'),
  sargasso_response_bytes_total: counter('Bytes of response frames.', 'api'),
  sargasso_requests_in_progress: gauge('Requests that wait or run.'),
  sargasso_request_memory_bytes: gauge('Bytes of requests that wait or run; bounded by queued.max.request.bytes.'),
  sargasso_connections: gauge('Open client connections.', 'listener'),
  sargasso_connections_opened_total: counter('Client connections taken.', 'listener'),
  sargasso_connections_closed_total: counter('Client connections ended.', 'reason'),
} as const;

const topicMetrics = {
  sargasso_topic_produced_records_total: counter('Records that have become durable.', 'topic'),
  sargasso_topic_produced_bytes_total: counter('Bytes of record batches that have become durable, as stored.', 'topic'),
  sargasso_topic_fetched_records_total: counter('Records in Fetch responses.', 'topic'),
  sargasso_topic_fetched_bytes_total: counter('Bytes of record batches in Fetch responses.', 'topic'),
  sargasso_topics: gauge('Topics of the cluster, internal ones included.'),
  sargasso_partitions: gauge('Partitions of the cluster, those of internal topics included.'),
  sargasso_tail_cache_bytes: gauge('Bytes of record batches in the tail cache; bounded by tail.cache.bytes.'),
  sargasso_tail_cache_hits_total: counter('Reads that the tail cache answered.'),
  sargasso_tail_cache_misses_total: counter('Reads that went to the store.'),
} as const;

const groupMetrics = {
  sargasso_groups: gauge('Consumer groups that this node coordinates.', 'state'),
  sargasso_group_members: gauge('Members of the groups that this node coordinates.', 'state'),
  sargasso_group_partitions: gauge('Partitions of __consumer_offsets that this node coordinates.', 'state'),
  sargasso_consumer_committed_offset: gauge('Offset that a group has committed.', 'group', 'topic', 'partition'),
  sargasso_consumer_lag_records: gauge(
    'High watermark less the committed offset, of the groups that this node coordinates.',
    'group',
    'topic',
    'partition',
  ),
  sargasso_consumer_lag_omitted: gauge(
    'Committed partitions whose offsets and lag are not shown: beyond metrics.consumer.lag.partitions.max, or their owner does not answer.',
  ),
} as const;

const shardMetrics = {
  sargasso_view_epoch: gauge('Epoch of the view of the cluster that this node follows.'),
  sargasso_view_members: gauge('Nodes in that view.'),
  sargasso_shards: gauge('Shards that the view gives to this node (owned), and those of them that are open.', 'state'),
  sargasso_shard_epoch: gauge('Epoch of each shard that is open here: the leader epoch of its partitions.', 'shard'),
  sargasso_journal_append_duration_seconds: latency('Time that a group commit took to become durable.'),
  sargasso_journal_appended_bytes_total: counter('Bytes of record batches appended.'),
  sargasso_journal_submissions_total: counter(
    'Turns whose records were appended; over the number of appends it is the size of a group commit.',
  ),
  sargasso_journal_append_errors_total: counter('Group commits that failed.', 'code'),
  sargasso_journal_queue_submissions: gauge('Turns that wait for the next group commit, over all shards.'),
  sargasso_journal_queue_bytes: gauge('Bytes of record batches that wait for the next group commit, over all shards.'),
} as const;

/** Figures that a store gives of itself (ShardStorage.status). */
const storageMetrics = {
  sargasso_storage_total_bytes: gauge('Size of the volume that holds the data; absent where the store cannot know.'),
  sargasso_storage_usable_bytes: gauge('Bytes of it that are free; absent where the store cannot know.'),
  sargasso_journal_stored_bytes: gauge('Bytes that the journal holds for the shards of this node.'),
  sargasso_journal_limit_bytes: gauge('Bytes that it may hold; producers are held back at this limit.'),
  sargasso_seaweedmq_shards_not_open: gauge(
    'Open shards of this node that cannot be read from SeaweedMQ yet, nor moved there.',
  ),
  sargasso_seaweedmq_unmoved_bytes: gauge(
    'Bytes of record batches in the journal that are to be moved to SeaweedMQ, or whose move is not noted yet.',
  ),
  sargasso_seaweedmq_backlog_runs: gauge('Runs of batches that were sent and are not proven to lie in SeaweedMQ.'),
  sargasso_seaweedmq_backlog_bytes: gauge('Bytes of these runs.'),
  sargasso_seaweedmq_backlog_seconds: gauge('Age of the oldest of these runs.'),
  sargasso_seaweedmq_moved_runs_total: counter('Runs proven to lie in SeaweedMQ.'),
  sargasso_seaweedmq_moved_bytes_total: counter('Bytes of these runs.'),
  sargasso_seaweedmq_resent_runs_total: counter('Runs sent again because a stream broke or no proof came.'),
  sargasso_seaweedmq_read_bytes_total: counter('Bytes read back from SeaweedMQ.'),
  sargasso_seaweedmq_fetched_runs_total: counter('Runs that a reader had to wait for.'),
  sargasso_seaweedmq_index_bytes: gauge('Memory of the index of what lies in SeaweedMQ.'),
  sargasso_seaweedmq_cache_bytes: gauge('Memory of runs read back.'),
  sargasso_seaweedmq_deleted_files_total: counter('Files of deleted records removed from the filer.'),
  sargasso_seaweedmq_unreadable_chunks_total: counter('Chunks in the filer that could not be made out.'),
} as const;

const actorMetrics = {
  sargasso_actors: gauge('Actors in memory.', 'kind'),
  sargasso_actor_messages_total: counter('Messages handled.', 'kind', 'message'),
  sargasso_actor_restarts_total: counter('Restarts of actors after a failure.', 'kind'),
  sargasso_actors_given_up_total: counter('Actors given up after several restarts in a row.', 'kind'),
  sargasso_mailbox_messages: gauge('Messages that wait in mailboxes.', 'kind'),
  sargasso_mailbox_deepest_messages: gauge('Messages that wait in the fullest mailbox.', 'kind'),
  sargasso_mailbox_refused_total: counter('Messages refused because the mailbox was full.', 'kind'),
  sargasso_remote_request_duration_seconds: latency('Time that another node took to answer a message.', 'service'),
  sargasso_remote_request_errors_total: counter('Messages to other nodes that failed.', 'service', 'code'),
  sargasso_remote_served_total: counter('Messages of other nodes answered.', 'service'),
} as const;

const processMetrics = {
  sargasso_build_info: gauge('Always 1; the version of the broker and the number of the node.', 'version', 'node'),
  sargasso_event_loop_active_seconds_total: counter(
    'Time that the event loop was busy; its rate is the share of one core that it uses.',
  ),
  sargasso_event_loop_delay_seconds: latency('How late a timer of the event loop was, looked at 20 times a second.'),
  sargasso_spans_exported_total: counter('Spans that the trace collector took.'),
  sargasso_spans_dropped_total: counter('Spans lost: the queue was full or the collector did not take them.'),
} as const;

export const metrics = {
  ...requestMetrics,
  ...topicMetrics,
  ...groupMetrics,
  ...shardMetrics,
  ...storageMetrics,
  ...actorMetrics,
  ...processMetrics,
} as const;

export type MetricName = keyof typeof metrics;

/** The value of some of a store's metrics, none of which has labels. Absent: not known, or not of this store. */
export type StorageFigures = { readonly [Name in keyof typeof storageMetrics]?: number };

/** The same in sections, for the docs. */
export const metricSections: readonly {
  readonly title: string;
  readonly metrics: Readonly<Record<string, MetricDefinition>>;
}[] = [
  { title: 'Requests and connections', metrics: requestMetrics },
  { title: 'Topics', metrics: topicMetrics },
  { title: 'Consumer groups', metrics: groupMetrics },
  { title: 'Shards and the journal', metrics: shardMetrics },
  { title: 'Storage', metrics: storageMetrics },
  { title: 'Actors and other nodes', metrics: actorMetrics },
  { title: 'Process', metrics: processMetrics },
];
