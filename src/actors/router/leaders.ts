// Where a partition's leader is, as Produce, Fetch and Metadata tell it (KIP-951).

import type { Topic } from '../admin/catalog.ts';
import { partitionKey } from '../shard/ports.ts';
import type { Member } from '../shard/view.ts';
import type { RequestContext, Services } from './services.ts';

/** The partition's leader and its epoch; -1 where unknown. */
export function currentLeader(
  topic: Topic,
  index: number,
  services: Services,
): { readonly leaderId: number; readonly leaderEpoch: number } {
  return {
    leaderId: services.view.ownerOfPartition(topic.id, index),
    leaderEpoch: services.shards.leaderEpoch(partitionKey(topic.id, index)),
  };
}

/** The address of a member for clients of the listener that the request came in by. */
export function advertisedEndpoint(member: Member, listener: string): { readonly host: string; readonly port: number } {
  return member.endpoints[listener] ?? (Object.values(member.endpoints)[0] as { host: string; port: number });
}

/** Addresses of all members. */
export function nodeEndpoints(
  context: RequestContext,
  services: Services,
): { nodeId: number; host: string; port: number; rack: string | null }[] {
  return services.view.members.map((member) => ({
    nodeId: member.nodeId,
    ...advertisedEndpoint(member, context.listener),
    rack: member.rack,
  }));
}
