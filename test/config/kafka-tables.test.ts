// Our tables of configs beside Kafka 4.3.1's, and our verdicts on values beside Kafka's on thousands of random ones.

import { expect } from 'chai';
import fc from 'fast-check';
import {
  topicConfigDefinition,
  topicConfigNames,
  topicConfigSynonyms,
} from '../../src/actors/admin/topic-config-definitions.ts';
import { describeTopicConfigs, parseTopicConfigs } from '../../src/actors/admin/topic-configs.ts';
import { optionDefinition, optionNames, ownOptionNames } from '../../src/config/broker-options.ts';
import { parseProperties } from '../../src/config/properties-file.ts';
import { printDouble } from '../../src/config/value-types.ts';
import { brokerConfigWith } from '../../src/config.ts';
import { askKafka, type KafkaConfigAnswer } from './kafka-configs.ts';

/** Texts that are right, nearly right or wrong for a config of any type. */
const valueText = fc.oneof(
  fc.constantFrom(
    'true',
    'FALSE',
    'delete',
    'compact',
    'compact,delete',
    'delete,',
    'gzip',
    'zstd',
    'producer',
    'none',
  ),
  fc.constantFrom('CreateTime', 'LogAppendTime', 'createtime', '*', '0:1', '0:1,1:2', '0:x', '', ' ', ',', ' 5 ', '+7'),
  fc.constantFrom(
    '0.5',
    '1.0',
    '1.5',
    '-1',
    '-2',
    '-3',
    '1e3',
    '0x1',
    '1_0',
    '2147483647',
    '2147483648',
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775809',
  ),
  fc.integer({ min: -3, max: 25 }).map(String),
  fc.integer({ min: -1_000_000_000_000, max: 1_000_000_000_000 }).map(String),
  fc.double({ noNaN: true, min: -2, max: 2 }).map(String),
);
const overrides = fc.dictionary(fc.constantFrom(...topicConfigNames, 'no.such.config'), valueText, {
  minKeys: 1,
  maxKeys: 2,
});

const propertiesText = fc
  .array(
    fc.constantFrom(
      'a',
      'b.c',
      ' ',
      '\t',
      '=',
      ':',
      '\\',
      '\n',
      '\r\n',
      '#',
      '!',
      '\\\n  ',
      '\\u0041',
      '\\t',
      'é',
      '\\=',
      '\f',
    ),
    { maxLength: 25 },
  )
  .map((parts) => parts.join(''));

const decimal = fc
  .tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: -9, max: 12 }))
  .map(([digits, power]) => Number(`${digits}e${power}`));

describe("Kafka's configs", function () {
  this.timeout(300_000);
  const samples = {
    topicConfigs: fc.sample(overrides, { seed: 1, numRuns: 4000 }),
    files: fc.sample(propertiesText, { seed: 2, numRuns: 4000 }),
    // Not just any: for some numbers Java before 19 does not print the shortest form (JDK-4511638).
    doubles: fc.sample(decimal, { seed: 3, numRuns: 1000 }),
  };
  let kafka: KafkaConfigAnswer;

  before(async () => {
    kafka = await askKafka(samples);
  });

  it('of topics are all here, in the same order, with the same types and defaults', () => {
    const ours = topicConfigNames.map((name) => {
      const { type, defaultText, internal = false } = topicConfigDefinition(name)!;
      return { name, type, default: defaultText, internal };
    });
    expect(ours).to.deep.equal(kafka.topic);
  });

  it('of topics take their defaults from the same broker options, in the same order and units', () => {
    const ours = Object.fromEntries(
      [...topicConfigSynonyms].map(([name, synonyms]) => [
        name,
        synonyms.map((synonym) => ({ name: synonym.name, five: String(5n * synonym.factor) })),
      ]),
    );
    expect(ours).to.deep.equal(kafka.synonyms);
  });

  it('of brokers are all here, with the same types, and the same defaults but where a row says why not', () => {
    const differing = kafka.broker.flatMap((row) => {
      const definition = optionDefinition(row.name);
      if (definition === undefined) return [`${row.name} is missing`];
      const { type, defaultText, internal = false, defaultDiffers } = definition;
      const same = (defaultText === row.default) === (defaultDiffers === undefined);
      if (type === row.type && internal === row.internal && same) return [];
      return [`${row.name}: ${type} ${defaultText} ${internal}, in Kafka ${row.type} ${row.default} ${row.internal}`];
    });
    expect(differing).to.deep.equal([]);
  });

  it('are the only broker options besides those that are marked as our own', () => {
    const known = new Set([...kafka.broker.map((row) => row.name), ...Object.keys(kafka.dynamic)]);
    expect(optionNames.filter((name) => !known.has(name)).sort()).to.deep.equal([...ownOptionNames].sort());
  });

  it('can be changed on a running broker where Kafka allows it, but for listeners', () => {
    const fixed = ['listeners', 'listener.security.protocol.map'];
    const ours = optionNames
      .filter((name) => optionDefinition(name)!.dynamic !== undefined && !ownOptionNames.has(name))
      .map((name) => [name, optionDefinition(name)!.dynamic]);
    const theirs = Object.entries(kafka.dynamic).filter(([name]) => !fixed.includes(name));
    expect(Object.fromEntries(ours)).to.deep.equal(Object.fromEntries(theirs));
  });

  it('of topics are refused for the same values with the same words', () => {
    const broker = brokerConfigWith();
    let refused = 0;
    for (const [index, configs] of samples.topicConfigs.entries()) {
      const parsed = parseTopicConfigs(new Map(Object.entries(configs)), broker);
      const ours = 'invalid' in parsed ? parsed.invalid.message : null;
      if (ours !== null) refused++;
      expect(ours, JSON.stringify(configs)).to.equal(kafka.verdicts[index]);
    }
    expect(refused).to.be.within(1000, 3900);
  });

  it('files are read as Java reads them', () => {
    for (const [index, file] of samples.files.entries()) {
      // A lone backslash in the last line is an empty name with an empty value to Java, nothing to us.
      const { '': _ours, ...ours } = Object.fromEntries(parseProperties(file).map(({ name, text }) => [name, text]));
      const { '': _theirs, ...theirs } = kafka.files[index]!;
      expect(ours, JSON.stringify(file)).to.deep.equal(theirs);
    }
  });

  it('numbers are printed as Java prints them', () => {
    expect(samples.doubles.map(printDouble)).to.deep.equal(kafka.doubles);
  });

  it('are described with a document that says so where they have no effect', () => {
    const described = describeTopicConfigs(new Map(), brokerConfigWith(), { includeDocumentation: true });
    const silent = described.filter(({ name, documentation }) => {
      const reason = topicConfigDefinition(name)!.withoutEffect;
      return reason !== undefined && !documentation!.includes(`Accepted without effect: ${reason}`);
    });
    expect(silent).to.deep.equal([]);
  });
});
