// Kafka's own command line tools, as an operator uses them.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { config, expect } from 'chai';
import { StartedProcess } from '../support/child-process.ts';
import { ClientRun, everyCodec, produce } from './program.ts';
import { numberedRecords } from './records.ts';
import { committedOffsets, createTopic, useTarget } from './target.ts';
import { goProgram, javaProgram, javaTool } from './toolchain.ts';
import { anyEvent } from './waiting.ts';

const toolTimeoutMs = 60_000;
// A tool's output is shown whole when it is not what it should be.
config.truncateThreshold = 0;

describe("Kafka's console tools", function () {
  this.timeout(120_000);
  const broker = useTarget();
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'console-tools-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** Runs a tool, named by its class, to its end and returns what it printed on stdout. @throws Error unless it succeeds. */
  async function tool(name: string, args: readonly string[], input?: string): Promise<string> {
    const { file, args: java } = await javaTool(name);
    const lines: string[] = [];
    const run = new StartedProcess(name, file, [...java, '--bootstrap-server', broker().bootstrap, ...args], {
      onLine: (line) => lines.push(line),
    });
    run.child.stdin!.end(input ?? '');
    await run.success(toolTimeoutMs);
    return lines.join('\n');
  }

  it('kafka-topics creates, lists, describes, widens and deletes a topic', async () => {
    const create = ['--create', '--topic', 'made', '--partitions', '2', '--config', 'retention.ms=60000'];
    expect(await tool('org.apache.kafka.tools.TopicCommand', create)).to.include('Created topic made');
    expect(await tool('org.apache.kafka.tools.TopicCommand', ['--list'])).to.match(/^made$/m);
    const described = await tool('org.apache.kafka.tools.TopicCommand', ['--describe', '--topic', 'made']);
    expect(described).to.match(/Topic: made\s+TopicId: \S{22}\s+PartitionCount: 2\s+ReplicationFactor: 1/);
    expect(described).to.match(/Configs: .*retention\.ms=60000/);
    expect(described).to.match(/Partition: 1\s+Leader: (\d+)\s+Replicas: \1\s+Isr: \1/);
    await tool('org.apache.kafka.tools.TopicCommand', ['--alter', '--topic', 'made', '--partitions', '5']);
    expect(await tool('org.apache.kafka.tools.TopicCommand', ['--describe', '--topic', 'made'])).to.include(
      'PartitionCount: 5',
    );
    await tool('org.apache.kafka.tools.TopicCommand', ['--delete', '--topic', 'made']);
    expect(await tool('org.apache.kafka.tools.TopicCommand', ['--list'])).not.to.match(/^made$/m);
  });

  it('kafka-configs alters, describes and removes a config of a topic', async () => {
    await createTopic(broker().bootstrap, 'configured', 1);
    const topic = ['--entity-type', 'topics', '--entity-name', 'configured'];
    await tool('kafka.admin.ConfigCommand', [
      ...topic,
      '--alter',
      '--add-config',
      'retention.ms=12345,max.message.bytes=2000',
    ]);
    const described = await tool('kafka.admin.ConfigCommand', [...topic, '--describe']);
    expect(described).to.match(/retention\.ms=12345 .*DYNAMIC_TOPIC_CONFIG/);
    expect(described).to.match(/max\.message\.bytes=2000 /);
    await tool('kafka.admin.ConfigCommand', [...topic, '--alter', '--delete-config', 'retention.ms']);
    const left = await tool('kafka.admin.ConfigCommand', [...topic, '--describe']);
    expect(left).not.to.include('retention.ms=12345');
    expect(left).to.include('max.message.bytes=2000');
  });

  it('the console producer and consumer carry every codec, keys and headers', async () => {
    await createTopic(broker().bootstrap, 'console', 1);
    for (const codec of everyCodec) {
      const format = ['parse.key=true', 'parse.headers=true', 'headers.delimiter=|', 'key.separator=:'];
      const properties = format.flatMap((property) => ['--reader-property', property]);
      const input = [1, 2, 3].map((number) => `codec:${codec}|key ${number}:value ${number} of ${codec}\n`).join('');
      const flags = ['--topic', 'console', '--compression-codec', codec, ...properties];
      await tool('org.apache.kafka.tools.ConsoleProducer', flags, input);
    }
    const printed = ['print.key=true', 'print.headers=true', 'print.partition=true', 'print.offset=true'];
    const read = await tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--topic', 'console', '--from-beginning', '--max-messages', '15', '--timeout-ms', '20000'],
      ...printed.flatMap((property) => ['--formatter-property', property]),
    ]);
    const lines = read.split('\n').filter((line) => line.startsWith('Partition:'));
    const expected = everyCodec.flatMap((codec, at) =>
      [1, 2, 3].map(
        (number) =>
          `Partition:0\tOffset:${3 * at + number - 1}\tcodec:${codec}\tkey ${number}\tvalue ${number} of ${codec}`,
      ),
    );
    expect(lines).to.deep.equal(expected);
  });

  it('kafka-consumer-groups lists, describes, resets and deletes a group, and GetOffsetShell shows the ends', async () => {
    const [topic, group, partitions] = ['grouped', 'readers', 3];
    await createTopic(broker().bootstrap, topic, partitions);
    const command = await goProgram('franz-go');
    const to = { bootstrap: broker().bootstrap, topic };
    await produce({ name: 'franz-go' }, command, to, numberedRecords('one', 5, partitions));
    const java = await javaProgram();
    const flags = [
      '--bootstrap',
      broker().bootstrap,
      '--topic',
      topic,
      '--group',
      group,
      '--session-timeout-ms',
      '6000',
    ];
    const member = new ClientRun('Java client', java, ['member', ...flags]);
    try {
      const committed = () => Object.assign({}, ...member.all('committed').map((event) => event.offsets));
      const sum = () => Object.values<number>(committed()).reduce((a, b) => a + b, 0);
      await anyEvent([member], '15 records committed', () => sum() === 15, sum, toolTimeoutMs);

      expect(await groups(['--list'])).to.match(/^readers$/m);
      expect(await groups(['--list', '--state'])).to.match(/^readers\s+.*Stable/m);
      expect(await groups(['--describe', '--group', group])).to.match(
        /^readers\s+grouped\s+0\s+5\s+5\s+0\s+consumer-/m,
      );
      expect(await groups(['--describe', '--group', group, '--members', '--verbose'])).to.match(/grouped:0,1,2/);
      expect(await groups(['--describe', '--group', group, '--state'])).to.match(
        /^readers\s+\S+\s+\(\d+\)\s+range\s+Stable\s+1/m,
      );
      const early = ['--reset-offsets', '--group', group, '--topic', topic, '--to-earliest', '--execute'];
      expect(await groups(early)).to.include('current state is Stable');
      await member.leave();
    } finally {
      if (!member.process.hasEnded) await member.kill();
    }

    await groups(['--reset-offsets', '--group', group, '--topic', `${topic}:1`, '--shift-by', '-2', '--execute']);
    await groups([
      '--reset-offsets',
      '--group',
      group,
      '--topic',
      `${topic}:2`,
      '--to-datetime',
      '2000-01-01T00:00:00.000',
      '--execute',
    ]);
    expect(await committedOffsets(broker().bootstrap, group, topic)).to.deep.equal(
      new Map([
        [0, 5],
        [1, 3],
        [2, 0],
      ]),
    );
    expect(await groups(['--describe', '--group', group])).to.match(/^readers\s+grouped\s+1\s+3\s+5\s+2\s/m);
    await groups(['--delete-offsets', '--group', group, '--topic', topic]);
    expect(await groups(['--describe', '--group', group])).not.to.match(/^readers\s+grouped/m);
    await groups(['--delete', '--group', group]);
    expect(await groups(['--list'])).not.to.match(/^readers$/m);

    expect(await tool('org.apache.kafka.tools.GetOffsetShell', ['--topic', topic, '--time', 'latest'])).to.match(
      /^grouped:0:5\ngrouped:1:5\ngrouped:2:5$/m,
    );
    const offsets = join(folder, 'offsets.json');
    await writeFile(offsets, JSON.stringify({ partitions: [{ topic, partition: 0, offset: 2 }], version: 1 }));
    await tool('org.apache.kafka.tools.DeleteRecordsCommand', ['--offset-json-file', offsets]);
    expect(
      await tool('org.apache.kafka.tools.GetOffsetShell', ['--topic-partitions', `${topic}:0`, '--time', 'earliest']),
    ).to.match(/^grouped:0:2$/m);
  });

  function groups(args: readonly string[]): Promise<string> {
    return tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', args);
  }
});
