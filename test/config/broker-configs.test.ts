// The broker's options on a running node: AlterConfigs sets them for all nodes or for one, they outlive the node, and
// DescribeConfigs tells where each value comes from.

import { expect } from 'chai';
import { BROKER_CONFIGS_PREFIX, BrokerConfigs } from '../../src/actors/admin/broker-configs.ts';
import { type ConfigRefusal, isRefusal } from '../../src/actors/admin/config-changes.ts';
import { configSource, type DescribedConfig } from '../../src/actors/admin/described-config.ts';
import { Node } from '../../src/actors/node.ts';
import type { Logger } from '../../src/actors/runtime/ports.ts';
import { type BrokerConfig, brokerConfigWith } from '../../src/config.ts';
import { ErrorCode } from '../../src/protocol/errors.ts';
import { createMemoryStore } from '../../src/storage/memory.ts';
import { ManualClock, seededRandom } from '../actors/admin/world.ts';

class Lines implements Logger {
  readonly events: string[] = [];
  log(_level: string, event: string): void {
    this.events.push(event);
  }
}

const quiet: Logger = { log: () => {} };

async function node(disk: ReturnType<typeof createMemoryStore>, options: Record<string, string> = {}, logger = quiet) {
  const configs = new BrokerConfigs(brokerConfigWith(options), disk.metadata, logger);
  await configs.start();
  return configs;
}

const setting = (name: string, value: string) => (overrides: ReadonlyMap<string, string>) =>
  new Map([...overrides, [name, value]]);

function described(result: readonly DescribedConfig[] | ConfigRefusal, name: string): DescribedConfig | undefined {
  if (isRefusal(result)) throw new Error(result.errorMessage);
  return result.find((config) => config.name === name);
}

describe("the broker's options while it runs", () => {
  it('follow AlterConfigs, one node before all nodes before the start before the default', async () => {
    const configs = await node(createMemoryStore(), { 'message.max.bytes': '1000' });
    const seen: number[] = [];
    configs.onChange((config: BrokerConfig) => seen.push(config.messageMaxBytes));
    expect(configs.current.messageMaxBytes).to.equal(1000);

    expect(await configs.alter('', setting('message.max.bytes', '2000'))).to.equal(undefined);
    expect(configs.current.messageMaxBytes).to.equal(2000);
    expect(await configs.alter('1', setting('message.max.bytes', '3000'))).to.equal(undefined);
    expect(configs.current.messageMaxBytes).to.equal(3000);

    const told = described(configs.describe('1', { includeSynonyms: true }), 'message.max.bytes')!;
    expect(told).to.include({ value: '3000', configSource: configSource.dynamicBroker, readOnly: false });
    expect(told.synonyms.map(({ value, source }) => [value, source])).to.deep.equal([
      ['3000', configSource.dynamicBroker],
      ['2000', configSource.dynamicDefaultBroker],
      ['1000', configSource.staticBroker],
      ['1048588', configSource.default],
    ]);

    await configs.alter('1', () => new Map());
    await configs.alter('', () => new Map());
    expect(seen).to.deep.equal([2000, 3000, 2000, 1000]);
  });

  it('are what topics follow that say nothing themselves', async () => {
    const { shards, metadata } = createMemoryStore();
    const ports = { clock: new ManualClock(), random: seededRandom(1), logger: quiet, storage: shards };
    const running = await Node.start(
      brokerConfigWith({ shards: '1' }),
      { PLAINTEXT: { host: 'localhost', port: 9092 } },
      { ...ports, metadataStore: metadata },
    );
    const { topics, catalog, brokerConfigs } = running.services;
    await topics.create({ name: 'silent' });
    await topics.create({ name: 'outspoken', configs: new Map([['max.message.bytes', '1000']]) });
    await brokerConfigs.alter('', setting('message.max.bytes', '5000'));
    expect(catalog.byName('silent')!.values.maxMessageBytes).to.equal(5000);
    expect(catalog.byName('outspoken')!.values.maxMessageBytes).to.equal(1000);
    await running.stop();
  });

  it('outlive the node, and reach the others', async () => {
    const disk = createMemoryStore();
    const first = await node(disk, { 'node.id': '1' });
    const second = await node(disk, { 'node.id': '2' });
    await first.alter('', setting('log.retention.ms', '5000'));
    await first.alter('1', setting('max.connections', '7'));
    expect(second.current).to.include({ logRetentionMs: 5000n, maxConnections: 2147483647 });
    const again = await node(disk, { 'node.id': '1' });
    expect(again.current).to.include({ logRetentionMs: 5000n, maxConnections: 7 });
  });

  it('say under the empty name only what is set for all nodes', async () => {
    const configs = await node(createMemoryStore(), { 'message.max.bytes': '1000' });
    await configs.alter('', setting('log.retention.ms', '5000'));
    await configs.alter('1', setting('message.max.bytes', '2000'));
    const told = configs.describe('', { includeSynonyms: true });
    expect(isRefusal(told) ? told : told.map(({ name, value }) => [name, value])).to.deep.equal([
      ['log.retention.ms', '5000'],
    ]);
  });

  it('are the same afterwards when a change was only to be validated', async () => {
    const configs = await node(createMemoryStore());
    expect(await configs.alter('', setting('log.retention.ms', '5000'), true)).to.equal(undefined);
    expect(configs.current.logRetentionMs).to.equal(null);
    expect(await configs.alter('', setting('log.retention.ms', 'x'), true)).to.have.property('errorCode');
  });

  it('keep out of documents and values what is secret', async () => {
    const configs = await node(createMemoryStore(), { 'ssl.key.password': 'hunter2' });
    const told = configs.describe('1', { includeSynonyms: true, includeDocumentation: true });
    expect(JSON.stringify(told)).not.to.contain('hunter2');
    expect(described(told, 'ssl.key.password')).to.include({ value: null, isSensitive: true });
  });

  it('merge two changes made at the same time', async () => {
    const configs = await node(createMemoryStore());
    await Promise.all([
      configs.alter('', setting('log.retention.ms', '5000')),
      configs.alter('', setting('message.max.bytes', '2000')),
    ]);
    expect(configs.current).to.include({ logRetentionMs: 5000n, messageMaxBytes: 2000 });
  });

  const refused: [resource: string, name: string, value: string, code: number, message: string][] = [
    [
      '1',
      'num.partitions',
      '5',
      ErrorCode.INVALID_REQUEST,
      'Cannot update these configs dynamically: [num.partitions]',
    ],
    [
      '',
      'log.retention.ms',
      'abc',
      ErrorCode.INVALID_REQUEST,
      'Invalid value abc for configuration log.retention.ms: Not a number of type LONG',
    ],
    [
      '',
      'cordoned.log.dirs',
      'x',
      ErrorCode.INVALID_REQUEST,
      'Cannot update these configs at default cluster level, broker id must be specified: [cordoned.log.dirs]',
    ],
    [
      '1',
      'ssl.keystore.location',
      'x',
      ErrorCode.INVALID_REQUEST,
      'These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]',
    ],
    ['1', 'foo', '1', ErrorCode.INVALID_CONFIG, 'Unknown config name: foo'],
    ['2', 'message.max.bytes', '5', ErrorCode.INVALID_REQUEST, 'Unexpected broker id, expected 1, but received 2'],
    ['x', 'message.max.bytes', '5', ErrorCode.INVALID_REQUEST, 'Node id must be an integer, but it is: x'],
  ];
  for (const [resource, name, value, errorCode, errorMessage] of refused) {
    it(`refuse ${name} = ${value} for '${resource}'`, async () => {
      const configs = await node(createMemoryStore());
      expect(await configs.alter(resource, setting(name, value))).to.deep.equal({ errorCode, errorMessage });
    });
  }

  it('keep going, and say so, when what is stored cannot be read or does not fit the start', async () => {
    const disk = createMemoryStore();
    const lines = new Lines();
    await disk.metadata.put(`${BROKER_CONFIGS_PREFIX}default`, Buffer.from('nonsense'), 0);
    const stored = { version: 1, configs: { 'of.a.later.release': '1', 'max.connections': '5' } };
    await disk.metadata.put(`${BROKER_CONFIGS_PREFIX}1`, Buffer.from(JSON.stringify(stored)), 0);
    const configs = await node(disk, {}, lines);
    expect(configs.current.maxConnections).to.equal(5);
    expect(lines.events).to.deep.equal(['broker-config-unknown', 'broker-config-corrupt']);
  });
});
