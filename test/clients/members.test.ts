// A crowd of group members over the wire: that their groups settle, and what they cost the broker's memory.

import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { ClientRun, type Command } from './program.ts';
import { createTopic, useTarget, withAdmin } from './target.ts';
import { goProgram } from './toolchain.ts';
import { anyEvent, eventually } from './waiting.ts';

const setUpTimeoutMs = 360_000;
const stepTimeoutMs = 60_000;
const topic = 'crowded';
const groups = 100;
const membersOfGroup = 10;
const heartbeatsOfMember = 5;
const residentBytesMax = 250 * 1024 * 1024;
/** What the second crowd may add to what the first one left behind: less than half of what a crowd takes. */
const growthBytesMax = 25 * 1024 * 1024;

describe('a thousand members in a hundred groups', function () {
  this.timeout(300_000);
  const broker = useTarget();
  let command: Command;
  before(async function () {
    this.timeout(setUpTimeoutMs);
    command = await goProgram('raw');
    await createTopic(broker().bootstrap, topic, membersOfGroup);
  });

  it('settle, stay without an error, leave, and leave no memory behind', async () => {
    const after: number[] = [];
    for (const round of ['first', 'second']) {
      await crowd(`${round}-crowd`);
      after.push(await residentBytes());
    }
    expect(after[1]! - after[0]!, `resident after each crowd: ${after.join(', ')}`).to.be.lessThan(growthBytesMax);
  });

  async function crowd(name: string): Promise<void> {
    const size = [
      '--groups',
      String(groups),
      '--count',
      String(membersOfGroup),
      '--partitions',
      String(membersOfGroup),
    ];
    const where = ['--bootstrap', broker().bootstrap, '--topic', topic, '--group', name];
    const timing = ['--heartbeat', '1s', '--session-timeout-ms', '20000'];
    const run = new ClientRun('raw', command, ['members', ...where, ...size, ...timing]);
    try {
      const beats = () => run.all('beating').at(-1)?.heartbeats ?? 0;
      await anyEvent([run], 'every group settles', () => run.all('stable').length === 1, beats, stepTimeoutMs);
      expect(await groupsBy(name)).to.deep.equal({ [`Stable of ${membersOfGroup}`]: groups });
      const enough = groups * membersOfGroup * heartbeatsOfMember;
      await anyEvent([run], `${enough} heartbeats after that`, () => beats() >= enough, beats, stepTimeoutMs);
      await expectSmall('while they are there');
      await run.leave();
      expect(await groupsBy(name)).to.deep.equal({ 'Empty of 0': groups });
      await eventually('memory is given back', stepTimeoutMs, () => expectSmall('after they left'));
    } finally {
      if (!run.process.hasEnded) await run.kill();
    }
  }

  /** How many groups there are in each state with each number of members. */
  async function groupsBy(name: string): Promise<Record<string, number>> {
    const ids = Array.from({ length: groups }, (_, index) => `${name}-${index}`);
    const described = await withAdmin(broker().bootstrap, (admin) => admin.describeGroups(ids));
    const counts: Record<string, number> = {};
    for (const { state, members } of described.groups) {
      const kind = `${state} of ${members.length}`;
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    return counts;
  }

  async function expectSmall(when: string): Promise<void> {
    // What Apache Kafka takes is not this test's business.
    if (process.env.SARGASSO_TEST_TARGET === 'kafka') return;
    expect(await residentBytes(), `resident bytes ${when}`).to.be.lessThan(residentBytesMax);
  }

  async function residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${broker().pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
  }
});
