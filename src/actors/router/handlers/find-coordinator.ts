// FindCoordinator: which node coordinates a group. The coordinator's topic is created when it is first needed.

import type { findCoordinator } from '../../../protocol/apis/find-coordinator.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { CONSUMER_OFFSETS } from '../../admin/internal-topics.ts';
import { brokersOf, Placement } from '../../admin/placement.ts';
import { groupPartition } from '../../group/group-partition.ts';
import { groupErrorCode } from '../group-ask.ts';
import type { RequestContext, Services } from '../services.ts';

type Response = ResponseOf<typeof findCoordinator>;

/** First version that asks for several keys (KIP-699). */
const severalKeysSince = 4;

const keyTypeGroup = 0;
const keyTypeTransaction = 1;

interface Found {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export async function handleFindCoordinator(
  { key, keyType, coordinatorKeys }: RequestOf<typeof findCoordinator>,
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const several = context.apiVersion >= severalKeysSince;
  const find = findByType(keyType, context, services);
  if (!several) return { throttleTimeMs: 0, ...(await find(key)), coordinators: [] };
  const coordinators = coordinatorKeys.map(async (one) => ({ key: one, ...(await find(one)) }));
  return { throttleTimeMs: 0, coordinators: await Promise.all(coordinators) };
}

function findByType(
  keyType: number,
  context: RequestContext,
  services: Services,
): (key: string) => Promise<Found> | Found {
  switch (keyType) {
    case keyTypeGroup:
      return (groupId) => findGroup(groupId, context, services);
    case keyTypeTransaction:
      // The one code that every client takes for final at once: on any other that fits, librdkafka asks again until its
      // time is over. librdkafka shows the message, too.
      return () =>
        notFound(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'Transactions are not supported by this broker.');
    default:
      return () => notFound(ErrorCode.INVALID_REQUEST, `Coordinator key type ${keyType} is not supported.`);
  }
}

async function findGroup(groupId: string, context: RequestContext, services: Services): Promise<Found> {
  try {
    const { topic } = await services.topics.ensureInternal(CONSUMER_OFFSETS);
    if (topic === undefined) return notFound(ErrorCode.COORDINATOR_NOT_AVAILABLE, null);
    const { view, shards } = services;
    const index = groupPartition(groupId, topic.partitionCount);
    const { leaderId } = new Placement(view, shards, context.listener).partition(topic, index);
    const broker = brokersOf(view, context.listener).find(({ nodeId }) => nodeId === leaderId);
    if (broker === undefined) return notFound(ErrorCode.COORDINATOR_NOT_AVAILABLE, null);
    const { nodeId, host, port } = broker;
    // What Kafka says of success, in either shape of the response.
    const errorMessage = context.apiVersion >= severalKeysSince ? '' : 'NONE';
    return { errorCode: ErrorCode.NONE, errorMessage, nodeId, host, port };
  } catch (fault) {
    groupErrorCode(services, fault, { groupId, message: 'findCoordinator' });
    return notFound(ErrorCode.COORDINATOR_NOT_AVAILABLE, null);
  }
}

const noNode = { nodeId: -1, host: '', port: -1 };

function notFound(errorCode: number, errorMessage: string | null): Found {
  return { ...noNode, errorCode, errorMessage };
}
