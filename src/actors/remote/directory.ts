// Actors by address, wherever they live: a ref asks the owner of the actor's shard.

import { ErrorCode } from '../../protocol/errors.ts';
import type { TopicCatalog } from '../admin/catalog.ts';
import { CONSUMER_OFFSETS } from '../admin/internal-topics.ts';
import { CoordinatorFault } from '../group/faults.ts';
import { groupPartition } from '../group/group-partition.ts';
import type { GroupProtocol, JoinRequest } from '../group/protocol.ts';
import type { AppendReply, PartitionProtocol } from '../partition/protocol.ts';
import type { Directory } from '../router/services.ts';
import type { ActorRef, Kind } from '../runtime/define.ts';
import type { PartitionKey } from '../shard/ports.ts';
import { parsePartitionKey } from '../shard/shards.ts';
import type { View } from '../shard/view.ts';
import type { RemoteService } from './mailbox.ts';
import type { Owners } from './owners.ts';

/** How long another node may take over an ordinary message, ms. */
const TIMEOUT_MS = 30_000;
/** A wait for the log to grow lasts at most one slice of Fetch's, and a bit. */
const AWAIT_TIMEOUT_MS = 15_000;

export interface DirectoryEnvironment {
  readonly view: View;
  readonly catalog: TopicCatalog;
  readonly owners: Owners;
  /** The actors of this node. */
  readonly partitions: { ref(key: string): ActorRef<PartitionProtocol> };
  readonly groups: { ref(key: string): ActorRef<GroupProtocol> };
}

export function createDirectory({ view, catalog, owners, partitions, groups }: DirectoryEnvironment): Directory {
  function ownedRef<P>(service: RemoteService, shard: number, local: ActorRef<P>): ActorRef<P> {
    return {
      kind: local.kind,
      key: local.key,
      ask: (kind, message, trace) =>
        owners.send(
          shard,
          () => local.ask(kind, message, trace),
          { service, key: local.key, kind, message, timeoutMs: timeoutOf(kind, message), trace },
          isOutOfOrder,
        ),
    };
  }

  return {
    partition(key: PartitionKey) {
      const { topicId, index } = parsePartitionKey(key);
      return ownedRef('partition', view.shardOf(topicId, index), partitions.ref(key));
    },
    group(groupId: string) {
      const topic = catalog.byName(CONSUMER_OFFSETS);
      if (topic === undefined) return unknownGroup(groupId);
      const shard = view.shardOf(topic.id, groupPartition(groupId, topic.partitionCount));
      return ownedRef('group', shard, groups.ref(groupId));
    },
  };
}

/** Joins and syncs park as long as the slowest member may take. */
function timeoutOf(kind: string, message: unknown): number {
  if (kind === 'awaitAdvance') return AWAIT_TIMEOUT_MS;
  if (kind === 'join') {
    const { rebalanceTimeoutMs, sessionTimeoutMs } = message as JoinRequest;
    return Math.max(rebalanceTimeoutMs, sessionTimeoutMs) * 2 + TIMEOUT_MS;
  }
  return kind === 'sync' ? 10 * 60_000 : TIMEOUT_MS;
}

/** Of a batch whose producer's batch before it has not come: so far it has had no effect. */
function isOutOfOrder(reply: unknown): boolean {
  return (reply as Partial<AppendReply> | null)?.errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER;
}

function unknownGroup(groupId: string): ActorRef<GroupProtocol> {
  return {
    kind: 'group',
    key: groupId,
    ask: <K extends Kind<GroupProtocol>>(kind: K) =>
      Promise.reject(
        new CoordinatorFault('not-coordinator', `no group has ever been here, so no ${kind} of ${groupId}`),
      ),
  };
}
