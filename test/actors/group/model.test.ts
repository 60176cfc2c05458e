// Groups under random members, time, crashes and snapshots. What must hold whatever happens: nobody shares what it was
// assigned with another member of the same generation, commits that were answered are there, a restart finds what there
// was before, and members that behave end up in one stable group.

import { expect } from 'chai';
import fc from 'fast-check';
import type { JoinReply, SyncReply } from '../../../src/actors/group/protocol.ts';
import { StorageFault } from '../../../src/actors/shard/ports.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { type Asked, GroupWorld, settle } from './world.ts';

const sessionTimeoutMs = 10_000;

/** A consumer that does what the protocol asks of it, one step at a time, whenever the model lets it. */
class Client {
  readonly instanceId: string | null;
  memberId = '';
  generationId = -1;
  joining: Asked<JoinReply> | undefined;
  syncing: Asked<SyncReply> | undefined;
  /** Holds an assignment of its generation. */
  assigned = false;

  constructor(index: number) {
    this.instanceId = index % 3 === 2 ? `host${index}` : null;
  }

  reset(): void {
    this.memberId = '';
    this.leaveGeneration();
  }
  leaveGeneration(): void {
    this.generationId = -1;
    this.joining = undefined;
    this.syncing = undefined;
    this.assigned = false;
  }
}

class Model {
  world!: GroupWorld;
  readonly clients = [0, 1, 2, 3].map((index) => new Client(index));
  /** Who was given which share of which generation. */
  readonly owners = new Map<string, string>();
  /** The last offset that a commit was answered for, and the largest that was asked for. */
  committed = -1;
  attempted = 0;
  shares = 0;

  async start(): Promise<void> {
    this.world = await GroupWorld.start({ config: { 'group.initial.rebalance.delay.ms': '1000' } });
  }

  /** The next step of a client. */
  async step(client: Client): Promise<void> {
    const { world } = this;
    this.collect(client);
    if (client.joining !== undefined || client.syncing !== undefined) return;
    if (client.generationId < 0) {
      client.joining = world.join({
        memberId: client.memberId,
        groupInstanceId: client.instanceId,
        memberIdRequired: client.instanceId === null,
        sessionTimeoutMs,
        rebalanceTimeoutMs: 20_000,
      });
    } else if (client.assigned) {
      const errorCode = await world.heartbeat(client.memberId, client.generationId, client.instanceId);
      this.#take(client, errorCode);
    }
    await settle();
    this.collect(client);
  }

  /** Takes in what has been answered. */
  collect(client: Client): void {
    const { joining, syncing } = client;
    if (joining !== undefined && !joining.waits) {
      client.joining = undefined;
      if (joining.error !== undefined) return;
      const reply = joining.value;
      if (reply.errorCode === ErrorCode.MEMBER_ID_REQUIRED) client.memberId = reply.memberId;
      else if (reply.errorCode !== ErrorCode.NONE) this.#take(client, reply.errorCode);
      else {
        client.memberId = reply.memberId;
        client.generationId = reply.generationId;
        const assignments: Record<string, string> = {};
        for (const { memberId } of reply.members) assignments[memberId] = `share ${this.shares++}`;
        client.syncing = this.world.ask('sync', {
          memberId: client.memberId,
          groupInstanceId: client.instanceId,
          generationId: client.generationId,
          protocolType: 'consumer',
          protocolName: 'range',
          assignments: reply.skipAssignment
            ? []
            : Object.entries(assignments).map(([memberId, share]) => ({ memberId, assignment: Buffer.from(share) })),
        });
      }
    }
    if (syncing !== undefined && !syncing.waits) {
      client.syncing = undefined;
      if (syncing.error !== undefined) client.leaveGeneration();
      else if (syncing.value.errorCode !== ErrorCode.NONE) this.#take(client, syncing.value.errorCode);
      else {
        client.assigned = true;
        this.#owns(client, syncing.value.assignment.toString());
      }
    }
  }

  #owns(client: Client, share: string): void {
    expect(share, 'a member without a share').to.not.equal('');
    const key = `generation ${client.generationId}, ${share}`;
    // A static member that restarts owns what its former self did; that one is fenced.
    const owner = client.instanceId ?? client.memberId;
    expect(this.owners.get(key) ?? owner, key).to.equal(owner);
    this.owners.set(key, owner);
    for (const [other, holder] of this.owners) {
      const sameGeneration = other.startsWith(`generation ${client.generationId},`);
      if (sameGeneration && holder === owner) expect(other, `second share of ${owner}`).to.equal(key);
    }
  }

  #take(client: Client, errorCode: number): void {
    switch (errorCode) {
      case ErrorCode.NONE:
        return;
      case ErrorCode.REBALANCE_IN_PROGRESS:
      case ErrorCode.ILLEGAL_GENERATION:
        client.leaveGeneration();
        return;
      case ErrorCode.UNKNOWN_MEMBER_ID:
      case ErrorCode.FENCED_INSTANCE_ID:
        client.reset();
        return;
      default:
        expect.fail(`error code ${errorCode}`);
    }
  }

  async commit(client: Client): Promise<void> {
    if (!client.assigned) return;
    const offset = ++this.attempted;
    const commit = this.world.commit(offset, client);
    await settle();
    if (commit.reply?.errorCode === ErrorCode.NONE && client.instanceId === null) this.committed = offset;
  }

  async crash(): Promise<void> {
    const before = this.world.log().stateOf('g');
    const description = await this.world.now('describe', {});
    this.world = await this.world.restart();
    expect(this.world.log().stateOf('g'), 'a restart writes nothing').to.deep.equal(before);
    const after = await this.world.now('describe', {});
    if (description.state === 'Stable' || description.state === 'Empty') {
      expect({ ...after, members: new Set(after.members) }).to.deep.equal({
        ...description,
        members: new Set(description.members),
      });
    } else expect(['Stable', 'Empty', 'Dead']).to.include(after.state);
    for (const client of this.clients) {
      client.joining = undefined;
      client.syncing = undefined;
      if (!client.assigned) client.generationId = -1;
    }
  }

  async snapshot(): Promise<void> {
    const before = this.world.log().stateOf('g');
    await this.world.coordinator.snapshotPartition(0);
    expect(this.world.log().stateOf('g'), 'a snapshot changes nothing').to.deep.equal(before);
  }

  /** The log refuses whatever is appended during one client's next step. */
  async failingStep(client: Client): Promise<void> {
    this.world.log().fault = new StorageFault('unavailable', 'not now');
    await this.step(client);
    await settle();
    this.world.log().fault = undefined;
    await this.world.clock.advance(20);
    for (const one of this.clients) this.collect(one);
  }

  async checkOffsets(): Promise<void> {
    const offset = (await this.world.offsets())['a-0'] ?? -1;
    expect(offset).to.be.within(this.committed, this.attempted);
  }
}

type Op =
  | { readonly kind: 'step' | 'failingStep' | 'restartClient' | 'leave' | 'commit'; readonly client: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'crash' | 'snapshot' };

const client = fc.nat({ max: 3 });
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('step' as const), client }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('commit' as const), client }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 6_000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('failingStep' as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restartClient' as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('crash' as const, 'snapshot' as const) }) },
);

async function apply(model: Model, { kind, ...op }: Op): Promise<void> {
  const one = 'client' in op ? (model.clients[op.client] as Client) : undefined;
  switch (kind) {
    case 'step':
      return model.step(one as Client);
    case 'failingStep':
      return model.failingStep(one as Client);
    case 'commit':
      return model.commit(one as Client);
    case 'restartClient':
      (one as Client).reset();
      return;
    case 'leave': {
      const { memberId, instanceId } = one as Client;
      if (memberId === '') return;
      await model.world.now('leave', { members: [{ memberId, groupInstanceId: instanceId, reason: null }] });
      (one as Client).reset();
      return;
    }
    case 'advance':
      await model.world.clock.advance('ms' in op ? op.ms : 0);
      for (const each of model.clients) model.collect(each);
      return;
    case 'crash':
      return model.crash();
    case 'snapshot':
      return model.snapshot();
  }
}

describe('a group under random members, crashes and snapshots', () => {
  it('never gives a share of a generation to two, keeps what was committed, and settles', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(fc.array(op, { minLength: 20, maxLength: 120 }), async (ops) => {
        const model = new Model();
        await model.start();
        for (const each of ops) await apply(model, each);
        await model.checkOffsets();
        // From here on everybody behaves.
        for (let round = 0; round < 200; round++) {
          for (const each of model.clients) await model.step(each);
          await model.world.clock.advance(500);
          for (const each of model.clients) model.collect(each);
        }
        const { state, members } = await model.world.now('describe', {});
        expect(state).to.equal('Stable');
        expect(members.map(({ memberId }) => memberId)).to.have.members(model.clients.map(({ memberId }) => memberId));
        expect(new Set(model.clients.map(({ generationId }) => generationId)).size).to.equal(1);
        expect(model.clients.every(({ assigned }) => assigned)).to.equal(true);
        await model.checkOffsets();
        await model.crash();
        expect(await model.world.state()).to.equal('Stable');
      }),
      { numRuns: 30 },
    );
  });
});
