// Stories of DescribeConfigs, AlterConfigs and IncrementalAlterConfigs. What single configs take is told elsewhere; here it
// is resources, operations and effects.

import { expect } from 'chai';
import fc from 'fast-check';
import { handleAlterConfigs } from '../../../src/actors/router/handlers/alter-configs.ts';
import { handleDescribeConfigs } from '../../../src/actors/router/handlers/describe-configs.ts';
import { handleIncrementalAlterConfigs } from '../../../src/actors/router/handlers/incremental-alter-configs.ts';
import { ErrorCode } from '../../../src/protocol/errors.ts';
import { configsOf, create } from './requests.ts';
import { settle, startNode, type World } from './world.ts';

const resource = { unknown: 0, topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 };
const operation = { set: 0, delete: 1, append: 2, subtract: 3 };

type Change = readonly [name: string, operation: number, value: string | null];

async function describeOne(world: World, type: number, name: string, keys: string[] | null = null, options = {}) {
  const { results } = await world.call(handleDescribeConfigs, {
    resources: [{ resourceType: type, resourceName: name, configurationKeys: keys }],
    includeSynonyms: false,
    includeDocumentation: false,
    ...options,
  });
  return results[0]!;
}

async function effective(world: World, type: number, name: string, key: string) {
  const { configs } = await describeOne(world, type, name, [key]);
  return configs.map(({ value, configSource }) => [value, configSource])[0];
}

async function change(world: World, type: number, name: string, changes: readonly Change[], validateOnly = false) {
  const configs = changes.map(([config, configOperation, value]) => ({ name: config, configOperation, value }));
  const { responses } = await world.call(handleIncrementalAlterConfigs, {
    resources: [{ resourceType: type, resourceName: name, configs }],
    validateOnly,
  });
  return [responses[0]!.errorCode, responses[0]!.errorMessage];
}

async function replace(world: World, type: number, name: string, configs: Record<string, string | null>) {
  const { responses } = await world.call(handleAlterConfigs, {
    resources: [{ resourceType: type, resourceName: name, configs: configsOf(configs) }],
    validateOnly: false,
  });
  return [responses[0]!.errorCode, responses[0]!.errorMessage];
}

const fine = [ErrorCode.NONE, null];

describe('the configs of a topic', () => {
  it('are described with their source, and all or only those asked for', async () => {
    const world = await startNode({ config: { 'log.retention.ms': '7200000' } });
    await create(world, 'orders', { configs: configsOf({ 'max.message.bytes': '5000' }) });

    const all = await describeOne(world, resource.topic, 'orders', null, { includeSynonyms: true });
    const some = await describeOne(world, resource.topic, 'orders', ['retention.ms', 'nonsense']);

    expect(all.configs.length).to.be.greaterThan(25);
    expect((await describeOne(world, resource.topic, 'orders', [])).configs).to.have.length(all.configs.length);
    expect(some.configs.map(({ name }) => name)).to.deep.equal(['retention.ms']);
    expect(all.configs.find(({ name }) => name === 'max.message.bytes')).to.deep.include({
      value: '5000',
      configSource: 1,
      synonyms: [
        { name: 'max.message.bytes', value: '5000', source: 1 },
        { name: 'message.max.bytes', value: '1048588', source: 5 },
      ],
    });
    expect(await effective(world, resource.topic, 'orders', 'retention.ms')).to.deep.equal(['7200000', 4]);
  });

  it('are documented when asked', async () => {
    const world = await startNode();
    await create(world, 'orders');

    const told = await describeOne(world, resource.topic, 'orders', ['segment.bytes'], { includeDocumentation: true });
    const untold = await describeOne(world, resource.topic, 'orders', ['segment.bytes']);

    expect(told.configs[0]!.documentation).to.include('Accepted without effect');
    expect(untold.configs[0]!.documentation).to.equal(null);
  });

  it('change one by one and take effect on every node', async () => {
    const world = await startNode();
    const other = await startNode({ disk: world.disk, nodeId: 2 });
    await create(world, 'orders', { configs: configsOf({ 'retention.ms': '5' }) });

    const answer = await change(world, resource.topic, 'orders', [
      ['max.message.bytes', operation.set, '77'],
      ['retention.ms', operation.delete, null],
      ['cleanup.policy', operation.append, 'compact'],
    ]);
    await settle();

    expect(answer).to.deep.equal(fine);
    for (const { services } of [world, other]) {
      const { values, configs } = services.catalog.byName('orders')!;
      expect(values).to.deep.include({ maxMessageBytes: 77, cleanupPolicy: ['delete', 'compact'] });
      expect([...configs.keys()]).to.have.members(['max.message.bytes', 'cleanup.policy']);
    }
    expect(
      await change(world, resource.topic, 'orders', [['cleanup.policy', operation.subtract, 'delete']]),
    ).to.deep.equal(fine);
    expect(await effective(world, resource.topic, 'orders', 'cleanup.policy')).to.deep.equal(['compact', 1]);
  });

  it('are all replaced by the older request', async () => {
    const world = await startNode();
    await create(world, 'orders', { configs: configsOf({ 'retention.ms': '5' }) });

    expect(await replace(world, resource.topic, 'orders', { 'retention.bytes': '6' })).to.deep.equal(fine);

    expect(Object.fromEntries(world.services.catalog.byName('orders')!.configs)).to.deep.equal({
      'retention.bytes': '6',
    });
  });

  it('stay as they are when the change is only validated or is wrong', async () => {
    const world = await startNode();
    await create(world, 'orders');
    const { revision } = world.services.catalog.byName('orders')!;

    expect(await change(world, resource.topic, 'orders', [['retention.ms', operation.set, '5']], true)).to.deep.equal(
      fine,
    );
    const wrong: readonly [Change[], number, string][] = [
      [
        [['retention.ms', operation.set, 'soon']],
        ErrorCode.INVALID_CONFIG,
        'Invalid value soon for configuration retention.ms: Not a number of type LONG',
      ],
      [[['nonsense', operation.set, '1']], ErrorCode.INVALID_CONFIG, 'Unknown topic config name: nonsense'],
      [
        [['retention.ms', operation.append, '1']],
        ErrorCode.INVALID_CONFIG,
        "Can't APPEND to key retention.ms because its type is not LIST.",
      ],
      [
        [['retention.ms', operation.set, null]],
        ErrorCode.INVALID_REQUEST,
        'Null value not supported for : retention.ms',
      ],
      [
        [
          ['retention.ms', operation.set, '1'],
          ['retention.ms', operation.set, '2'],
        ],
        ErrorCode.INVALID_REQUEST,
        'Error due to duplicate config keys',
      ],
    ];
    for (const [changes, code, says] of wrong) {
      expect(await change(world, resource.topic, 'orders', changes)).to.deep.equal([code, says]);
    }

    expect(world.services.catalog.byName('orders')!.revision).to.equal(revision);
  });

  it('belong to a topic that exists', async () => {
    const world = await startNode();
    const set: Change[] = [['retention.ms', operation.set, '5']];

    expect(await change(world, resource.topic, 'none', set)).to.deep.equal([
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      "The topic 'none' does not exist.",
    ]);
    expect((await describeOne(world, resource.topic, 'none')).errorCode).to.equal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    for (const [code] of [
      await change(world, resource.topic, 'no/name', set),
      await replace(world, resource.topic, 'no/name', {}),
    ]) {
      expect(code).to.equal(ErrorCode.INVALID_TOPIC_EXCEPTION);
    }
    expect((await describeOne(world, resource.topic, 'no/name')).errorCode).to.equal(ErrorCode.INVALID_TOPIC_EXCEPTION);
  });

  it('end up as the same operations on a plain map would have them, whoever of two nodes makes each change', async () => {
    const lists = ['cleanup.policy'];
    const name = fc.constantFrom('retention.ms', 'retention.bytes', 'max.message.bytes', 'cleanup.policy');
    const step = fc.record({ node: fc.nat(1), name, code: fc.nat(3), number: fc.nat(9), replaces: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const first = await startNode();
        const nodes = [first, await startNode({ disk: first.disk, nodeId: 2 })];
        await create(first, 'orders');
        let model = new Map<string, string>();
        for (const { node, name: config, code, number, replaces } of steps) {
          const isList = lists.includes(config);
          const value = isList ? (number % 2 === 0 ? 'compact' : 'delete') : String(number);
          if (replaces) {
            expect(await replace(nodes[node]!, resource.topic, 'orders', { [config]: value })).to.deep.equal(fine);
            model = new Map([[config, value]]);
            continue;
          }
          const [errorCode] = await change(nodes[node]!, resource.topic, 'orders', [[config, code, value]]);
          const items = (model.get(config) ?? 'delete').split(',').filter((item) => item !== '');
          if (code === operation.set) model.set(config, value);
          else if (code === operation.delete) model.delete(config);
          else if (!isList) expect(errorCode).to.equal(ErrorCode.INVALID_CONFIG);
          else if (code === operation.append) model.set(config, [...new Set([...items, value])].join(','));
          else model.set(config, items.filter((item) => item !== value).join(','));
        }
        await settle();
        for (const { services } of nodes) {
          expect(Object.fromEntries(services.catalog.byName('orders')!.configs)).to.deep.equal(
            Object.fromEntries(model),
          );
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('the configs of brokers', () => {
  it('change for this broker or for all, which topics feel', async () => {
    const world = await startNode();
    const other = await startNode({ disk: world.disk, nodeId: 2 });
    await create(world, 'orders');
    await settle();

    expect(await change(world, resource.broker, '', [['message.max.bytes', operation.set, '70']])).to.deep.equal(fine);
    expect(await change(world, resource.broker, '1', [['message.max.bytes', operation.set, '71']])).to.deep.equal(fine);
    await settle();

    expect(await effective(world, resource.broker, '1', 'message.max.bytes')).to.deep.equal(['71', 2]);
    expect(await effective(world, resource.broker, '', 'message.max.bytes')).to.deep.equal(['70', 3]);
    expect(await effective(other, resource.broker, '2', 'message.max.bytes')).to.deep.equal(['70', 3]);
    expect(world.services.catalog.byName('orders')!.values.maxMessageBytes).to.equal(71);
    expect(other.services.catalog.byName('orders')!.values.maxMessageBytes).to.equal(70);
  });

  it('outlive a restart', async () => {
    const world = await startNode();
    await change(world, resource.broker, '1', [['message.max.bytes', operation.set, '71']]);

    const again = await startNode({ disk: world.disk });

    expect(again.services.config.messageMaxBytes).to.equal(71);
  });

  it('that only a restart can change, and those of another broker, are refused', async () => {
    const world = await startNode();

    expect(await change(world, resource.broker, '1', [['num.partitions', operation.set, '3']])).to.deep.equal([
      ErrorCode.INVALID_REQUEST,
      'Cannot update these configs dynamically: [num.partitions]',
    ]);
    expect((await change(world, resource.broker, '2', [['message.max.bytes', operation.set, '3']]))[0]).to.equal(
      ErrorCode.INVALID_REQUEST,
    );
    expect((await describeOne(world, resource.broker, '2')).errorCode).to.equal(ErrorCode.INVALID_REQUEST);
    expect((await describeOne(world, resource.broker, 'one')).errorCode).to.equal(ErrorCode.INVALID_REQUEST);
  });
});

describe('the log level', () => {
  it('is that of the one logger, and of the broker option', async () => {
    const world = await startNode();

    expect(await effective(world, resource.brokerLogger, '1', 'root')).to.deep.equal(['INFO', 6]);
    expect(await change(world, resource.brokerLogger, '1', [['root', operation.set, 'DEBUG']])).to.deep.equal(fine);

    expect(await effective(world, resource.brokerLogger, '1', 'root')).to.deep.equal(['DEBUG', 6]);
    expect(world.services.config.logLevel).to.equal('debug');
  });

  it('is checked', async () => {
    const world = await startNode();
    const invalid = ErrorCode.INVALID_REQUEST;
    const tried: readonly [string, Change, number][] = [
      ['1', ['root', operation.set, 'LOUD'], ErrorCode.INVALID_CONFIG],
      ['1', ['kafka.server', operation.set, 'INFO'], ErrorCode.INVALID_CONFIG],
      ['1', ['root', operation.delete, null], invalid],
      ['1', ['root', operation.append, 'INFO'], invalid],
      ['1', ['root', 9, 'INFO'], invalid],
      ['2', ['root', operation.set, 'INFO'], invalid],
      ['', ['root', operation.set, 'INFO'], invalid],
    ];
    for (const [name, entry, code] of tried) {
      expect((await change(world, resource.brokerLogger, name, [entry]))[0], entry.join(' ')).to.equal(code);
    }
    for (const name of ['', '2', 'x']) {
      expect((await describeOne(world, resource.brokerLogger, name)).errorCode).to.equal(invalid);
    }
    expect(world.services.config.logLevel).to.equal('info');
  });
});

describe('requests about configs', () => {
  it('refuse kinds of resources that are not served', async () => {
    const world = await startNode();
    for (const type of [resource.unknown, resource.clientMetrics, resource.group, 77]) {
      expect((await describeOne(world, type, 'x')).errorCode).to.equal(ErrorCode.INVALID_REQUEST);
      expect((await change(world, type, 'x', []))[0]).to.equal(ErrorCode.INVALID_REQUEST);
      expect((await replace(world, type, 'x', {}))[0]).to.equal(ErrorCode.INVALID_REQUEST);
    }
    expect((await replace(world, resource.brokerLogger, '1', { root: 'INFO' }))[0]).to.equal(ErrorCode.INVALID_REQUEST);
  });

  it('change nothing of a resource that is named twice, and still change the others', async () => {
    const world = await startNode();
    await create(world, 'twice');
    await create(world, 'once');
    const configs = [{ name: 'retention.ms', configOperation: operation.set, value: '5' }];
    const named = ['twice', 'once', 'twice'].map((resourceName) => ({ resourceType: 2, resourceName, configs }));

    const { responses } = await world.call(handleIncrementalAlterConfigs, { resources: named, validateOnly: false });
    const older = await world.call(handleAlterConfigs, { resources: named, validateOnly: false });

    for (const answers of [responses, older.responses]) {
      expect(answers.map(({ errorCode }) => errorCode)).to.deep.equal([
        ErrorCode.INVALID_REQUEST,
        ErrorCode.NONE,
        ErrorCode.INVALID_REQUEST,
      ]);
    }
    expect(world.services.catalog.byName('twice')!.configs.size).to.equal(0);
    expect(world.services.catalog.byName('once')!.configs.size).to.equal(1);
  });

  it('say when the store is away', async () => {
    let away = false;
    const world = await startNode({ faults: { beforePut: () => (away ? 'unavailable' : 'ok') } });
    await create(world, 'orders');
    away = true;

    expect(await change(world, resource.topic, 'orders', [['retention.ms', operation.set, '5']])).to.deep.equal([
      ErrorCode.REQUEST_TIMED_OUT,
      null,
    ]);
    expect((await replace(world, resource.broker, '1', { 'message.max.bytes': '5' }))[0]).to.equal(
      ErrorCode.REQUEST_TIMED_OUT,
    );
  });
});
