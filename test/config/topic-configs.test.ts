// A topic's configuration over the broker's, and what DescribeConfigs tells of it. The expected answers are those that
// Kafka 4.3.1 gives with the same options.

import { expect } from 'chai';
import { configSource } from '../../src/actors/admin/described-config.ts';
import {
  compressionLevel,
  describeTopicConfigs,
  parseTopicConfigs,
  topicConfigValues,
} from '../../src/actors/admin/topic-configs.ts';
import { brokerConfigWith } from '../../src/config.ts';

const values = (overrides: Record<string, string>, options: Record<string, string> = {}) =>
  topicConfigValues(new Map(Object.entries(overrides)), brokerConfigWith(options));

function describedAs(name: string, overrides: Record<string, string>, options: Record<string, string> = {}) {
  const all = describeTopicConfigs(new Map(Object.entries(overrides)), brokerConfigWith(options), {
    includeSynonyms: true,
  });
  const { value, configSource: source, synonyms } = all.find((config) => config.name === name)!;
  return { value, source, synonyms: synonyms.map((synonym) => `${synonym.name}=${synonym.value} ${synonym.source}`) };
}

describe("a topic's configuration", () => {
  it('follows the broker option that rules, in its unit', () => {
    expect(values({}).retentionMs).to.equal(604_800_000n);
    expect(values({}, { 'log.retention.hours': '2' }).retentionMs).to.equal(7_200_000n);
    expect(values({}, { 'log.retention.hours': '2', 'log.retention.minutes': '3' }).retentionMs).to.equal(180_000n);
    expect(values({}, { 'log.retention.minutes': '3', 'log.retention.ms': '4' }).retentionMs).to.equal(4n);
    expect(values({ 'retention.ms': '5' }, { 'log.retention.ms': '4' }).retentionMs).to.equal(5n);
  });

  it('is unlimited with a negative number of hours', () => {
    expect(values({}, { 'log.retention.hours': '-5' }).retentionMs).to.equal(-1n);
  });

  it('is described with its sources, the strongest first', () => {
    expect(describedAs('retention.bytes', { 'retention.bytes': '+5' }, { 'log.retention.bytes': '7' })).to.deep.equal({
      value: '5',
      source: configSource.topic,
      synonyms: ['retention.bytes=5 1', 'log.retention.bytes=7 4', 'log.retention.bytes=-1 5'],
    });
    expect(describedAs('cleanup.policy', { 'cleanup.policy': 'compact, delete' })).to.deep.equal({
      value: 'compact,delete',
      source: configSource.topic,
      synonyms: ['cleanup.policy=compact,delete 1', 'log.cleanup.policy=delete 5'],
    });
    expect(describedAs('max.message.bytes', {}, { 'message.max.bytes': '2000000' })).to.deep.equal({
      value: '2000000',
      source: configSource.staticBroker,
      synonyms: ['message.max.bytes=2000000 4', 'message.max.bytes=1048588 5'],
    });
  });

  it('does not name hours and minutes as the source of a time in ms, which Kafka does not either', () => {
    expect(describedAs('retention.ms', {}, { 'log.retention.hours': '24' })).to.deep.equal({
      value: '86400000',
      source: configSource.default,
      synonyms: [],
    });
  });

  it('is described with all that Kafka has, but for what is internal and not set', () => {
    const names = (overrides: Record<string, string>) =>
      describeTopicConfigs(new Map(Object.entries(overrides)), brokerConfigWith()).map(({ name }) => name);
    expect(names({})).to.have.length(33).and.not.include('internal.segment.bytes');
    expect(names({ 'internal.segment.bytes': '100' })).to.have.length(34);
  });

  it('drops stored overrides that this release does not take, and only those', () => {
    const stored = values({
      'of.a.later.release': '1',
      'retention.ms': 'x',
      'segment.ms': '5',
      'cleanup.policy': 'zip',
    });
    expect(stored).to.deep.include({ retentionMs: 604_800_000n, segmentMs: 5n, cleanupPolicy: ['delete'] });
    expect(values({ 'min.compaction.lag.ms': '9', 'max.compaction.lag.ms': '8' }).maxCompactionLagMs).to.equal(8n);
    expect(values({ 'remote.storage.enable': 'true' }).remoteStorageEnable).to.equal(false);
  });

  it("is judged together with the broker's options", () => {
    const broker = brokerConfigWith({ 'log.cleaner.max.compaction.lag.ms': '10' });
    expect(parseTopicConfigs(new Map([['min.compaction.lag.ms', '11']]), broker)).to.deep.equal({
      invalid: {
        name: 'min.compaction.lag.ms',
        message: 'conflict topic config setting min.compaction.lag.ms (11) > max.compaction.lag.ms (10)',
      },
    });
  });

  it('is not misled by names that every object has', () => {
    for (const name of ['constructor', '__proto__', 'toString']) {
      const parsed = parseTopicConfigs(new Map([[name, '1']]), brokerConfigWith());
      expect(parsed).to.have.nested.property('invalid.message', `Unknown topic config name: ${name}`);
    }
  });

  it('gives the level of the codec that the broker compresses with', () => {
    const level = (overrides: Record<string, string>) => compressionLevel(values(overrides));
    expect(level({})).to.equal(undefined);
    expect(level({ 'compression.type': 'gzip' })).to.equal(undefined);
    expect(level({ 'compression.type': 'gzip', 'compression.gzip.level': '9' })).to.equal(9);
    expect(level({ 'compression.type': 'zstd', 'compression.zstd.level': '-7' })).to.equal(-7);
    expect(level({ 'compression.type': 'lz4', 'compression.lz4.level': '17' })).to.equal(undefined);
  });
});
