// Replica assignments that a client chooses by hand. They are checked as Kafka checks them
// (ReplicationControlManager.validateManualPartitionAssignment) and give the topic its partition count and replication
// factor. Which node leads a partition is decided by the view alone, so they do not decide that.

import { ErrorCode } from '../../protocol/errors.ts';
import type { View } from '../shard/view.ts';
import type { TopicOutcome } from './topics.ts';

export interface PartitionAssignment {
  readonly partitionIndex: number;
  readonly brokerIds: readonly number[];
}

/** The shape that assignments give a new topic, or why they are refused. */
export function assignedShape(
  assignments: readonly PartitionAssignment[],
  view: View,
): { readonly partitionCount: number; readonly replicationFactor: number } | TopicOutcome {
  const seen = new Set<number>();
  let replicationFactor: number | undefined;
  for (const { partitionIndex, brokerIds } of assignments) {
    if (seen.has(partitionIndex)) {
      return invalid(`Found multiple manual partition assignments for partition ${partitionIndex}`);
    }
    seen.add(partitionIndex);
    const problem = brokersProblem(brokerIds, view, replicationFactor);
    if (problem !== undefined) return invalid(problem);
    replicationFactor = brokerIds.length;
  }
  for (let index = 0; index < seen.size; index++) {
    if (!seen.has(index)) return invalid('partitions should be a consecutive 0-based integer sequence');
  }
  return { partitionCount: seen.size, replicationFactor: replicationFactor! };
}

/** Why assignments for `additional` partitions more of a topic are refused, if they are. */
export function additionalAssignmentsProblem(
  assignments: readonly { readonly brokerIds: readonly number[] }[],
  additional: number,
  replicationFactor: number,
  view: View,
): TopicOutcome | undefined {
  if (assignments.length !== additional) {
    return invalid(
      `Attempted to add ${additional} additional partition(s), but only ${assignments.length} assignment(s) were specified.`,
    );
  }
  for (const { brokerIds } of assignments) {
    const problem = brokersProblem(brokerIds, view, replicationFactor);
    if (problem !== undefined) return invalid(problem);
  }
  return undefined;
}

function brokersProblem(
  brokerIds: readonly number[],
  view: View,
  replicationFactor: number | undefined,
): string | undefined {
  const subject = 'The manual partition assignment includes';
  if (brokerIds.length === 0) return `${subject} an empty replica list.`;
  const sorted = [...brokerIds].sort((left, right) => left - right);
  for (const [index, brokerId] of sorted.entries()) {
    if (view.member(brokerId) === undefined) return `${subject} broker ${brokerId}, but no such broker is registered.`;
    if (brokerId === sorted[index - 1]) return `${subject} the broker ${brokerId} more than once.`;
  }
  if (replicationFactor !== undefined && sorted.length !== replicationFactor) {
    return (
      `${subject} a partition with ${sorted.length} replica(s), but this is not consistent with previous partitions, ` +
      `which have ${replicationFactor} replica(s).`
    );
  }
  return undefined;
}

function invalid(errorMessage: string): TopicOutcome {
  return { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, errorMessage };
}
