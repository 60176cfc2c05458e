// Who suspects whom when nodes die, pause, or lose the way to each other; on a simulated clock.

import { expect } from 'chai';
import fc from 'fast-check';
import { createFailureDetector, type FailureDetector } from '../../cluster/failure-detector.ts';
import type { Clock } from '../../src/actors/runtime/ports.ts';
import { SimProcess } from '../sim/process.ts';
import { SeededRandom } from '../sim/random.ts';
import { Scheduler } from '../sim/scheduler.ts';

const DETECTION_MS = 3_000;
const propertyTimeoutMs = 120_000;

interface Station {
  readonly nodeId: number;
  readonly detector: FailureDetector;
  readonly told: { readonly atMs: number; readonly what: string }[];
  readonly hear: (heartbeat: Uint8Array) => void;
  /** Things that wait because the process is paused. */
  readonly held: { readonly kind: 'timers' | 'sockets'; readonly run: () => void }[];
  paused: boolean;
  /** Which outage of NATS it is in, if any. */
  cutOff: boolean;
  dead: boolean;
}

/** Nodes that hear each other over a subject with a delay of 1 ms to 20 ms. */
class Air {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly stations = new Map<number, Station>();
  members: number[] = [];

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.scheduler = new Scheduler(this.random);
  }

  start(nodeId: number): Station {
    const inner = new SimProcess(this.scheduler, 0);
    const held: Station['held'] = [];
    // What happens at a paused process happens when it goes on.
    const alive = (kind: 'timers' | 'sockets', run: () => void) => () => {
      if (station.dead) return;
      if (station.paused) held.push({ kind, run });
      else run();
    };
    const clock: Clock = {
      nowMs: () => inner.nowMs(),
      monotonicMs: () => inner.monotonicMs(),
      setTimer: (delayMs, fire) => inner.setTimer(delayMs, alive('timers', fire)),
      clearTimer: (timer) => inner.clearTimer(timer),
    };
    const told: Station['told'] = [];
    const tell = (what: string) => told.push({ atMs: this.scheduler.nowMs, what });
    let onHeartbeat: (heartbeat: Uint8Array) => void = () => {};
    const station: Station = {
      nodeId,
      told,
      held,
      paused: false,
      cutOff: false,
      dead: false,
      hear: (heartbeat) => alive('sockets', () => onHeartbeat(heartbeat))(),
      detector: undefined as unknown as FailureDetector,
    };
    this.stations.set(nodeId, station);
    const detector = createFailureDetector({
      nodeId,
      incarnation: `i${nodeId}`,
      clock,
      logger: { log: () => {} },
      detectionMs: DETECTION_MS,
      channel: {
        publish: (heartbeat) => this.#publish(station, heartbeat),
        subscribe: (hear) => {
          onHeartbeat = hear;
          return () => {};
        },
      },
      members: () => this.members,
      onSuspect: (suspect) => tell(`suspects ${suspect}`),
      onSelfIsolated: () => tell('cut off'),
      onSelfReconnected: () => tell('back'),
    });
    Object.assign(station, { detector });
    return station;
  }

  #publish(from: Station, heartbeat: Uint8Array): void {
    for (const to of this.stations.values()) {
      this.scheduler.after(1 + this.random.float() * 19, () => {
        if (!from.cutOff && !to.cutOff && !to.dead) to.hear(heartbeat);
      });
    }
  }

  pause(station: Station): void {
    station.paused = true;
  }

  /** @param first what an event loop that goes on does first */
  resume(station: Station, first: 'timers' | 'sockets' = 'timers'): void {
    station.paused = false;
    const held = station.held.splice(0);
    for (const { run } of held.filter(({ kind }) => kind === first)) run();
    for (const { run } of held.filter(({ kind }) => kind !== first)) run();
  }

  what(nodeId: number): string[] {
    return this.stations.get(nodeId)!.told.map(({ what }) => what);
  }
}

async function threeNodes(seed = 1): Promise<Air> {
  const air = new Air(seed);
  air.members = [1, 2, 3];
  for (const nodeId of air.members) air.start(nodeId);
  await air.scheduler.advance(60_000);
  for (const nodeId of air.members) expect(air.what(nodeId)).to.deep.equal([]);
  return air;
}

describe('the failure detector', () => {
  it('suspects a node that dies, after the detection time and hardly later', async () => {
    const air = await threeNodes();
    const diedMs = air.scheduler.nowMs;
    air.stations.get(3)!.dead = true;
    await air.scheduler.advance(DETECTION_MS * 1.2);
    for (const nodeId of [1, 2]) {
      const [first] = air.stations.get(nodeId)!.told;
      expect(first!.what).to.equal('suspects 3');
      expect(first!.atMs - diedMs).to.be.within(DETECTION_MS - 20, DETECTION_MS * 1.05 + 20);
    }
  });

  it('says so again while the node is a member, and no more once it is none', async () => {
    const air = await threeNodes();
    air.stations.get(3)!.dead = true;
    await air.scheduler.advance(DETECTION_MS * 3.2);
    const told = air.what(1).length;
    expect(told).to.be.within(4, 6);
    air.members = [1, 2];
    await air.scheduler.advance(DETECTION_MS * 3);
    expect(air.what(1)).to.have.length(told);
  });

  it('suspects a member that was never heard, a detection time after it became one', async () => {
    const air = await threeNodes();
    air.members = [1, 2, 3, 4];
    await air.scheduler.advance(DETECTION_MS * 0.9);
    expect(air.what(1)).to.deep.equal([]);
    await air.scheduler.advance(DETECTION_MS * 0.3);
    expect(air.what(1)).to.deep.equal(['suspects 4']);
  });

  it('suspects nobody while NATS is away for all; each is told that it is cut off, and that it is back', async () => {
    const air = await threeNodes();
    for (const station of air.stations.values()) station.cutOff = true;
    await air.scheduler.advance(DETECTION_MS * 10);
    for (const station of air.stations.values()) station.cutOff = false;
    await air.scheduler.advance(DETECTION_MS * 10);
    for (const nodeId of [1, 2, 3]) expect(air.what(nodeId)).to.deep.equal(['cut off', 'back']);
  });

  it('suspects nobody over an outage that is shorter, nor tells anybody of it', async () => {
    const air = await threeNodes();
    for (let round = 0; round < 20; round++) {
      for (const station of air.stations.values()) station.cutOff = true;
      await air.scheduler.advance(DETECTION_MS * 0.6);
      for (const station of air.stations.values()) station.cutOff = false;
      await air.scheduler.advance(DETECTION_MS * 0.3);
    }
    for (const nodeId of [1, 2, 3]) expect(air.what(nodeId)).to.deep.equal([]);
  });

  it('has a node alone cut off told so, within the detection time and a bit, while the others suspect it', async () => {
    const air = await threeNodes();
    const cutMs = air.scheduler.nowMs;
    air.stations.get(2)!.cutOff = true;
    await air.scheduler.advance(DETECTION_MS * 1.2);
    const [first, ...more] = air.stations.get(2)!.told;
    expect(first!.what).to.equal('cut off');
    expect(first!.atMs - cutMs).to.be.within(DETECTION_MS * (29 / 30) - 20, DETECTION_MS * (61 / 60) + 20);
    expect(more).to.deep.equal([]);
    expect(air.what(1)).to.deep.equal(['suspects 2']);
    air.stations.get(2)!.cutOff = false;
    await air.scheduler.advance(DETECTION_MS * 5);
    expect(air.what(2)).to.deep.equal(['cut off', 'back']);
  });

  it('does not let a process that was paused suspect the others, who suspect it', async () => {
    const air = await threeNodes();
    const paused = air.stations.get(2)!;
    air.pause(paused);
    await air.scheduler.advance(DETECTION_MS * 4);
    air.resume(paused);
    await air.scheduler.advance(DETECTION_MS * 4);
    expect(air.what(2)).to.deep.equal(['cut off', 'back']);
    expect(air.what(1)).to.include('suspects 2');
    expect(air.what(1)).to.not.include('suspects 3');
  });

  it('forgives stalls shorter than the detection time, whenever they begin and whatever is done first after them', async function () {
    this.timeout(propertyTimeoutMs);
    const stall = fc.record({
      nodes: fc.subarray([1, 2, 3], { minLength: 1 }),
      forMs: fc.integer({ min: 50, max: DETECTION_MS - 50 }),
      restMs: fc.integer({ min: 150, max: 1_000 }),
      first: fc.constantFrom('timers' as const, 'sockets' as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(stall, { minLength: 1, maxLength: 12 }), async (seed, stalls) => {
        const air = await threeNodes(seed);
        for (const { nodes, forMs, restMs, first } of stalls) {
          const stations = nodes.map((nodeId) => air.stations.get(nodeId)!);
          for (const station of stations) air.pause(station);
          await air.scheduler.advance(forMs);
          for (const station of stations) air.resume(station, first);
          await air.scheduler.advance(restMs);
        }
        await air.scheduler.advance(DETECTION_MS * 2);
        for (const nodeId of [1, 2, 3]) expect(air.what(nodeId)).to.deep.equal([]);
      }),
      { numRuns: 60 },
    );
  });

  it('finds a node dead in time though those who listen for it stall again and again', async () => {
    const air = await threeNodes();
    air.stations.get(3)!.dead = true;
    const diedMs = air.scheduler.nowMs;
    const listener = air.stations.get(1)!;
    while (air.scheduler.nowMs < diedMs + DETECTION_MS * 1.3) {
      air.pause(listener);
      await air.scheduler.advance(DETECTION_MS / 7);
      air.resume(listener);
      await air.scheduler.advance(30);
    }
    expect(air.what(1)).to.deep.equal(['suspects 3']);
    expect(listener.told[0]!.atMs - diedMs).to.be.below(DETECTION_MS * 1.3);
  });

  it('takes a stall longer than the detection time for what it is: the others have taken over meanwhile', async () => {
    for (const first of ['timers', 'sockets'] as const) {
      const air = await threeNodes();
      const stalled = air.stations.get(2)!;
      air.pause(stalled);
      await air.scheduler.advance(DETECTION_MS * 1.15);
      air.resume(stalled, first);
      await air.scheduler.advance(DETECTION_MS);
      expect(air.what(1), first).to.deep.equal(['suspects 2']);
      expect(air.what(2), first).to.deep.equal(['cut off', 'back']);
    }
  });

  it('finds a node dead that dies during a pause of this one, one detection time after it', async () => {
    const air = await threeNodes();
    const paused = air.stations.get(2)!;
    air.pause(paused);
    air.stations.get(3)!.dead = true;
    await air.scheduler.advance(DETECTION_MS * 2);
    air.resume(paused);
    await air.scheduler.advance(DETECTION_MS * 0.9);
    expect(air.what(2)).to.deep.equal(['cut off', 'back']);
    await air.scheduler.advance(DETECTION_MS * 0.4);
    expect(air.what(2)).to.deep.equal(['cut off', 'back', 'suspects 3']);
  });

  it('leaves alone what it cannot read, and other clusters do not count', async () => {
    const air = await threeNodes();
    for (const text of ['', '{', '{"nodeId":"x"}', '{"nodeId":77,"incarnation":"z"}']) {
      for (const station of air.stations.values()) station.hear(Buffer.from(text));
    }
    await air.scheduler.advance(DETECTION_MS * 3);
    for (const nodeId of [1, 2, 3]) expect(air.what(nodeId)).to.deep.equal([]);
  });

  it('in random faults suspects the silent only, and every node that stays dead', async function () {
    this.timeout(propertyTimeoutMs);
    const fault = fc.record({
      node: fc.integer({ min: 1, max: 4 }),
      kind: fc.constantFrom('pause' as const, 'cut' as const, 'all' as const),
      forMs: fc.integer({ min: 100, max: 8_000 }),
      restMs: fc.integer({ min: 100, max: 8_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(fault, { maxLength: 8 }), async (seed, faults) => {
        const air = new Air(seed);
        air.members = [1, 2, 3, 4];
        for (const nodeId of air.members) air.start(nodeId);
        await air.scheduler.advance(DETECTION_MS * 2);
        /** By node: from when to when others could not hear it. */
        const silences: { node: number; fromMs: number; toMs: number }[] = [];
        for (const { node, kind, forMs, restMs } of faults) {
          const stations = kind === 'all' ? [...air.stations.values()] : [air.stations.get(node)!];
          const fromMs = air.scheduler.nowMs;
          for (const station of stations) {
            if (kind === 'pause') air.pause(station);
            else station.cutOff = true;
          }
          await air.scheduler.advance(forMs);
          for (const station of stations) {
            if (kind === 'pause') air.resume(station);
            station.cutOff = false;
            silences.push({ node: station.nodeId, fromMs, toMs: air.scheduler.nowMs });
          }
          await air.scheduler.advance(restMs);
        }
        for (const { nodeId: by, told } of air.stations.values()) {
          for (const { atMs, what } of told) {
            if (!what.startsWith('suspects')) continue;
            const suspect = Number(what.slice(9));
            // Its last heartbeat may be one interval old, its next one too.
            const slackMs = DETECTION_MS / 3;
            const silentMs = silences
              .filter(({ node, fromMs }) => node === suspect && fromMs <= atMs)
              .map(({ fromMs, toMs }) => Math.min(atMs, toMs + slackMs) - fromMs)
              .reduce((longest, ms) => Math.max(longest, ms), 0);
            const together = silences
              .filter(({ node, toMs }) => node === suspect && toMs > atMs - DETECTION_MS * 2)
              .reduce((sum, { fromMs, toMs }) => sum + Math.min(atMs, toMs) - fromMs, 0);
            expect(Math.max(silentMs, together) + slackMs, `${by} ${what} at ${atMs}`).to.be.at.least(DETECTION_MS);
          }
        }
        const last = air.scheduler.nowMs;
        air.stations.get(4)!.dead = true;
        await air.scheduler.advance(DETECTION_MS * 3);
        for (const nodeId of [1, 2, 3]) {
          const late = air.stations.get(nodeId)!.told.filter(({ atMs }) => atMs > last + DETECTION_MS);
          expect(late.map(({ what }) => what)).to.include('suspects 4');
          for (const { what } of late) expect(what).to.be.oneOf(['suspects 4', 'back']);
        }
      }),
      { numRuns: 200 },
    );
  });
});
