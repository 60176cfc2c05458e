// The messages that a group's actor understands. The classic protocol's (KIP-62, 345, 394) are named after their APIs;
// those of the consumer protocol (KIP-848) will stand beside them under its own names.
//
// Replies are protocol answers: error codes are Kafka's. Offsets and times of Kafka's int64 fields are bigint.

/** One assignment strategy (or other group protocol) that a member offers, most wanted first. */
export interface OfferedProtocol {
  readonly name: string;
  /** ConsumerProtocolSubscription or whatever the protocol type says; opaque here. */
  readonly metadata: Buffer;
}

export interface JoinRequest {
  /** Empty: a new member. */
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly OfferedProtocol[];
  /** Why the client joins (KIP-800), for the log. */
  readonly reason: string | null;
  /** KIP-394: a new dynamic member is first told its id (JoinGroup from version 4). */
  readonly memberIdRequired: boolean;
  /** KIP-814: a leader may be told not to assign (JoinGroup from version 9). */
  readonly skipAssignmentSupported: boolean;
}

export interface JoinReply {
  readonly errorCode: number;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  /** Everybody's metadata, for the leader; empty for the others. */
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Buffer;
  }[];
}

export interface SyncRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
  /** Null: the client does not say (before version 5). */
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  /** What the leader decided; empty from the others. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
}

export interface SyncReply {
  readonly errorCode: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Buffer;
}

export interface HeartbeatRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
}

export interface LeaveRequest {
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly reason: string | null;
  }[];
}

export interface LeaveReply {
  readonly errorCode: number;
  /** In the order of the request. */
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly errorCode: number;
  }[];
}

export interface DescribedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Empty unless the group is Stable. */
  readonly metadata: Buffer;
  readonly assignment: Buffer;
}

export interface GroupDescription {
  /** False: no such group; the state is then Dead and everything else empty. */
  readonly exists: boolean;
  readonly state: string;
  readonly protocolType: string;
  /** Empty unless the group is Stable. */
  readonly protocolData: string;
  readonly members: readonly DescribedMember[];
}

/** What ListGroups shows of a group. */
export interface GroupSummary {
  readonly groupId: string;
  readonly protocolType: string;
  readonly state: string;
  /** `classic` or (later) `consumer`. */
  readonly type: string;
}

export interface CommittedPartition {
  readonly partitionIndex: number;
  readonly committedOffset: bigint;
  /** -1: not known. */
  readonly committedLeaderEpoch: number;
  readonly committedMetadata: string | null;
  /** -1n or absent: now. Sent by version 1 only. */
  readonly commitTimestamp?: bigint;
}

export interface CommitRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  /** -1: the committer is not a member. */
  readonly generationId: number;
  /** -1n: the broker's retention rules. Sent by versions 2 to 4. */
  readonly retentionTimeMs: bigint;
  readonly apiVersion: number;
  /** Existing partitions only. */
  readonly topics: readonly {
    readonly name: string;
    readonly topicId: string;
    readonly partitions: readonly CommittedPartition[];
  }[];
}

export interface CommitReply {
  /** Holds for every partition of the request that `refused` does not name. */
  readonly errorCode: number;
  readonly refused: readonly {
    readonly topic: string;
    readonly partitionIndex: number;
    readonly errorCode: number;
  }[];
}

export interface OffsetsRequest {
  /** Null: all that the group has. Topic ids (zero: not known) keep a topic's namesake from inheriting offsets. */
  readonly topics:
    | readonly { readonly name: string; readonly topicId: string; readonly partitionIndexes: readonly number[] }[]
    | null;
  /** KIP-447: do not show offsets that a transaction may still change. */
  readonly requireStable: boolean;
  /** Set by members of KIP-848 groups. */
  readonly memberId: string | null;
  readonly memberEpoch: number;
}

export interface FetchedPartition {
  readonly partitionIndex: number;
  /** -1n: none committed. */
  readonly committedOffset: bigint;
  readonly committedLeaderEpoch: number;
  readonly metadata: string;
  readonly errorCode: number;
}

export interface OffsetsReply {
  readonly errorCode: number;
  readonly topics: readonly {
    readonly name: string;
    /** Zero when not known. */
    readonly topicId: string;
    readonly partitions: readonly FetchedPartition[];
  }[];
}

export interface DeleteOffsetsRequest {
  readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[];
}

export interface DeleteOffsetsReply {
  readonly errorCode: number;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: number }[];
  }[];
}

export interface GroupProtocol {
  /** Parks until the group's next generation begins. */
  join(message: JoinRequest): JoinReply;
  /** Parks until the leader has assigned. */
  sync(message: SyncRequest): SyncReply;
  /** @returns an error code */
  heartbeat(message: HeartbeatRequest): number;
  leave(message: LeaveRequest): LeaveReply;
  describe(message: Record<never, never>): GroupDescription;
  /** @returns null when there is no such group */
  summary(message: Record<never, never>): GroupSummary | null;

  commitOffsets(message: CommitRequest): CommitReply;
  fetchOffsets(message: OffsetsRequest): OffsetsReply;
  deleteOffsets(message: DeleteOffsetsRequest): DeleteOffsetsReply;
  /** @returns an error code */
  deleteGroup(message: Record<never, never>): number;

  /** Removes offsets whose retention is over (KIP-211) and the group with the last of them. @returns how many went */
  expireOffsets(message: Record<never, never>): number;
  /** Forgets the offsets of a topic that is gone. @returns how many went */
  topicDeleted(message: { readonly topic: string; readonly topicId: string }): number;
  /**
   * Writes what is live once more, a part at a time, so that older records can go.
   * @returns offsets that remain to be written; -1 when no snapshot has begun since the actor (re)started
   */
  snapshot(message: { readonly begin: boolean }): number;

  /** Own timer: the initial rebalance has waited for members. `attempt` tells a timer that came too late. */
  initialDelayOver(message: { readonly attempt: number; readonly delayMs: number; readonly remainingMs: number }): void;
  /** Own timer: members that have not rejoined lose their place. */
  rebalanceTimedOut(message: { readonly attempt: number }): void;
  /** Own timer: members that have not synced lose their place. */
  syncTimedOut(message: { readonly generationId: number }): void;
  /** Own timer: some member's session may be over. */
  sessionsDue(message: Record<never, never>): void;
}
