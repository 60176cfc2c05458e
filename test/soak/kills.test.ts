// npm run test:soak: processes of a whole cluster killed at random under idempotent load, SOAK_KILLS (100) times: nodes, NATS
// servers, SeaweedMQ's brokers and the SeaweedFS server behind them. TEST_SEED repeats the choice of victims;
// SOAK_STORAGE=journal does without SeaweedFS.
//
// Beside the load (a producer and a group member of franz-go) every partition and some groups are asked in a row through
// nodes that live: that is the cluster's own time, the client's is the load's. After some kills the load ends, everything is
// moved to SeaweedMQ, and what all clients were told is compared with what is there.

import { expect } from 'chai';
import { createTopic } from '../clients/target.ts';
import { goProgram } from '../clients/toolchain.ts';
import { Load } from '../cluster/load.ts';
import { Pulses } from '../cluster/pulses.ts';
import { SeaweedView, startSeaweedCluster } from '../cluster/seaweed-cluster.ts';
import { type ClusterProcesses, startCluster } from '../support/cluster-process.ts';
import { machineLagMs, resetMachineLag } from '../support/machine-lag.ts';
import { randomFrom, spread, type Victim, type VictimKind, victimsOf } from './victims.ts';

const kills = Number(process.env.SOAK_KILLS ?? 100);
const seed = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000);
const detectionMs = Number(process.env.SOAK_DETECTION_MS ?? 3_000);
const storage = process.env.SOAK_STORAGE ?? 'seaweed';
const partitions = 12;
const groupCount = 12;
/** Records a second: a machine that is busy with them alone would show its own slowness and not the cluster's. */
const rate = 2_000;
/** Between the requests to a partition or a group, ms. */
const pulseRestMs = 50;
/** A fresh topic and producer after so many kills, so that what is kept in memory stays bounded. */
const killsOfOneLoad = 10;
/** Beyond the time of detection: the election of the next owners, and their opening of the shards. */
const electionMs = 1_000;
/** What the client adds to it: its metadata may be 100 ms old and it waits 50 ms between tries, twice; it dials anew. */
const clientMs = 400;
/** NATS elects a leader of its streams after 4 to 9 s; the append that was lost with the old one is resolved then. */
const natsElectionMs = 12_000;
const moveTimeoutMs = 240_000;
/** What the groups of the soak leave in the journal at most: each partition of theirs is shortened at 1 MB. */
const groupBytes = 24 << 20;

/** One kill: how long what was not available, ms. */
interface Outage {
  readonly victim: Victim;
  /** A NATS server was killed so shortly before that NATS may still have elected: nobody is voted out until it has. */
  readonly electing: boolean;
  /** Wall clock. */
  readonly killedMs: number;
  readonly partitionMs: number;
  readonly groupMs: number;
  readonly ackMs: number;
  readonly deliveryMs: number;
  readonly lagMs: number;
}

describe(`a cluster with storage=${storage}, ${kills} kills, seed ${seed}`, () => {
  let cluster: ClusterProcesses;
  let load: Load | undefined;
  let pulses: Pulses | undefined;
  let acked = 0;
  let natsKilledMs = 0;
  const outages: Outage[] = [];

  before(async () => {
    const config = {
      'failure.detection.ms': String(detectionMs),
      'group.initial.rebalance.delay.ms': '100',
      'group.min.session.timeout.ms': '1000',
      'offsets.topic.num.partitions': '12',
    };
    cluster = await (storage === 'seaweed'
      ? startSeaweedCluster({ natsServers: 3, weed: { brokers: 2 }, config, compiled: true })
      : startCluster({ natsServers: 3, config, compiled: true }));
  });
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    for (const node of cluster.nodes) console.error(`a node printed:\n${node.output().slice(-12_000)}`);
  });
  after(async () => {
    await load?.close();
    await cluster?.close();
  });

  it('loses, repeats and reorders nothing, and forgets no group', async () => {
    const command = await goProgram('franz-go');
    const random = randomFrom(seed);
    const victims = victimsOf(cluster);
    for (let kill = 0; kill < kills; kill++) {
      if (kill % killsOfOneLoad === 0) {
        await finishLoad(`seed ${seed}, kill ${kill}`);
        const topic = `soak-${kill}`;
        load = await Load.start(() => cluster.nodes[0]!.bootstrap, command, topic, partitions, { rate });
        pulses = await Pulses.begin({
          bootstraps: cluster.nodes.map(({ bootstrap }) => bootstrap),
          topic: await pulseTopic(kill),
          partitions: [...Array(partitions).keys()],
          groupIds: Array.from({ length: groupCount }, (_, at) => `pulse-${kill}-${at}`),
          restMs: pulseRestMs,
        });
      }
      const outage = await suffer(victims[Math.floor(random() * victims.length)]!);
      outages.push(outage);
      console.log(`      kill ${kill + 1}: ${told(outage)}`);
      if (!inTime(outage)) console.log(timeline(outage.killedMs));
    }
    await finishLoad(`seed ${seed}, the end`);
    report();
    expect(acked).to.be.above(kills);
  });

  it('was there again in time after every kill', () => {
    expect(outages).to.have.length(kills);
    expect(outages.filter((outage) => !inTime(outage)).map(told)).to.deep.equal([]);
  });

  /** Kills it, waits until everything is served again, and starts it again. */
  async function suffer(victim: Victim): Promise<Outage> {
    await load!.everyPartition();
    await load!.everyDelivery();
    await pulses!.beating();
    load!.resetGaps();
    pulses!.reset();
    resetMachineLag();
    const killedMs = Date.now();
    const electing = killedMs - natsKilledMs < natsElectionMs;
    if (victim.kind === 'NATS server') natsKilledMs = killedMs;
    await victim.kill();
    for (let round = 0; round < 2; round++) {
      await load!.everyPartition();
      await load!.everyDelivery();
      await pulses!.beating();
    }
    const gaps = [...pulses!.gapsMs()];
    const longest = (kind: string): number =>
      Math.max(...gaps.filter(([name]) => name.startsWith(kind)).map(([, ms]) => ms));
    const outage = {
      victim,
      electing,
      killedMs,
      partitionMs: longest('partition'),
      groupMs: longest('group'),
      ackMs: load!.longestGapMs,
      deliveryMs: load!.longestDeliveryGapMs,
      lagMs: machineLagMs(),
    };
    await victim.start();
    await load!.acks(300);
    return outage;
  }

  /** A topic of its own, so that what the load's clients were told stays all there is in theirs. */
  async function pulseTopic(kill: number): Promise<string> {
    const topic = `pulses-${kill}`;
    await createTopic(cluster.nodes[0]!.bootstrap, topic, partitions);
    return topic;
  }

  async function finishLoad(at: string): Promise<void> {
    expect((await pulses?.end()) ?? [], at).to.deep.equal([]);
    pulses = undefined;
    const { weed } = cluster;
    const moved = async (): Promise<void> => {
      if (weed !== undefined) await new SeaweedView(cluster).settled(moveTimeoutMs, groupBytes);
    };
    if (load !== undefined) acked += (await load.finish(at, moved)).acked;
  }

  function inTime({ victim, electing, partitionMs, groupMs, ackMs, deliveryMs, lagMs }: Outage): boolean {
    const limits: Record<VictimKind, number> = {
      node: detectionMs + electionMs,
      'NATS server': natsElectionMs,
      // Neither producers nor those who read at the end notice.
      'SeaweedMQ broker': electionMs,
      'SeaweedFS server': electionMs,
    };
    const limitMs = limits[victim.kind] + (electing ? natsElectionMs : 0) + lagMs;
    return Math.max(partitionMs, groupMs) <= limitMs && Math.max(ackMs, deliveryMs) <= limitMs + clientMs;
  }

  function told({ victim, partitionMs, groupMs, ackMs, deliveryMs, lagMs }: Outage): string {
    const [partition, group, ack, delivery] = [partitionMs, groupMs, ackMs, deliveryMs].map(Math.round);
    return `${victim.name}: partitions ${partition}, groups ${group} ms; at the client acks ${ack}, records ${delivery} ms; lag ${lagMs} ms`;
  }

  /** What the nodes say of who is there and who owns what, from then on. */
  function timeline(sinceMs: number): string {
    const line = /^(\S+Z) \S+ (?:node is silent|node voted out|view|journal\.|cut off|heard again|nats|shard ).*$/gm;
    return cluster.nodes
      .flatMap((node, at) =>
        [...node.output().matchAll(line)].map(([text, time]) => ({ at, text, afterMs: Date.parse(time!) - sinceMs })),
      )
      .filter(({ afterMs }) => afterMs >= 0)
      .sort((one, other) => one.afterMs - other.afterMs)
      .map(({ at, text, afterMs }) => `        node ${at + 1} +${afterMs} ${text.slice(25)}`)
      .join('\n');
  }

  function report(): void {
    console.log(`      ${acked} acked; median / 90 % / longest, ms`);
    for (const kind of new Set(outages.map(({ victim }) => victim.kind))) {
      const own = outages.filter(({ victim }) => victim.kind === kind);
      const of = (figure: (outage: Outage) => number): string => spread(own.map(figure));
      console.log(
        `      ${kind}, ${own.length} kills: partitions ${of(({ partitionMs }) => partitionMs)}, groups ${of(({ groupMs }) => groupMs)}; at the client acks ${of(({ ackMs }) => ackMs)}, records ${of(({ deliveryMs }) => deliveryMs)}`,
      );
    }
  }
});
