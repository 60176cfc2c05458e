// The start's configuration: from files, environment and flags to typed values, or to a line for each thing that is wrong.

import { expect } from 'chai';
import { optionNames } from '../../src/config/broker-options.ts';
import { type BrokerConfig, loadConfig } from '../../src/config.ts';

type Environment = Record<string, string>;

function load(argv: string[], env: Environment = {}, files: Record<string, string> = {}) {
  return loadConfig(argv, env, (path) => {
    const content = files[path];
    if (content === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
    return content;
  });
}

function loaded(argv: string[], env?: Environment, files?: Record<string, string>): BrokerConfig {
  const result = load(argv, env, files);
  if (!('config' in result)) throw new Error(`not loaded: ${JSON.stringify(result)}`);
  return result.config;
}

function errors(argv: string[], env?: Environment, files?: Record<string, string>): readonly string[] {
  const result = load(argv, env, files);
  if (!('errors' in result)) throw new Error(`not refused: ${JSON.stringify(argv)}`);
  return result.errors;
}

function warnings(argv: string[], env?: Environment, files?: Record<string, string>): readonly string[] {
  const result = load(argv, env, files);
  if (!('warnings' in result)) throw new Error('not loaded');
  return result.warnings;
}

describe('the configuration at the start', () => {
  it('is complete without anything being set, and frozen', () => {
    const config = loaded([]);
    expect(config.listeners).to.deep.equal([{ name: 'PLAINTEXT', host: '', port: 9092 }]);
    expect(config.advertisedListeners).to.deep.equal([{ name: 'PLAINTEXT', host: 'localhost', port: 9092 }]);
    expect(config).to.include({ dataDir: './data', durability: 'fsync', nodeId: 1, numPartitions: 1 });
    expect(warnings([])).to.deep.equal([]);
    expect(Object.isFrozen(config)).to.equal(true);
  });

  it('takes the file, over it the environment, over it the flags', () => {
    const files = { 'broker.properties': 'num.partitions=2\nlog.retention.hours=2\ndata.dir=/file\n' };
    const env = { SARGASSO_LOG_RETENTION_HOURS: '3', SARGASSO_DATA_DIR: '/environment', PATH: '/bin' };
    const config = loaded(['--config', 'broker.properties', '--data.dir=/flag'], env, files);
    expect(config).to.include({ numPartitions: 2, logRetentionHours: 3, dataDir: '/flag' });
  });

  it('takes flags with and without an equals sign, the last of a name winning', () => {
    expect(loaded(['--num.partitions', '3', '--num.partitions=4']).numPartitions).to.equal(4);
    expect(loaded(['--data.dir=--odd=name']).dataDir).to.equal('--odd=name');
  });

  it('takes several files, the later winning, and one that the environment names first', () => {
    const files = {
      a: 'num.partitions=2\nbroker.rack=a',
      b: 'num.partitions=3',
      c: 'num.partitions=4\nlog.level=warn',
    };
    const config = loaded(['--config=a', '--config', 'b'], { SARGASSO_CONFIG: 'c' }, files);
    expect(config).to.include({ numPartitions: 3, brokerRack: 'a', logLevel: 'warn' });
  });

  it('starts from the server.properties that Apache Kafka ships, and names what has no effect', () => {
    const properties = `
      # combined broker and controller
      process.roles=broker,controller
      node.id=7
      controller.quorum.bootstrap.servers=localhost:9093
      listeners=PLAINTEXT://:9092,CONTROLLER://:9093
      inter.broker.listener.name=PLAINTEXT
      advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
      controller.listener.names=CONTROLLER
      listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL
      num.network.threads=3
      log.dirs=/tmp/kraft-combined-logs
      log.retention.hours=168`;
    const config = loaded(['--config', 'server.properties'], {}, { 'server.properties': properties });
    expect(config.nodeId).to.equal(7);
    expect(config.listeners.map(({ name }) => name)).to.deep.equal(['PLAINTEXT']);
    expect(config.advertisedListeners).to.deep.equal([{ name: 'PLAINTEXT', host: 'localhost', port: 9092 }]);
    const told = warnings(['--config', 'server.properties'], {}, { 'server.properties': properties });
    expect(told).to.include(
      'num.network.threads (server.properties:11) has no effect: an event loop serves everything; there are no pools of threads to size',
    );
    expect(told).to.include("data goes to data.dir = './data'");
    expect(told.some((line) => line.startsWith('log.retention.hours'))).to.equal(false);
  });

  it('takes the options of a single listener without effect', () => {
    const option = 'listener.name.internal.scram-sha-256.sasl.jaas.config';
    expect(warnings([`--${option}=secret`])).to.deep.equal([
      `${option} (flag --${option}) has no effect: options of single listeners are not supported`,
    ]);
  });

  it('takes broker.id for node.id, and both if they agree', () => {
    expect(loaded(['--broker.id=3']).nodeId).to.equal(3);
    expect(loaded(['--broker.id=3', '--node.id=3']).nodeId).to.equal(3);
    expect(errors(['--broker.id=3', '--node.id=4'])).to.deep.equal([
      "broker.id = '3' (flag --broker.id) is refused: it differs from node.id, which is 4",
    ]);
  });

  describe('stops the start', () => {
    it('with the option, its origin, the value and what is allowed', () => {
      expect(errors(['--num.partitions=0'])).to.deep.equal([
        "num.partitions = '0' (flag --num.partitions) is refused: Value must be at least 1; allowed: a whole number from 1 to 2147483647",
      ]);
      expect(errors([], { SARGASSO_DURABILITY: 'maybe' })).to.deep.equal([
        "durability = 'maybe' (environment variable SARGASSO_DURABILITY) is refused: String must be one of: fsync, os; allowed: fsync, os",
      ]);
      expect(errors(['--config=f'], {}, { f: '\n\nauto.create.topics.enable=yes' })).to.deep.equal([
        "auto.create.topics.enable = 'yes' (f:3) is refused: Expected value to be either true or false; allowed: true or false",
      ]);
    });

    it('with one line for each thing that is wrong', () => {
      expect(errors(['--num.partitions=x', '--shards=0', 'word'], { SARGASSO_NOPE: '1' })).to.have.length(4);
    });

    it('for the value that wins only', () => {
      expect(loaded(['--num.partitions=2'], { SARGASSO_NUM_PARTITIONS: 'x' }).numPartitions).to.equal(2);
    });

    it('for unknown names, naming near ones', () => {
      const file = { f: 'num.partition=1\nquite.another.thing=1' };
      expect(errors(['--config=f', '--listener=x'], { SARGASSO_DATADIR: 'x' }, file)).to.deep.equal([
        'f:1: there is no option num.partition; did you mean num.partitions?',
        'f:2: there is no option quite.another.thing; --help lists all options',
        'environment variable SARGASSO_DATADIR: there is no such option; did you mean SARGASSO_DATA_DIR?',
        'flag --listener: there is no such option; did you mean listeners?',
      ]);
    });

    it('for a file that cannot be read', () => {
      expect(errors(['--config=nowhere'])).to.deep.equal([
        "config file nowhere cannot be read: ENOENT: no such file or directory, open 'nowhere'",
      ]);
    });

    it('for a flag without a value', () => {
      expect(errors(['--data.dir'])).to.deep.equal(['flag --data.dir: a value is missing; write --data.dir=value']);
      expect(errors(['--data.dir', '--shards=4'])).to.have.length(1);
    });

    it('rather than ignore a safeguard', () => {
      const [line] = errors(['--authorizer.class.name=org.example.Authorizer']);
      expect(line).to.contain('Java classes cannot be loaded');
      expect(loaded(['--authorizer.class.name=']).nodeId).to.equal(1);
    });

    it('for values that do not go together', () => {
      expect(errors(['--group.min.session.timeout.ms=9', '--group.max.session.timeout.ms=8'])[0]).to.contain(
        'above group.max.session.timeout.ms',
      );
      expect(errors(['--log.retention.minutes=0'])[0]).to.contain('unlimited (-1) or at least 1');
      expect(errors(['--log.cleaner.max.compaction.lag.ms=5', '--log.cleaner.min.compaction.lag.ms=6'])).to.have.length(
        1,
      );
    });
  });

  describe('--help and --version', () => {
    it('win over everything that is wrong', () => {
      expect(load(['--nope', '--help'])).to.have.property('help');
      expect(load(['--version', '--num.partitions=x'])).to.deep.equal({ version: true });
    });

    it('help names options with defaults and units', () => {
      const result = load(['-h']);
      const help = 'help' in result ? result.help : '';
      expect(help).to.contain('  log.retention.check.interval.ms   (default: 300000 ms)');
      expect(help).to.contain('  broker.rack   (default: unset)');
      expect(Math.max(...help.split('\n').map((line) => line.length))).to.be.lessThan(125);
    });
  });

  it('has a variable of its own for each option', () => {
    const variables = optionNames.map((name) => name.toUpperCase().replaceAll('.', '_'));
    expect(new Set(variables).size).to.equal(optionNames.length);
    expect(variables).not.to.include('CONFIG');
  });
});
