// ElectLeaders (KIP-183, KIP-460). The view alone decides who leads a partition, so its leader is always the preferred one
// and there is never anything to elect; a partition between two leaders is told to be without one.

import type { electLeaders } from '../../../protocol/apis/elect-leaders.ts';
import { ErrorCode } from '../../../protocol/errors.ts';
import type { RequestOf, ResponseOf } from '../../../protocol/schema/define.ts';
import { Placement } from '../../admin/placement.ts';
import type { RequestContext, Services } from '../services.ts';

type Request = RequestOf<typeof electLeaders>;
type Response = ResponseOf<typeof electLeaders>;
type PartitionResult = Response['replicaElectionResults'][number]['partitionResult'][number];

const electionType = { preferred: 0, unclean: 1 } as const;

export function handleElectLeaders(request: Request, context: RequestContext, services: Services): Response {
  const { catalog, view, shards } = services;
  const type = request.electionType;
  if (type !== electionType.preferred && type !== electionType.unclean) {
    const refuse = (index: number) => result(index, ErrorCode.INVALID_REQUEST, `Unknown election type ${type}`);
    const replicaElectionResults = (request.topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map(refuse),
    }));
    return { throttleTimeMs: 0, errorCode: ErrorCode.INVALID_REQUEST, replicaElectionResults };
  }
  const placement = new Placement(view, shards, context.listener);
  const elect = (name: string, index: number): PartitionResult => {
    const topic = catalog.byName(name);
    const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (topic === undefined) return result(index, unknown, `No such topic as ${name}`);
    if (index < 0 || index >= topic.partitionCount) {
      return result(index, unknown, `No such partition as ${name}-${index}`);
    }
    if (placement.partition(topic, index).errorCode === ErrorCode.NONE) {
      return result(index, ErrorCode.ELECTION_NOT_NEEDED);
    }
    return result(
      index,
      type === electionType.preferred
        ? ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
        : ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
    );
  };
  // Asked for all partitions, Kafka does not tell of those that have the right leader.
  const replicaElectionResults =
    request.topicPartitions === null
      ? [...catalog.all()].map(({ name, partitionCount }) => ({
          topic: name,
          partitionResult: Array.from({ length: partitionCount }, (_, index) => elect(name, index)).filter(
            ({ errorCode }) => errorCode !== ErrorCode.ELECTION_NOT_NEEDED,
          ),
        }))
      : request.topicPartitions.map(({ topic, partitions }) => ({
          topic,
          partitionResult: partitions.map((index) => elect(topic, index)),
        }));
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, replicaElectionResults };
}

function result(partitionId: number, errorCode: number, errorMessage: string | null = null): PartitionResult {
  return { partitionId, errorCode, errorMessage };
}
