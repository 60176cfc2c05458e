// auto.offset.reset=none: the answers by which a client knows that it has no offset, or one that the log no longer has.

import { expect } from 'chai';
import { StartedProcess } from '../../support/child-process.ts';
import { ClientRun, type Command, produce } from '../program.ts';
import { numberedRecords } from '../records.ts';
import { committedOffsets, createTopic, useTarget, withAdmin } from '../target.ts';
import { goProgram, javaProgram, javaTool, pythonProgram } from '../toolchain.ts';
import { anyEvent } from '../waiting.ts';

const memberTimeoutMs = 30_000;

/** What each client says when it has no offset to start from, and when the log no longer holds the one it has. */
const clients = [
  { name: 'Java client', setUp: javaProgram, noOffset: /NoOffsetForPartition/, outOfRange: /OffsetOutOfRange/ },
  {
    name: 'confluent-kafka',
    setUp: () => pythonProgram('confluent.py'),
    noOffset: /_AUTO_OFFSET_RESET.*no previously committed offset/i,
    outOfRange: /_AUTO_OFFSET_RESET.*out of range/i,
  },
];

describe('a member that may not reset its offset', function () {
  // Building a client counts, too.
  this.timeout(360_000);
  const broker = useTarget();

  for (const { name, setUp, noOffset, outOfRange } of clients)
    it(`learns so from what the broker answers: ${name}`, async () => {
      const command = await setUp();
      const topic = `trimmed-for-${name.replace(/\W/g, '-')}`;
      const to = { bootstrap: broker().bootstrap, topic };
      await createTopic(broker().bootstrap, topic, 1);
      await produce({ name: 'franz-go' }, await goProgram('franz-go'), to, numberedRecords('one', 6, 1));

      expect(await lastError(name, command, topic)).to.match(noOffset);
      await commit(topic, 1);
      await deleteRecords(topic, 3);
      expect(await lastError(name, command, topic)).to.match(outOfRange);
      await commit(topic, 4);
      const member = start(name, command, topic);
      try {
        const offsets = () => member.all('record').map((record) => record.offset);
        await anyEvent([member], 'two records', () => offsets().length === 2, offsets, memberTimeoutMs);
        expect(offsets()).to.deep.equal([4, 5]);
        await member.leave();
      } finally {
        await member.kill();
      }
    });

  /** A member of the group that bears its topic's name. */
  function start(name: string, command: Command, topic: string): ClientRun {
    const flags = [
      '--bootstrap',
      broker().bootstrap,
      '--topic',
      topic,
      '--group',
      topic,
      '--session-timeout-ms',
      '6000',
    ];
    return new ClientRun(name, command, ['member', ...flags, '--reset', 'none']);
  }

  async function lastError(name: string, command: Command, topic: string): Promise<string> {
    const member = start(name, command, topic);
    const { code } = await member.process.end(memberTimeoutMs);
    expect(code).to.equal(1);
    return member.all('error').at(-1)!.message;
  }

  async function commit(topic: string, offset: number): Promise<void> {
    const { file, args } = await javaTool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand');
    const reset = ['--reset-offsets', '--group', topic, '--topic', topic, '--to-offset', String(offset), '--execute'];
    const tool = new StartedProcess('kafka-consumer-groups', file, [
      ...args,
      '--bootstrap-server',
      broker().bootstrap,
      ...reset,
    ]);
    await tool.success(memberTimeoutMs);
    expect((await committedOffsets(broker().bootstrap, topic, topic)).get(0)).to.equal(offset);
  }

  function deleteRecords(topic: string, offset: number): Promise<void> {
    return withAdmin(broker().bootstrap, async (admin) => {
      // kafkajs deletes records only of a topic whose metadata it has.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
    });
  }
});
