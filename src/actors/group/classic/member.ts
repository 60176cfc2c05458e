// One member of a classic group: who it is, what it offers, what it was assigned, and the asks of it that wait.

import type { ReplyTo } from '../../runtime/define.ts';
import type { JoinReply, OfferedProtocol, SyncReply } from '../protocol.ts';

export const emptyAssignment: Buffer = Buffer.alloc(0);

export interface Member {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly OfferedProtocol[];
  assignment: Buffer;
  /** Joined for the first time in a rebalance that is not over: such a member loses its place if it takes too long. */
  isNew: boolean;
  awaitingJoin: ReplyTo<JoinReply> | undefined;
  awaitingSync: ReplyTo<SyncReply> | undefined;
  /** Monotonic time at which the session is over; infinite while a parked ask shows that the member lives. */
  sessionDeadlineMs: number;
}

/** The member's metadata for a protocol that it offers; undefined when it does not offer it. */
export function metadataFor(member: Member, protocolName: string): Buffer | undefined {
  return member.protocols.find(({ name }) => name === protocolName)?.metadata;
}

/** Whether the offer is the same as before, order included. */
export function offersSame(member: Member, protocols: readonly OfferedProtocol[]): boolean {
  return (
    member.protocols.length === protocols.length &&
    member.protocols.every(({ name, metadata }, i) => {
      const other = protocols[i] as OfferedProtocol;
      return name === other.name && metadata.equals(other.metadata);
    })
  );
}

/** Copies an offer out of the request's frame, which must not stay in memory for it; of a name given twice the first. */
export function keepProtocols(protocols: readonly OfferedProtocol[]): OfferedProtocol[] {
  const kept = new Map<string, OfferedProtocol>();
  for (const { name, metadata } of protocols) {
    if (!kept.has(name)) kept.set(name, { name, metadata: Buffer.from(metadata) });
  }
  return [...kept.values()];
}
