// What happens to requests when connections break, servers die and messages come twice: no effect is repeated, none is
// denied that happened, the order stays, and callers hardly notice.

import { connect, type NatsConnection } from '@nats-io/transport-node';
import { expect } from 'chai';
import { type NatsProcesses, natsServerBinary, startNats, startNatsCluster } from '../support/nats-process.ts';
import { startMailboxChild } from './mailbox-child-process.ts';
import { CountedLoad } from './mailbox-load.ts';
import { MailboxWorld, requestOf, until } from './mailbox-world.ts';
import { NatsRelay } from './nats-relay.ts';

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe('mailbox over a nats-server that fails', function () {
  this.timeout(120_000);
  let nats: NatsProcesses;
  let world: MailboxWorld;
  const relays: NatsRelay[] = [];
  const connections: NatsConnection[] = [];

  before(async function () {
    this.timeout(300_000);
    await natsServerBinary();
  });
  beforeEach(async () => {
    nats = await startNats();
    world = new MailboxWorld(nats.addresses);
  });
  afterEach(async () => {
    await world.close();
    await Promise.all(connections.splice(0).map((connection) => connection.close()));
    await Promise.all(relays.splice(0).map((relay) => relay.close()));
    await nats.close();
  });

  async function relayed(): Promise<NatsRelay> {
    const relay = await new NatsRelay(nats.servers[0]!.port).listen();
    relays.push(relay);
    return relay;
  }

  it('keeps its promises over kills of the server, and parked requests survive them', async () => {
    const load = new CountedLoad();
    const one = await world.node(1);
    let wake: (reply: string) => void = () => {};
    let parked = 0;
    const count = load.handler();
    const two = await world.node(2, {}, (request) => {
      if (request.kind !== 'park') return count(request);
      parked++;
      return new Promise((resolve) => {
        wake = resolve;
      });
    });
    const waiting = one.request(2, requestOf({}, { kind: 'park', timeoutMs: 60_000 }));
    load.start(one, 1, 2, 'group', 8, 100);
    load.start(one, 1, 2, 'partition', 4, 60_000);
    await until('requests flow', () => load.outcomes.replied > 200);
    for (let round = 0; round < 4; round++) {
      await nats.servers[0]!.kill();
      await pause(300);
      const before = load.outcomes.replied;
      await nats.servers[0]!.start();
      await until(`requests flow after kill ${round}`, () => load.outcomes.replied > before + 200);
    }
    await load.stop();
    load.check();
    wake('woken');
    expect(await waiting).to.equal('woken');
    expect(parked).to.equal(1);
    expect(load.outcomes.faults['outcome-unknown'], 'unknown outcomes').to.equal(0);
    expect(one.status().connected).to.deep.equal({ control: true, bulk: true });
    expect(two.status().serving).to.equal(0);
  });

  it('keeps its promises and the order over cuts of either end', async () => {
    for (const victim of ['asker', 'asked'] as const) {
      const relay = await relayed();
      const load = new CountedLoad();
      const ids = victim === 'asker' ? ([11, 12] as const) : ([21, 22] as const);
      const via = { servers: [relay.address] };
      const one = await world.node(ids[0], victim === 'asker' ? via : {});
      const two = await world.node(ids[1], victim === 'asked' ? via : {}, load.handler(20));
      load.start(one, 1, ids[1], 'group', 16, 50);
      load.start(one, 1, ids[1], 'partition', 8, 100_000);
      for (let round = 0; round < 12; round++) {
        const before = load.outcomes.replied;
        await until(`requests flow in round ${round}`, () => load.outcomes.replied > before + 100);
        relay.cut([/control/, /bulk/, /./][round % 3]!);
      }
      const before = load.outcomes.replied;
      await until('requests flow in the end', () => load.outcomes.replied > before + 100);
      await load.stop();
      load.check();
      expect(two.status().counts.repeated, 'requests that came again').to.be.greaterThan(0);
      expect(load.outcomes.faults['outcome-unknown'], `unknown outcomes of cuts of the ${victim}`).to.equal(0);
    }
  });

  it('sends again what the other lost in one lane while this one could not hear of it in the other', async () => {
    const [ofAsker, ofAsked] = [await relayed(), await relayed()];
    const one = await world.node(1, { servers: [ofAsker.address] });
    const two = await world.node(2, { servers: [ofAsked.address] }, async () => 'done');
    const request = requestOf({}, { service: 'partition', timeoutMs: 20_000 });
    expect(await one.request(2, request)).to.equal('done');
    // The request gets as far as the connection that is lost.
    ofAsked.stall(/bulk/);
    const waiting = one.request(2, request);
    await pause(100);
    ofAsker.stall(/control/);
    ofAsked.cut(/bulk/);
    await until('the loss is noticed', () => !two.status().connected.bulk);
    ofAsked.pass();
    await until('the lane is there again', () => two.status().connected.bulk);
    // That it was away is said over a connection that is lost, too.
    await pause(100);
    ofAsker.cut(/control/);
    ofAsker.pass();
    const startedMs = performance.now();
    expect(await waiting).to.equal('done');
    expect(performance.now() - startedMs).to.be.below(10_000);
  });

  it('takes a request once that NATS brings twice, or late', async () => {
    const load = new CountedLoad();
    const copier = await connect({ servers: nats.addresses });
    connections.push(copier);
    const recent: (() => void)[] = [];
    let copies = 0;
    copier.subscribe(`${world.prefix}.q.>`, {
      callback: (_error, message) => {
        const { subject, data, reply } = message;
        const bytes = Buffer.from(data);
        const again = (): void => copier.publish(subject, bytes, { reply });
        // What the copy leads to must not be copied without end.
        if (copies++ > 20_000) return;
        if (copies % 2 === 0) again();
        recent.push(again);
        if (recent.length > 20 && copies % 3 === 0) recent[copies % 20]!();
        if (recent.length > 20) recent.shift();
      },
    });
    await copier.flush();
    const one = await world.node(1);
    const two = await world.node(2, {}, load.handler());
    load.start(one, 1, 2, 'group', 8, 100);
    load.start(one, 1, 2, 'partition', 4, 10_000);
    await until('requests flow', () => load.outcomes.replied > 3_000, 60_000);
    await load.stop();
    load.check();
    expect(two.status().counts.repeated).to.be.greaterThan(1_000);
    expect(load.outcomes.faults).to.deep.equal({ 'mailbox-full': 0, 'actor-stopped': 0, 'outcome-unknown': 0 });
  });

  it('does not take a request that comes after its time-out, however long it was held up', async () => {
    const relay = await relayed();
    const taken: unknown[] = [];
    const one = await world.node(1, { pingIntervalMs: 10_000 });
    const two = await world.node(2, { servers: [relay.address], pingIntervalMs: 10_000 }, async ({ message }) => {
      taken.push(message);
    });
    await one.request(2, requestOf('first'));
    relay.stall(/./);
    const late = one.request(2, requestOf('late', { timeoutMs: 300 })).catch((fault) => fault.code);
    const inTime = one.request(2, requestOf('in time', { timeoutMs: 20_000 }));
    await pause(700);
    relay.pass();
    expect(await late).to.equal('outcome-unknown');
    await inTime;
    expect(taken).to.deep.equal(['first', 'in time']);
    expect(two.status().counts.late).to.equal(1);
  });

  it('sends nothing while it is not connected, and says that nothing has happened', async () => {
    const one = await world.node(1);
    let taken = 0;
    await world.node(2, {}, async () => {
      taken++;
    });
    await one.request(2, requestOf({}));
    await nats.servers[0]!.kill();
    await until('the connection is seen to be down', () => !one.status().connected.control);
    const fault = await one.request(2, requestOf({}, { timeoutMs: 60_000 })).catch((error) => error);
    expect(fault).to.include({ code: 'actor-stopped' });
    await nats.servers[0]!.start();
    await until('it is up', () => one.status().connected.control);
    await until(
      'the other is up',
      () => world.logger.lines.filter(({ event }) => event === 'nats connected again').length >= 4,
    );
    await one.request(2, requestOf({}));
    expect(taken).to.equal(2);
  });

  it('leaves a server that is silent for another', async () => {
    const relay = await relayed();
    await world.node(2, {}, async () => 'here');
    // Which of the two addresses a connection takes is chance.
    let one = await world.node(100, { servers: [relay.address, ...nats.addresses], pingIntervalMs: 100 });
    for (let id = 101; !['control', 'bulk'].every((lane) => relay.names.includes(`sargasso-${id - 1}-${lane}`)); id++) {
      expect(id, 'nodes that did not take the relay').to.be.lessThan(200);
      one = await world.node(id, { servers: [relay.address, ...nats.addresses], pingIntervalMs: 100 });
    }
    expect(await one.request(2, requestOf({}))).to.equal('here');
    relay.stall(/./);
    const startMs = performance.now();
    await until('it has left the silent server', () => !one.status().connected.control);
    await until('it is up', () => one.status().connected.control && one.status().connected.bulk);
    expect(await one.request(2, requestOf({}))).to.equal('here');
    expect(await one.request(2, requestOf({}, { service: 'log' }))).to.equal('here');
    expect(performance.now() - startMs).to.be.lessThan(5_000);
  });

  it('has control messages pass while the bulk connection of a node is stuck', async () => {
    const relay = await relayed();
    const one = await world.node(1);
    await world.node(2, { servers: [relay.address], pingIntervalMs: 30_000 }, async ({ message }) => message);
    await one.request(2, requestOf({}));
    await one.request(2, requestOf({}, { service: 'partition' }));
    relay.stall(/bulk/);
    const batch = Buffer.alloc(1 << 20, 1);
    const stuck = Array.from({ length: 24 }, () =>
      one.request(2, requestOf({ batch }, { service: 'partition', timeoutMs: 60_000 })),
    );
    const latencies: number[] = [];
    for (let at = 0; at < 200; at++) {
      const startMs = performance.now();
      await one.request(2, requestOf({ at }));
      latencies.push(performance.now() - startMs);
    }
    latencies.sort((a, b) => a - b);
    expect(latencies[100], 'median latency of control messages, ms').to.be.lessThan(100);
    relay.pass();
    for (const reply of await Promise.all(stuck)) expect((reply as { batch: Buffer }).batch).to.have.length(1 << 20);
  });

  it('has an asker wait for a process that is paused, and go on with it', async () => {
    const child = await startMailboxChild(2, world.prefix, nats.addresses);
    const one = await world.node(1);
    const ask = (kind: string, timeoutMs: number) =>
      one.request(2, requestOf({ batch: Buffer.alloc(10) }, { kind, timeoutMs }));
    await ask('append', 5_000);
    await child.pause();
    const codes = await Promise.all(
      Array.from({ length: 5 }, () => ask('append', 300).then(String, (fault) => fault.code)),
    );
    expect(codes).to.deep.equal(Array(5).fill('outcome-unknown'));
    const patient = ask('append', 30_000);
    await pause(500);
    child.resume();
    expect(await patient).to.include({ baseOffset: 17n });
    // Of those whose time was over none has happened.
    expect(await ask('effects', 5_000)).to.include({ effects: 2 });
    await child.end();
  });

  it('tells those who wait for a process that is killed, when its successor is there', async () => {
    const child = await startMailboxChild(2, world.prefix, nats.addresses);
    const one = await world.node(1);
    await one.request(2, requestOf({}, { kind: 'echo' }));
    await child.pause();
    const waiting = one.request(2, requestOf({}, { kind: 'echo', timeoutMs: 60_000 })).catch((fault) => fault.code);
    await pause(100);
    await child.end();
    // What goes to a dead process before the server has noticed its end is lost.
    let code: unknown;
    do code = await one.request(2, requestOf({}, { timeoutMs: 200 })).catch((fault) => fault.code);
    while (code === 'outcome-unknown');
    expect(code).to.equal('actor-stopped');
    const successor = await startMailboxChild(2, world.prefix, nats.addresses);
    expect(await waiting).to.equal('outcome-unknown');
    expect(await one.request(2, requestOf({ a: 1 }, { kind: 'echo' }))).to.deep.equal({ a: 1 });
    await successor.end();
  });
});

describe('mailbox over three nats-servers', function () {
  this.timeout(180_000);
  let nats: NatsProcesses;
  let world: MailboxWorld;

  before(async function () {
    this.timeout(300_000);
    await natsServerBinary();
    nats = await startNatsCluster();
    world = new MailboxWorld(nats.addresses);
  });
  after(async () => {
    await world?.close();
    await nats?.close();
  });

  it('keeps its promises while each server in turn is killed under load', async () => {
    const load = new CountedLoad();
    const nodes = [];
    for (const [at, server] of nats.servers.entries()) {
      const servers = [server.address, ...nats.addresses.filter((address) => address !== server.address)];
      nodes.push(await world.node(at + 1, { servers, pingIntervalMs: 250 }, load.handler(10)));
    }
    for (const [from, asker] of nodes.entries()) {
      for (let to = 0; to < nodes.length; to++) {
        if (to === from) continue;
        load.start(asker, from * 10 + to, to + 1, 'group', 4, 100);
        load.start(asker, from * 10 + to, to + 1, 'partition', 2, 50_000);
      }
    }
    await until('requests flow', () => load.outcomes.replied > 500);
    for (const server of nats.servers) {
      await server.kill();
      const before = load.outcomes.replied;
      await until(`requests flow without ${server.name}`, () => load.outcomes.replied > before + 2_000, 30_000);
      await server.start();
      await pause(500);
    }
    await load.stop();
    load.check();
    const { replied, faults } = load.outcomes;
    expect(faults['outcome-unknown'], `unknown outcomes beside ${replied} replies`).to.be.lessThan(replied / 100);
  });
});
