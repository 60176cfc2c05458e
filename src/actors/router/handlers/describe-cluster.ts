// DescribeCluster (KIP-700): the nodes of the view by their addresses on the client's listener.

import type { describeCluster } from '../../../protocol/apis/describe-cluster.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED } from '../../admin/authorized-operations.ts';
import { brokersOf } from '../../admin/placement.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof describeCluster>;
type Response = ResponseOf<typeof describeCluster>;

/** EndpointType (KIP-919). */
const endpointType = { broker: 1, controller: 2 } as const;

export function handleDescribeCluster(request: Request, context: RequestContext, { view }: Services): Response {
  if (request.endpointType !== endpointType.broker) {
    const known = request.endpointType === endpointType.controller;
    return {
      throttleTimeMs: 0,
      errorCode: known ? ErrorCode.MISMATCHED_ENDPOINT_TYPE : ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
      errorMessage: known
        ? 'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER'
        : `Unsupported endpoint type ${request.endpointType}`,
      clusterId: '',
      brokers: [],
    };
  }
  const brokers = brokersOf(view, context.listener).map(({ nodeId, ...address }) => ({
    brokerId: nodeId,
    ...address,
    isFenced: false,
  }));
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    endpointType: endpointType.broker,
    clusterId: view.clusterId,
    controllerId: brokers.some(({ brokerId }) => brokerId === view.controllerId) ? view.controllerId : -1,
    brokers,
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : OPERATIONS_NOT_ASKED,
  };
}
