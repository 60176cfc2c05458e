// What is durable about one group: its last stored generation (members, assignment) and its committed offsets. It is a
// fold over records; each record has one counterpart in `__consumer_offsets` (records.ts). Everything else about a group
// (who is rejoining, who must sync, sessions) is soft and begins anew after a restart, as in Kafka.

/** The zero id: Kafka's way to say that a topic's id is not known. */
export const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA';

export interface StoredMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  /** The member's metadata for the chosen protocol. */
  readonly subscription: Buffer;
  readonly assignment: Buffer;
}

/** A generation of a classic group as stored when its leader has assigned, or when it became empty. */
export interface StoredGeneration {
  /** Empty: none. */
  readonly protocolType: string;
  readonly generationId: number;
  readonly protocolName: string | null;
  readonly leader: string | null;
  /** When the group took its state, ms since 1970; -1n: not known (old schemas). */
  readonly stateTimestampMs: bigint;
  readonly members: readonly StoredMember[];
}

export interface CommittedOffset {
  readonly offset: bigint;
  /** -1: not known. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestampMs: bigint;
  /** -1n: by the broker's retention. */
  readonly expireTimestampMs: bigint;
  /** Zero: not known. */
  readonly topicId: string;
}

export type GroupRecord =
  | {
      readonly kind: 'offsetCommitted';
      readonly topic: string;
      readonly partitionIndex: number;
      readonly offset: CommittedOffset;
    }
  | { readonly kind: 'offsetRemoved'; readonly topic: string; readonly partitionIndex: number }
  | { readonly kind: 'generationStored'; readonly generation: StoredGeneration }
  | { readonly kind: 'groupRemoved' };

export interface GroupState {
  readonly groupId: string;
  /** From the first record on until the group is removed; deleting its offsets alone does not remove it. */
  exists: boolean;
  /** Undefined: never had members, or was removed. */
  generation: StoredGeneration | undefined;
  /** By topic, then partition; no topic without partitions. */
  readonly offsets: Map<string, Map<number, CommittedOffset>>;
}

export function emptyGroupState(groupId: string): GroupState {
  return { groupId, exists: false, generation: undefined, offsets: new Map() };
}

/** The one place where durable state changes. */
export function applyGroupRecord(state: GroupState, record: GroupRecord): void {
  switch (record.kind) {
    case 'offsetCommitted': {
      state.exists = true;
      let partitions = state.offsets.get(record.topic);
      if (partitions === undefined) {
        partitions = new Map();
        state.offsets.set(record.topic, partitions);
      }
      partitions.set(record.partitionIndex, record.offset);
      return;
    }
    case 'offsetRemoved': {
      const partitions = state.offsets.get(record.topic);
      if (partitions?.delete(record.partitionIndex) && partitions.size === 0) state.offsets.delete(record.topic);
      return;
    }
    case 'generationStored':
      state.exists = true;
      state.generation = record.generation;
      return;
    case 'groupRemoved':
      state.exists = false;
      state.generation = undefined;
  }
}

/** The records that give this state when replayed: a group's part of a snapshot. */
export function* recordsOf(state: GroupState): Generator<GroupRecord> {
  if (state.generation !== undefined) yield { kind: 'generationStored', generation: state.generation };
  for (const [topic, partitions] of state.offsets) {
    for (const [partitionIndex, offset] of partitions) yield { kind: 'offsetCommitted', topic, partitionIndex, offset };
  }
}
