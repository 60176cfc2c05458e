// The living side of a classic group: its state, its members and what they offer. Soft: it begins anew from the last
// stored generation after a restart (Kafka: ClassicGroup).
//
//              first member joins                       everyone joined, or the rebalance time-out
//   Empty ─────────────────────────▶ PreparingRebalance ─────────────────────────▶ CompletingRebalance
//     ▲                               ▲  │         ▲  ▲                                │        │
//     └── generation without members ─┼──┘         │  └── a member joins, leaves, ─────┘        │ leader assigned,
//                                     │            │      fails or does not sync               │ generation stored
//                                     │            └───────────────────────────────── Stable ◀─┘
//   Dead: what clients are told of a group that does not exist.

import { invariant } from '../../runtime/errors.ts';
import type { OfferedProtocol } from '../protocol.ts';
import type { GroupState, StoredGeneration } from '../state.ts';
import { type Member, metadataFor } from './member.ts';
import { subscribedTopics } from './subscription.ts';

export type ClassicState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable';

/** The protocol type of consumers; others (Connect, Schema Registry) bring their own. */
export const consumerProtocolType = 'consumer';

const previousStates: { readonly [State in ClassicState]: readonly ClassicState[] } = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Stable', 'CompletingRebalance', 'Empty'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
};

export class ClassicGroup {
  readonly groupId: string;
  state: ClassicState = 'Empty';
  /** Whether the group was Empty before the rebalance that is under way. */
  initialRebalance = false;
  /** ms since 1970; -1n: not known. */
  stateTimestampMs = -1n;
  generationId = 0;
  /** Null until the first member brings one. */
  protocolType: string | null = null;
  protocolName: string | null = null;
  leaderId: string | null = null;
  readonly members = new Map<string, Member>();
  /** Member id by group.instance.id (KIP-345). */
  readonly staticMembers = new Map<string, string>();
  /** KIP-394: ids that were given out and have not joined yet, with the monotonic time at which they lapse. */
  readonly pendingMembers = new Map<string, number>();
  /** Members of the present generation that have not synced yet. */
  readonly pendingSync = new Set<string>();
  /** Topics that the members of a consumer group subscribe to; undefined: cannot be known. */
  subscribedTopics: ReadonlySet<string> | undefined;
  /** Someone has joined during the initial rebalance delay, which is then extended. */
  newMemberAdded = false;
  /** Tells the present join phase's timer from one that fired too late. */
  joinAttempt = 0;
  /** Monotonic time for which the session timer is set; infinite: not set. */
  sessionTimerMs = Number.POSITIVE_INFINITY;
  /** The session timer has fired late, and is set once more before anybody is taken out. */
  sessionsSpared = false;
  /** How many members offer each protocol. */
  readonly #offers = new Map<string, number>();
  awaitingJoinCount = 0;

  constructor(groupId: string) {
    this.groupId = groupId;
  }

  /** The group as its durable state has it: Stable with the stored members, or Empty. */
  static restore({ groupId, generation }: GroupState): ClassicGroup {
    const group = new ClassicGroup(groupId);
    if (generation === undefined) return group;
    group.generationId = generation.generationId;
    group.protocolType = generation.protocolType === '' ? null : generation.protocolType;
    group.protocolName = generation.protocolName;
    group.leaderId = generation.leader;
    group.stateTimestampMs = generation.stateTimestampMs;
    for (const stored of generation.members) {
      group.add({
        memberId: stored.memberId,
        groupInstanceId: stored.groupInstanceId,
        clientId: stored.clientId,
        clientHost: stored.clientHost,
        rebalanceTimeoutMs: stored.rebalanceTimeoutMs,
        sessionTimeoutMs: stored.sessionTimeoutMs,
        // Only the chosen protocol is stored; the rest comes back with the next rebalance.
        protocols: [{ name: generation.protocolName ?? '', metadata: stored.subscription }],
        assignment: stored.assignment,
        isNew: false,
        awaitingJoin: undefined,
        awaitingSync: undefined,
        sessionDeadlineMs: Number.POSITIVE_INFINITY,
      });
    }
    group.state = group.members.size > 0 ? 'Stable' : 'Empty';
    group.subscribedTopics = group.#computeSubscribedTopics();
    return group;
  }

  /** What is stored of the present generation. */
  toStored(): StoredGeneration {
    const protocolName = this.protocolName;
    return {
      protocolType: this.protocolType ?? '',
      generationId: this.generationId,
      protocolName,
      leader: this.leaderId,
      stateTimestampMs: this.stateTimestampMs,
      members: [...this.members.values()].map((member) => {
        const subscription = protocolName === null ? undefined : metadataFor(member, protocolName);
        invariant(subscription, `group ${this.groupId}: member ${member.memberId} lacks the group's protocol`);
        return {
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId,
          clientId: member.clientId,
          clientHost: member.clientHost,
          rebalanceTimeoutMs: member.rebalanceTimeoutMs,
          sessionTimeoutMs: member.sessionTimeoutMs,
          subscription,
          assignment: member.assignment,
        };
      }),
    };
  }

  transitionTo(state: ClassicState, nowMs: number): void {
    invariant(previousStates[state].includes(this.state), `group ${this.groupId}: ${this.state} to ${state}`);
    this.initialRebalance = state === 'PreparingRebalance' && this.state === 'Empty';
    this.state = state;
    this.stateTimestampMs = BigInt(nowMs);
  }

  get canRebalance(): boolean {
    return this.state !== 'PreparingRebalance';
  }

  get usesConsumerProtocol(): boolean {
    return this.protocolType === consumerProtocolType;
  }

  /** Whether everybody that could be waited for has joined. */
  get allJoined(): boolean {
    return this.awaitingJoinCount === this.members.size && this.pendingMembers.size === 0;
  }

  /** The longest of the members' rebalance time-outs, ms. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.members.values()) longest = Math.max(longest, rebalanceTimeoutMs);
    return longest;
  }

  isLeader(memberId: string): boolean {
    return this.leaderId === memberId;
  }

  /** A topic counts as subscribed when some member subscribes to it, or when consumers' subscriptions are unknown. */
  isSubscribedTo(topic: string): boolean {
    return this.subscribedTopics?.has(topic) ?? this.usesConsumerProtocol;
  }

  add(member: Member): void {
    if (member.groupInstanceId !== null) {
      invariant(!this.staticMembers.has(member.groupInstanceId), `${member.groupInstanceId} is a member already`);
      this.staticMembers.set(member.groupInstanceId, member.memberId);
    }
    this.leaderId ??= member.memberId;
    this.members.set(member.memberId, member);
    this.#countOffers(member, 1);
    if (member.awaitingJoin !== undefined) this.awaitingJoinCount++;
    this.pendingMembers.delete(member.memberId);
  }

  /** Takes a member or pending member out. Whoever waits for an answer must have got it before. */
  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member !== undefined) {
      this.members.delete(memberId);
      this.#countOffers(member, -1);
      if (member.awaitingJoin !== undefined) this.awaitingJoinCount--;
      if (member.groupInstanceId !== null) this.staticMembers.delete(member.groupInstanceId);
    }
    if (this.leaderId === memberId) this.leaderId = this.members.keys().next().value ?? null;
    this.pendingMembers.delete(memberId);
    this.pendingSync.delete(memberId);
  }

  /** Puts a restarted static member in the place of its former incarnation. Its asks must have been answered before. */
  replace(old: Member, memberId: string): Member {
    const member: Member = { ...old, memberId, isNew: false, awaitingJoin: undefined, awaitingSync: undefined };
    this.members.delete(old.memberId);
    this.members.set(memberId, member);
    if (this.leaderId === old.memberId) this.leaderId = memberId;
    if (this.pendingSync.delete(old.memberId)) this.pendingSync.add(memberId);
    if (member.groupInstanceId !== null) this.staticMembers.set(member.groupInstanceId, memberId);
    return member;
  }

  setProtocols(member: Member, protocols: readonly OfferedProtocol[]): void {
    this.#countOffers(member, -1);
    member.protocols = protocols;
    this.#countOffers(member, 1);
  }

  /**
   * The leader must be among those that have joined; takes another if it is not.
   * @returns false when nobody has joined
   */
  electJoinedLeader(): boolean {
    if (this.leaderId === null) return false;
    if (this.members.get(this.leaderId)?.awaitingJoin !== undefined) return true;
    for (const member of this.members.values()) {
      if (member.awaitingJoin === undefined) continue;
      this.leaderId = member.memberId;
      return true;
    }
    return false;
  }

  /** Whether such an offer would leave the group with a protocol that all share. */
  supports(protocolType: string, protocols: readonly OfferedProtocol[]): boolean {
    if (this.state === 'Empty') return protocolType !== '' && protocols.length > 0;
    return (
      this.protocolType === protocolType &&
      protocols.some(({ name }) => (this.#offers.get(name) ?? 0) === this.members.size)
    );
  }

  /** The protocol, offered by all, that most members want first. */
  selectProtocol(): string {
    const votes = new Map<string, number>();
    for (const member of this.members.values()) {
      const vote = member.protocols.find(({ name }) => this.#offers.get(name) === this.members.size);
      invariant(vote, `group ${this.groupId}: no protocol that all members offer`);
      votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1);
    }
    let selected: string | undefined;
    for (const [name, count] of votes) {
      if (selected === undefined || count > (votes.get(selected) as number)) selected = name;
    }
    invariant(selected !== undefined, `group ${this.groupId}: protocol of a group without members`);
    return selected;
  }

  /** Begins the next generation with the members there are. */
  beginGeneration(nowMs: number): void {
    this.generationId = this.generationId === 0x7fffffff ? 1 : this.generationId + 1;
    this.protocolName = this.members.size > 0 ? this.selectProtocol() : null;
    this.subscribedTopics = this.#computeSubscribedTopics();
    this.transitionTo(this.members.size > 0 ? 'CompletingRebalance' : 'Empty', nowMs);
    this.pendingSync.clear();
  }

  #countOffers(member: Member, by: number): void {
    for (const { name } of member.protocols) {
      const count = (this.#offers.get(name) ?? 0) + by;
      if (count === 0) this.#offers.delete(name);
      else this.#offers.set(name, count);
    }
  }

  #computeSubscribedTopics(): ReadonlySet<string> | undefined {
    if (!this.usesConsumerProtocol) return undefined;
    if (this.members.size === 0) return new Set();
    if (this.protocolName === null) return undefined;
    const topics = new Set<string>();
    for (const member of this.members.values()) {
      const metadata = metadataFor(member, this.protocolName);
      if (metadata === undefined || !subscribedTopics(metadata, topics)) return undefined;
    }
    return topics;
  }
}
