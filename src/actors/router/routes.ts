// Every API that is served, and by what. ApiVersions and docs/protocol.md are derived from this list.

import { alterConfigs } from '../../protocol/apis/alter-configs.ts';
import { apiVersions } from '../../protocol/apis/api-versions.ts';
import { createPartitions } from '../../protocol/apis/create-partitions.ts';
import { createTopics } from '../../protocol/apis/create-topics.ts';
import { deleteGroups } from '../../protocol/apis/delete-groups.ts';
import { deleteRecords } from '../../protocol/apis/delete-records.ts';
import { deleteTopics } from '../../protocol/apis/delete-topics.ts';
import { describeCluster } from '../../protocol/apis/describe-cluster.ts';
import { describeConfigs } from '../../protocol/apis/describe-configs.ts';
import { describeGroups } from '../../protocol/apis/describe-groups.ts';
import { describeLogDirs } from '../../protocol/apis/describe-log-dirs.ts';
import { describeTopicPartitions } from '../../protocol/apis/describe-topic-partitions.ts';
import { electLeaders } from '../../protocol/apis/elect-leaders.ts';
import { fetch } from '../../protocol/apis/fetch.ts';
import { findCoordinator } from '../../protocol/apis/find-coordinator.ts';
import { heartbeat } from '../../protocol/apis/heartbeat.ts';
import { incrementalAlterConfigs } from '../../protocol/apis/incremental-alter-configs.ts';
import { initProducerId } from '../../protocol/apis/init-producer-id.ts';
import { joinGroup } from '../../protocol/apis/join-group.ts';
import { leaveGroup } from '../../protocol/apis/leave-group.ts';
import { listGroups } from '../../protocol/apis/list-groups.ts';
import { listOffsets } from '../../protocol/apis/list-offsets.ts';
import { metadata } from '../../protocol/apis/metadata.ts';
import { offsetCommit } from '../../protocol/apis/offset-commit.ts';
import { offsetDelete } from '../../protocol/apis/offset-delete.ts';
import { offsetFetch } from '../../protocol/apis/offset-fetch.ts';
import { offsetForLeaderEpoch } from '../../protocol/apis/offset-for-leader-epoch.ts';
import { produce } from '../../protocol/apis/produce.ts';
import { syncGroup } from '../../protocol/apis/sync-group.ts';
import type { AnyApi, Api, RequestOf, ResponseOf, StructFields } from '../../protocol/schema/define.ts';
import { handleAlterConfigs } from './handlers/alter-configs.ts';
import { handleApiVersions } from './handlers/api-versions.ts';
import { handleCreatePartitions } from './handlers/create-partitions.ts';
import { handleCreateTopics } from './handlers/create-topics.ts';
import { handleDeleteGroups } from './handlers/delete-groups.ts';
import { handleDeleteRecords } from './handlers/delete-records.ts';
import { handleDeleteTopics } from './handlers/delete-topics.ts';
import { handleDescribeCluster } from './handlers/describe-cluster.ts';
import { handleDescribeConfigs } from './handlers/describe-configs.ts';
import { handleDescribeGroups } from './handlers/describe-groups.ts';
import { handleDescribeLogDirs } from './handlers/describe-log-dirs.ts';
import { handleDescribeTopicPartitions } from './handlers/describe-topic-partitions.ts';
import { handleElectLeaders } from './handlers/elect-leaders.ts';
import { handleFetch } from './handlers/fetch.ts';
import { handleFindCoordinator } from './handlers/find-coordinator.ts';
import { handleHeartbeat } from './handlers/heartbeat.ts';
import { handleIncrementalAlterConfigs } from './handlers/incremental-alter-configs.ts';
import { handleInitProducerId } from './handlers/init-producer-id.ts';
import { handleJoinGroup } from './handlers/join-group.ts';
import { handleLeaveGroup } from './handlers/leave-group.ts';
import { handleListGroups } from './handlers/list-groups.ts';
import { handleListOffsets } from './handlers/list-offsets.ts';
import { handleMetadata } from './handlers/metadata.ts';
import { handleOffsetCommit } from './handlers/offset-commit.ts';
import { handleOffsetDelete } from './handlers/offset-delete.ts';
import { handleOffsetFetch } from './handlers/offset-fetch.ts';
import { handleOffsetForLeaderEpoch } from './handlers/offset-for-leader-epoch.ts';
import { handleProduce } from './handlers/produce.ts';
import { handleSyncGroup } from './handlers/sync-group.ts';
import type { RequestHandler } from './services.ts';

export interface Route {
  readonly api: AnyApi;
  readonly pipelined: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: `route` checks that handler and API fit
  readonly handle: RequestHandler<any, any>;
}

/** @param pipelined requests of this API may run side by side on one connection; their effects stay in order. */
function route<Request extends StructFields, Response extends StructFields>(
  api: Api<Request, Response>,
  handle: RequestHandler<RequestOf<Api<Request, Response>>, ResponseOf<Api<Request, Response>>>,
  { pipelined = false } = {},
): Route {
  return { api, handle, pipelined };
}

/** In the order of their keys. */
export const routes: readonly Route[] = [
  route(produce, handleProduce, { pipelined: true }),
  route(fetch, handleFetch),
  route(listOffsets, handleListOffsets),
  route(metadata, handleMetadata),
  route(offsetCommit, handleOffsetCommit, { pipelined: true }),
  route(offsetFetch, handleOffsetFetch),
  route(findCoordinator, handleFindCoordinator),
  route(joinGroup, handleJoinGroup),
  route(heartbeat, handleHeartbeat),
  route(leaveGroup, handleLeaveGroup),
  route(syncGroup, handleSyncGroup),
  route(describeGroups, handleDescribeGroups),
  route(listGroups, handleListGroups),
  route(apiVersions, (request, context) => handleApiVersions(request, context, advertisedApis)),
  route(createTopics, handleCreateTopics),
  route(deleteTopics, handleDeleteTopics),
  route(deleteRecords, handleDeleteRecords),
  route(initProducerId, handleInitProducerId),
  route(offsetForLeaderEpoch, handleOffsetForLeaderEpoch),
  route(describeConfigs, handleDescribeConfigs),
  route(alterConfigs, handleAlterConfigs),
  route(describeLogDirs, handleDescribeLogDirs),
  route(createPartitions, handleCreatePartitions),
  route(deleteGroups, handleDeleteGroups),
  route(electLeaders, handleElectLeaders),
  route(incrementalAlterConfigs, handleIncrementalAlterConfigs),
  route(offsetDelete, handleOffsetDelete),
  route(describeCluster, handleDescribeCluster),
  route(describeTopicPartitions, handleDescribeTopicPartitions),
];

export const routeByKey: ReadonlyMap<number, Route> = new Map(routes.map((entry) => [entry.api.key, entry]));

/** The list that ApiVersions answers. */
export const advertisedApis: readonly { apiKey: number; minVersion: number; maxVersion: number }[] = routes.map(
  ({ api }) => ({ apiKey: api.key, minVersion: api.versions.min, maxVersion: api.versions.max }),
);
