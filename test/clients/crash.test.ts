// The broker under kill -9, as its clients see it: what was acked, committed or shown to a consumer stays as it was.

import { expect } from 'chai';
import { contradictions, type LoggedRecord, lostCommits } from './history.ts';
import { ClientRun, type Command, consume } from './program.ts';
import { committedOffsets, createTopic, endOffsets, useTarget } from './target.ts';
import { goProgram } from './toolchain.ts';
import { anyEvent, eventually } from './waiting.ts';

const setUpTimeoutMs = 360_000;
const topic = 'crashed';
const group = 'follower';
const partitions = 6;
// Apache Kafka takes some ten seconds for each of its restarts.
const runs = process.env.SARGASSO_TEST_TARGET === 'kafka' ? 4 : 50;
const runsOfOneProducer = 5;
const runTimeoutMs = 30_000;
const acksBeforeKillMax = 1_500;
const commitsBeforeKillMax = 5;

describe('a broker that is killed in the middle of producing', () => {
  const target = useTarget();
  let command: Command;
  before(async function () {
    this.timeout(setUpTimeoutMs);
    command = await goProgram('franz-go');
  });

  it(`has every acked record once, in order, and every commit, after ${runs} times kill -9`, async () => {
    const broker = target();
    const { bootstrap } = broker;
    const seed = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000);
    const random = randomFrom(seed);
    await createTopic(bootstrap, topic, partitions);
    const at = ['--bootstrap', bootstrap, '--topic', topic, '--partitions', String(partitions)];
    const follow = ['follow', ...at, '--group', group, '--session-timeout-ms', '6000'];
    const follower = new ClientRun('franz-go', command, follow);
    const producers: { name: string; run: ClientRun }[] = [];
    try {
      for (let run = 0; run < runs; run++) {
        if (run % runsOfOneProducer === 0) {
          const name = `producer${run}`;
          producers.push({ name, run: new ClientRun('franz-go', command, ['load', ...at, '--name', name]) });
        }
        const producer = producers.at(-1)!.run;
        const acksDue = producer.count('acked') + 1 + Math.floor(random() * acksBeforeKillMax);
        // In every other run the follower is in the middle of its commits, otherwise perhaps still joining.
        const commitsDue = follower.count('committed') + (run % 2) * Math.ceil(random() * commitsBeforeKillMax);
        const happened = () => [producer.count('acked'), follower.count('committed')] as const;
        const due = () => happened()[0] >= acksDue && happened()[1] >= commitsDue;
        await anyEvent([producer, follower], `acks ${acksDue}, commits ${commitsDue}`, due, happened, runTimeoutMs);
        await broker.kill();
        const told = committedByWord(follower);
        // A producer's last run ends with the producer's own death, before or after it hears of the restart.
        const last = run % runsOfOneProducer === runsOfOneProducer - 1;
        if (last && random() < 0.5) await producer.kill();
        await broker.restart();
        if (last && !producer.process.hasEnded) await producer.leave();
        let committed = new Map<number, number | undefined>();
        await eventually('the coordinator serves again', runTimeoutMs, async () => {
          committed = await committedOffsets(bootstrap, group, topic);
        });
        expect(lostCommits(told, committed), `seed ${seed}, run ${run}`).to.be.empty;
      }
      const producer = producers.at(-1)!.run;
      if (!producer.process.hasEnded) await producer.leave();

      const ends = await endOffsets(bootstrap, topic);
      await eventually('the follower has committed up to the end', runTimeoutMs, async () => {
        expect(await committedOffsets(bootstrap, group, topic)).to.deep.equal(ends);
      });
      await follower.leave();
      const count = [...ends.values()].reduce((sum, end) => sum + end, 0);
      const log = await consume({ name: 'franz-go' }, command, { bootstrap, topic, partitions, count });
      const acked = producers.flatMap(({ name, run }) =>
        run
          .all('acked')
          .map(({ partition, index, offset }) => ({ producer: name, partition, number: index, offset: offset! })),
      );
      const seen = follower.all('record').map(asLogged);
      expect(acked.length).to.be.greaterThan(runs);
      expect(contradictions({ log: log.map(asLogged), acked, seen }), `seed ${seed}`).to.deep.equal([]);
    } finally {
      for (const run of [follower, ...producers.map((each) => each.run)]) if (!run.process.hasEnded) await run.kill();
    }
  }).timeout(480_000);
});

/** The highest offsets that a member was told are committed. */
function committedByWord(member: ClientRun): Map<number, number> {
  const told = new Map<number, number>();
  for (const { offsets } of member.all('committed'))
    for (const [partition, offset] of Object.entries(offsets)) told.set(Number(partition), offset);
  return told;
}

function asLogged({
  partition,
  offset,
  value,
}: {
  partition: number;
  offset: number;
  value: string | null;
}): LoggedRecord {
  return { partition, offset, value: Buffer.from(value ?? '', 'base64').toString() };
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
