// The receiving end of the mailbox: requests of other nodes for actors and logs that this node owns. One that is meant for
// an owner that this node is not (any more) is refused as such, which has no effect; it is never passed on.

import type { GroupCoordinator, GroupKind } from '../group/coordinator.ts';
import { CoordinatorFault } from '../group/faults.ts';
import type { NodeStatus } from '../overview/node-status.ts';
import { highWatermarksOf, type PartitionGlances } from '../partition/high-watermarks.ts';
import type { PartitionProtocol } from '../partition/protocol.ts';
import type { ReadRange } from '../partition/read-ahead.ts';
import type { LogReader, TimestampQuery } from '../partition/reader.ts';
import type { Kind, MessageOf } from '../runtime/define.ts';
import { ActorFault } from '../runtime/errors.ts';
import type { TraceContext } from '../runtime/ports.ts';
import { type PartitionKey, StorageFault } from '../shard/ports.ts';
import type { Shards } from '../shard/shards.ts';
import type { RemoteHandler } from './mailbox.ts';

export interface ServeEnvironment {
  readonly partitions: PartitionGlances & {
    ask<K extends Kind<PartitionProtocol>>(
      key: string,
      kind: K,
      message: MessageOf<PartitionProtocol, K>,
      trace?: TraceContext,
    ): Promise<unknown>;
  };
  readonly groups: GroupKind;
  readonly coordinator: GroupCoordinator;
  readonly reader: LogReader;
  readonly shards: Shards;
  readonly status: () => Promise<NodeStatus>;
}

export function createRemoteHandler(environment: ServeEnvironment): RemoteHandler {
  const { partitions, groups, coordinator, reader, shards, status } = environment;
  return async ({ service, key, kind, message, trace }) => {
    switch (service) {
      case 'partition':
        if (shards.of(key as PartitionKey) === undefined) throw notOwned(key);
        return partitions.ask(key, kind as never, message as never, trace);
      case 'group':
        return groups.ask(key, kind as never, message as never, trace);
      case 'log':
        return serveLog(reader, key as PartitionKey, kind, message);
      case 'node':
        if (kind === 'listGroups') return coordinator.listGroups();
        if (kind === 'highWatermarks') {
          return highWatermarksOf((message as { readonly keys: PartitionKey[] }).keys, partitions, shards);
        }
        if (kind === 'status') return status();
        throw new ActorFault('outcome-unknown', `this node does not know the request ${kind}`);
      default:
        throw new CoordinatorFault('not-coordinator', `this node has no ${String(service)}`);
    }
  };
}

async function serveLog(reader: LogReader, key: PartitionKey, kind: string, message: unknown): Promise<unknown> {
  if (kind === 'offsetByTimestamp') return reader.offsetByTimestamp(key, message as TimestampQuery);
  const { fromOffset, endOffset, bytesMax, atLeastOne } = message as ReadRange;
  return reader.read(key, fromOffset, endOffset, bytesMax, atLeastOne);
}

function notOwned(key: string): StorageFault {
  return new StorageFault('fenced', `${key} is not owned by this node`);
}
