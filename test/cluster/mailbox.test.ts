// Requests between nodes over a real nats-server: what arrives, in which order, and what a caller learns when it does not.

import { expect } from 'chai';
import fc from 'fast-check';
import type { RemoteRequest } from '../../src/actors/remote/mailbox.ts';
import { ActorFault } from '../../src/actors/runtime/errors.ts';
import { StorageFault } from '../../src/actors/shard/ports.ts';
import { type NatsProcesses, natsServerBinary, startNats } from '../support/nats-process.ts';
import { MailboxWorld, requestOf } from './mailbox-world.ts';

async function faultOf(reply: Promise<unknown>): Promise<Error & { code?: string }> {
  return reply.then(
    (value) => {
      throw new Error(`a reply instead of a fault: ${String(value)}`);
    },
    (error) => error,
  );
}

for (const maxPayload of [8 << 20, 1 << 20, 16 << 10]) {
  describe(`mailbox over NATS with a max_payload of ${maxPayload >> 10} KiB`, () => {
    let nats: NatsProcesses;
    let world: MailboxWorld;

    before(async function () {
      this.timeout(300_000);
      await natsServerBinary();
      nats = await startNats({ maxPayload });
    });
    after(() => nats?.close());
    beforeEach(() => {
      world = new MailboxWorld(nats.addresses);
    });
    afterEach(() => world.close());

    it('brings every kind of plain value there and back', async () => {
      const one = await world.node(1);
      await world.node(2, {}, async ({ message }) => message);
      const value = {
        bigints: [0n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n, 2n ** 70n],
        numbers: [0, 1.5, -7, 2 ** 40, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY],
        strings: ['', 'ä😀\u0000', 'x'.repeat(70_000)],
        booleans: [true, false],
        nothing: null,
        missing: undefined,
        list: [undefined, null, [], {}],
        small: Buffer.from('abc'),
        empty: Buffer.alloc(0),
        large: Buffer.alloc(5_000, 1),
        view: Buffer.alloc(100_000, 2).subarray(1_000, 90_000),
        deep: { er: [{ bytes: Buffer.alloc(4_096, 3) }, { bytes: Buffer.alloc(4_095, 4) }] },
      };
      const reply = (await one.request(2, requestOf(value))) as typeof value;
      expect(reply).to.deep.equal(value);
      expect(Buffer.isBuffer(reply.small) && Buffer.isBuffer(reply.large) && Buffer.isBuffer(reply.view)).to.equal(
        true,
      );
      expect(Object.keys(reply)).to.include('missing');
      expect(await one.request(2, requestOf(undefined))).to.equal(undefined);
      expect(await one.request(2, requestOf(null))).to.equal(null);
      expect(await one.request(2, requestOf(17n))).to.equal(17n);
    });

    it('brings random values there and back, in both lanes', async () => {
      const one = await world.node(1);
      await world.node(2, {}, async ({ message }) => message);
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 100 }),
        fc.nat(40_000).map((length) => new Uint8Array(length).fill(length & 255)),
      );
      const leaf = fc.oneof(
        fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }),
        fc.integer(),
        fc.double({ noNaN: true }).map((number) => (Object.is(number, -0) ? 0 : number)),
        fc.string({ unit: 'grapheme' }),
        fc.boolean(),
        fc.constantFrom(null, undefined),
        bytes.map((array) => Buffer.from(array)),
      );
      const { value } = fc.letrec((tie) => ({
        value: fc.oneof(
          { depthSize: 'small' },
          leaf,
          fc.array(tie('value')),
          fc.dictionary(
            fc.string().filter((name) => name !== '__proto__'),
            tie('value'),
            { noNullPrototype: true },
          ),
        ),
      }));
      await fc.assert(
        fc.asyncProperty(value, fc.constantFrom('group' as const, 'log' as const), async (message, service) => {
          expect(await one.request(2, requestOf(message, { service }))).to.deep.equal(message);
        }),
        { numRuns: 200 },
      );
    });

    it('refuses to send what would not arrive as it is', async () => {
      const one = await world.node(1);
      await world.node(2, {}, async ({ message }) => message);
      const strangers = [new Map(), new Set(), () => 1, Symbol('s'), new Date(), new Uint32Array(2)];
      for (const stranger of [...strangers, JSON.parse('{"__proto__": 1}')]) {
        expect(await faultOf(one.request(2, requestOf({ a: [stranger] })))).to.be.instanceOf(TypeError);
      }
      expect(await one.request(2, requestOf('next'))).to.equal('next');
    });

    it('brings records of many sizes around the payload limit, both ways', async () => {
      const one = await world.node(1);
      await world.node(2, {}, async ({ message }) => message);
      const sizes = [maxPayload - 200, maxPayload, maxPayload + 1, 3 * maxPayload + 17, 32_768, 32_756, 32_700, 65_536];
      const replies = await Promise.all(
        sizes.map((size) =>
          one.request(2, requestOf({ batch: Buffer.alloc(size, size & 255) }, { service: 'partition' })),
        ),
      );
      for (const [index, size] of sizes.entries()) {
        const { batch } = replies[index] as { batch: Buffer };
        expect(batch.equals(Buffer.alloc(size, size & 255)), `${size} bytes`).to.equal(true);
      }
    });

    it('keeps the order of the calls within a service, whatever their size', async () => {
      const one = await world.node(1);
      const seen: Record<string, number[]> = { partition: [], group: [] };
      await world.node(2, {}, async ({ service, message }) => {
        seen[service]!.push((message as { at: number }).at);
      });
      const asks: Promise<unknown>[] = [];
      for (let at = 0; at < 400; at++) {
        for (const service of ['partition', 'group'] as const) {
          const bytes = Buffer.alloc((at * 7919) % (at % 10 === 0 ? 200_000 : 3_000));
          asks.push(one.request(2, requestOf({ at, bytes }, { service })));
        }
        if (at % 50 === 0) await asks[at];
      }
      await Promise.all(asks);
      const all = Array.from({ length: 400 }, (_, at) => at);
      expect(seen).to.deep.equal({ partition: all, group: all });
    });
  });
}

describe('mailbox over NATS', () => {
  let nats: NatsProcesses;
  let world: MailboxWorld;

  before(async function () {
    this.timeout(300_000);
    await natsServerBinary();
    nats = await startNats();
  });
  after(() => nats?.close());
  beforeEach(() => {
    world = new MailboxWorld(nats.addresses);
  });
  afterEach(() => world.close());

  it('hands over service, key, kind, trace and what is left of the time-out', async () => {
    const one = await world.node(1);
    let got: RemoteRequest | undefined;
    await world.node(2, {}, async (request) => {
      got = request;
    });
    const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' };
    await one.request(
      2,
      requestOf({ a: 1 }, { service: 'node', key: '', kind: 'listGroups', timeoutMs: 4_000, trace }),
    );
    expect(got).to.include({ service: 'node', key: '', kind: 'listGroups' });
    expect(got!.message).to.deep.equal({ a: 1 });
    expect(got!.trace).to.deep.equal(trace);
    expect(got!.timeoutMs).to.be.within(3_000, 4_000);
  });

  it('brings faults of the other node as they are', async () => {
    const one = await world.node(1);
    await world.node(2, {}, async ({ kind }) => {
      if (kind === 'storage') throw new StorageFault('fenced', 'not mine');
      if (kind === 'actor') throw new ActorFault('mailbox-full', 'too many');
      throw new TypeError('a defect');
    });
    const storage = await faultOf(one.request(2, requestOf({}, { kind: 'storage' })));
    expect(storage).to.be.instanceOf(StorageFault).and.include({ code: 'fenced', message: 'not mine' });
    const actor = await faultOf(one.request(2, requestOf({}, { kind: 'actor' })));
    expect(actor).to.be.instanceOf(ActorFault).and.include({ code: 'mailbox-full', message: 'too many' });
    const other = await faultOf(one.request(2, requestOf({}, { kind: 'other' })));
    expect(other).to.be.instanceOf(ActorFault).and.include({ code: 'outcome-unknown' });
    expect(world.logger.lines.some(({ event }) => event === 'request of another node failed')).to.equal(true);
  });

  it('says at once that a node is not there', async () => {
    const one = await world.node(1);
    const startMs = performance.now();
    const fault = await faultOf(one.request(9, requestOf({}, { timeoutMs: 30_000 })));
    expect(fault).to.be.instanceOf(ActorFault).and.include({ code: 'actor-stopped' });
    expect(performance.now() - startMs).to.be.lessThan(1_000);
  });

  it('says at once that a node has gone that was there', async () => {
    const one = await world.node(1);
    const two = await world.node(2, {}, async () => 'here');
    expect(await one.request(2, requestOf({}))).to.equal('here');
    await two.close();
    const startMs = performance.now();
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(await faultOf(one.request(2, requestOf({}, { timeoutMs: 30_000 })))).to.include({ code: 'actor-stopped' });
    }
    expect(performance.now() - startMs).to.be.lessThan(1_000);
  });

  it('tells a time-out from that: the outcome is unknown', async () => {
    const one = await world.node(1);
    await world.node(2, {}, () => new Promise(() => {}));
    const fault = await faultOf(one.request(2, requestOf({}, { timeoutMs: 100 })));
    expect(fault).to.be.instanceOf(ActorFault).and.include({ code: 'outcome-unknown' });
  });

  it('finds the process that follows one that has ended, and numbers its requests anew', async () => {
    const one = await world.node(1);
    const two = await world.node(2, {}, async () => 'first');
    for (let at = 0; at < 10; at++) expect(await one.request(2, requestOf({}))).to.equal('first');
    await two.close();
    await world.node(2, {}, async () => 'second');
    for (let at = 0; at < 10; at++) expect(await one.request(2, requestOf({}))).to.equal('second');
  });

  it('tells those who wait for a process that has been replaced that they will not know', async () => {
    const one = await world.node(1);
    let arrived!: () => void;
    const asked = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    await world.node(2, {}, () => {
      arrived();
      return new Promise(() => {});
    });
    const waiting = faultOf(one.request(2, requestOf({}, { timeoutMs: 60_000 })));
    await asked;
    await world.node(2, {}, async () => 'second');
    expect(await waiting).to.include({ code: 'outcome-unknown' });
    expect(await one.request(2, requestOf({}))).to.equal('second');
  });
});
