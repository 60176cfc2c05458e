// Fetch: reads committed batches of many partitions within the client's bounds, and waits for more when there is less
// than it wants. Waiting parks on the partitions' writers, which wake it when their high watermark moves.

import type { fetch } from '../../../protocol/apis/fetch.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import { countRecords } from '../../../protocol/records/batch.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import type { FetchPartition, PartitionOutcome } from '../../connection/fetch-sessions.ts';
import type { PartitionKey } from '../../shard/ports.ts';
import { parsePartitionKey } from '../../shard/shards.ts';
import { nodeEndpoints } from '../leaders.ts';
import type { RequestContext, Services } from '../services.ts';
import { type FetchBudget, type PartitionFetch, readPartitions } from './fetch-read.ts';

type Request = RequestOf<typeof fetch>;
type Response = ResponseOf<typeof fetch>;
type TopicResponse = Response['responses'][number];

/** First version that names topics by id. */
const TOPIC_ID_VERSION = 13;
/** First version that tells the addresses of leaders (KIP-951). */
const NODE_ENDPOINTS_VERSION = 16;
/** First version in which the whole response is bounded, and the first batch comes even if it is larger. */
const RESPONSE_BOUND_VERSION = 3;
/** How long one wait may last before it is checked that the client is still there, ms. */
const WAIT_SLICE_MS = 10_000;

let lastWaiter = 0;

export async function handleFetch(request: Request, context: RequestContext, services: Services): Promise<Response> {
  const usesTopicIds = context.apiVersion >= TOPIC_ID_VERSION;
  const session = services.fetchSessions.begin({
    sessionId: request.sessionId,
    sessionEpoch: request.sessionEpoch,
    usesTopicIds,
    partitions: request.topics.flatMap(({ topic, topicId, partitions }) =>
      partitions.map((partition) => ({ topic, topicId, ...partition })),
    ),
    forgotten: request.forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
      partitions.map((partition) => ({ topic, topicId, partition })),
    ),
  });
  if ('errorCode' in session) return { errorCode: session.errorCode, responses: [] };

  const bounded = context.apiVersion >= RESPONSE_BOUND_VERSION;
  const budget: FetchBudget = {
    bytesMax: bounded ? Math.min(request.maxBytes, services.config.fetchMaxBytes) : services.config.fetchMaxBytes,
    firstBatchWhole: bounded,
    readCommitted: request.isolationLevel === 1,
    usesTopicIds,
    apiVersion: context.apiVersion,
    trace: context.trace,
  };
  const fetched = await fetchUntilEnough(session.partitions, request, budget, context, services);

  const responses: TopicResponse[] = [];
  const topics = new Map<string, { response: TopicResponse; partitions: PartitionFetch['response'][] }>();
  for (const { wanted, response, key: partition, bytes, batches } of fetched) {
    if (bytes > 0) countFetched(partition, bytes, batches, services);
    if (!session.tells(outcomeOf(wanted, response))) continue;
    const key = usesTopicIds ? wanted.topicId : wanted.topic;
    let topic = topics.get(key);
    if (topic === undefined) {
      const partitions: PartitionFetch['response'][] = [];
      topic = { response: { topic: wanted.topic, topicId: wanted.topicId, partitions }, partitions };
      topics.set(key, topic);
      responses.push(topic.response);
    }
    topic.partitions.push(response);
  }
  const moved =
    context.apiVersion >= NODE_ENDPOINTS_VERSION && fetched.some(({ response }) => movedElsewhere(response.errorCode));
  return {
    errorCode: ErrorCode.NONE,
    sessionId: session.sessionId,
    responses,
    nodeEndpoints: moved ? nodeEndpoints(context, services) : [],
  };
}

async function fetchUntilEnough(
  partitions: readonly FetchPartition[],
  request: Request,
  budget: FetchBudget,
  context: RequestContext,
  services: Services,
): Promise<readonly PartitionFetch[]> {
  const deadlineMs = services.clock.monotonicMs() + Math.max(0, request.maxWaitMs);
  // What does not fit into the answer cannot be waited for (KafkaApis.handleFetchRequest).
  const minBytes = Math.min(request.minBytes, budget.bytesMax);
  for (;;) {
    const fetched = await readPartitions(partitions, budget, services);
    const bytes = fetched.reduce((sum, partition) => sum + partition.bytes, 0);
    const leftMs = deadlineMs - services.clock.monotonicMs();
    const settled = fetched.some(({ response }) => response.errorCode !== 0 || response.divergingEpoch !== undefined);
    if (settled || bytes >= minBytes || leftMs <= 0 || partitions.length === 0 || context.isClosing()) {
      return fetched;
    }
    await advance(fetched, Math.min(leftMs, WAIT_SLICE_MS), context, services);
  }
}

/** Resolves when one of the partitions has more than was seen of it, or the time is over. */
async function advance(
  fetched: readonly PartitionFetch[],
  waitMs: number,
  { trace }: RequestContext,
  services: Services,
): Promise<void> {
  const waiter = ++lastWaiter;
  const writers = fetched.map(({ key, highWatermark }) => ({
    writer: services.directory.partition(key),
    highWatermark,
  }));
  let timer: object | undefined;
  await new Promise<void>((resolve) => {
    timer = services.clock.setTimer(waitMs, resolve);
    for (const { writer, highWatermark } of writers) {
      // A writer that stops is a reason to look again, too.
      writer.ask('awaitAdvance', { highWatermark, waiter }, trace).then(
        (advanced) => advanced && resolve(),
        () => resolve(),
      );
    }
  });
  services.clock.clearTimer(timer as object);
  for (const { writer } of writers) {
    writer.ask('cancelAwait', { waiter }).catch((error) => {
      services.logger.log('debug', 'waiter of a stopped partition', { key: writer.key, error });
    });
  }
}

function countFetched(
  key: PartitionKey,
  bytes: number,
  batches: readonly Uint8Array[],
  { catalog, events }: Services,
): void {
  const topic = catalog.byId(parsePartitionKey(key).topicId);
  // Deleted while it was read.
  if (topic === undefined) return;
  let records = 0;
  for (const chunk of batches) records += countRecords(chunk);
  events.fetched(topic.name, records, bytes);
}

function movedElsewhere(errorCode: number): boolean {
  return errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER || errorCode === ErrorCode.FENCED_LEADER_EPOCH;
}

function outcomeOf(wanted: FetchPartition, response: PartitionFetch['response']): PartitionOutcome {
  return {
    wanted,
    errorCode: response.errorCode,
    highWatermark: response.highWatermark,
    logStartOffset: response.logStartOffset ?? -1n,
    hasRecords: response.records !== null && response.records.length > 0,
    diverges: response.divergingEpoch !== undefined,
  };
}
