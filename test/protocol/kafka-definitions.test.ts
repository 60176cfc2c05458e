// Every definition of ours against Kafka's own: names, order, types, versions, nullability, tags, defaults, ignorable.

import { expect } from 'chai';
import { versionsOfKafka } from '../../scripts/docs-protocol.ts';
import { apis } from '../../src/protocol/apis/index.ts';
import { errors } from '../../src/protocol/errors.ts';
import { defaultOf } from '../../src/protocol/schema/defaults.ts';
import type { Field, FieldType, StructFields } from '../../src/protocol/schema/define.ts';
import { inRange, type VersionRange, type VersionSpec, versionRange } from '../../src/protocol/schema/versions.ts';
import { kafkaVersion } from '../support/kafka-jars.ts';
import { type KafkaField, type KafkaMessage, kafkaErrors, kafkaMessages } from './support/kafka-messages.ts';
import { recordCodecs } from './support/messages.ts';

const kafkaUpTo39 = 'Kafka 4 dropped the oldest versions; served as up to Kafka 3.9';
const oldField = `a field of a version that Kafka 4 dropped (${kafkaUpTo39})`;
const unstable = 'version 6 is marked unstable in Kafka 4.3 (KIP-939)';

/** What differs from Kafka's definitions, on purpose. A difference that is not here fails, and so does one that is gone. */
const differences: Readonly<Record<string, string>> = {
  'ProduceRequest: versions 0-13, Kafka 3-13': `${kafkaUpTo39}; Kafka 4 advertises them too (KAFKA-18659)`,
  'ProduceResponse: versions 0-13, Kafka 3-13': kafkaUpTo39,
  'FetchRequest: versions 0-18, Kafka 4-18': kafkaUpTo39,
  'FetchResponse: versions 0-18, Kafka 4-18': kafkaUpTo39,
  'ListOffsetsRequest: versions 0-11, Kafka 1-11': kafkaUpTo39,
  'ListOffsetsResponse: versions 0-11, Kafka 1-11': kafkaUpTo39,
  'ListOffsetsRequest.topics.partitions.maxNumOffsets: not in Kafka': oldField,
  'ListOffsetsResponse.topics.partitions.oldStyleOffsets: not in Kafka': oldField,
  'OffsetCommitRequest: versions 0-10, Kafka 2-10': kafkaUpTo39,
  'OffsetCommitResponse: versions 0-10, Kafka 2-10': kafkaUpTo39,
  'OffsetCommitRequest.topics.partitions.commitTimestamp: not in Kafka': oldField,
  'OffsetFetchRequest: versions 0-10, Kafka 1-10': kafkaUpTo39,
  'OffsetFetchResponse: versions 0-10, Kafka 1-10': kafkaUpTo39,
  'CreateTopicsRequest: versions 0-7, Kafka 2-7': kafkaUpTo39,
  'CreateTopicsResponse: versions 0-7, Kafka 2-7': kafkaUpTo39,
  'DeleteTopicsRequest: versions 0-6, Kafka 1-6': kafkaUpTo39,
  'DeleteTopicsResponse: versions 0-6, Kafka 1-6': kafkaUpTo39,
  'OffsetForLeaderEpochRequest: versions 0-4, Kafka 2-4': kafkaUpTo39,
  'OffsetForLeaderEpochResponse: versions 0-4, Kafka 2-4': kafkaUpTo39,
  'WriteTxnMarkersRequest: versions 0-2, Kafka 1-2': kafkaUpTo39,
  'WriteTxnMarkersResponse: versions 0-2, Kafka 1-2': kafkaUpTo39,
  'DescribeConfigsRequest: versions 0-4, Kafka 1-4': kafkaUpTo39,
  'DescribeConfigsResponse: versions 0-4, Kafka 1-4': kafkaUpTo39,
  'DescribeConfigsResponse.results.configs.isDefault: not in Kafka': oldField,
  'DescribeLogDirsRequest: versions 0-5, Kafka 1-5': kafkaUpTo39,
  'DescribeLogDirsResponse: versions 0-5, Kafka 1-5': kafkaUpTo39,
  'InitProducerIdRequest: versions 0-5, Kafka 0-6': unstable,
  'InitProducerIdResponse: versions 0-5, Kafka 0-6': unstable,
  'InitProducerIdRequest.enable2Pc: only in Kafka': unstable,
  'InitProducerIdRequest.keepPreparedTxn: only in Kafka': unstable,
  'InitProducerIdResponse.ongoingTxnProducerId: only in Kafka': unstable,
  'InitProducerIdResponse.ongoingTxnProducerEpoch: only in Kafka': unstable,
  'OffsetCommitKey: versions 0-1, Kafka 1-1': 'Kafka 4 has LegacyOffsetCommitKey for version 0, with the same fields',
};

interface Ours {
  readonly name: string;
  readonly key: number | undefined;
  readonly versions: VersionRange;
  readonly flexible: VersionSpec | 'none';
  readonly fields: StructFields;
}

function ours(): Ours[] {
  const messages = apis.flatMap((api) =>
    (['request', 'response'] as const).map((direction) => ({
      name: `${api.name}${direction === 'request' ? 'Request' : 'Response'}`,
      key: api.key,
      versions: api.versions,
      flexible: api.definition.flexible,
      fields: api.definition[direction],
    })),
  );
  const records = recordCodecs.map(({ name, versions, definition }) => ({
    name,
    key: undefined,
    versions,
    flexible: definition.flexible,
    fields: definition.fields,
  }));
  return [...messages, ...records];
}

/** The versions of `spec` among `all`, so that `'0+'` and `'0-5'` are the same thing where 5 is the last. */
function within(spec: string | undefined, all: readonly number[]): number[] {
  const range = versionRange(spec as VersionSpec | undefined);
  return all.filter((version) => inRange(range, version));
}

/** In a coordinator's key the version tells its kind. Kafka 4 writes that down as the apiKey of a schema of version 0. */
function keyByItsKind(message: KafkaMessage): KafkaMessage {
  if (message.type !== 'coordinator-key') return message;
  const kind = String(message.apiKey);
  return {
    ...message,
    validVersions: kind,
    fields: message.fields.map((field) => ({ ...field, versions: '0+' })),
  };
}

function lowerFirst(name: string): string {
  return name[0]!.toLowerCase() + name.slice(1);
}

function typeName(type: FieldType): string {
  if (type.kind === 'array') return `[]${typeName(type.element)}`;
  return type.kind === 'struct' ? 'struct' : type.name;
}

/** Kafka's name of a struct type is of no meaning on the wire. */
function kafkaTypeName(type: string): string {
  return type.replace(/[A-Z].*$/, 'struct');
}

function kafkaDefault(field: KafkaField): unknown {
  const given = field.default;
  const type = field.type;
  if (type.startsWith('[]')) return given === 'null' ? null : [];
  if (given === 'null') return null;
  switch (type) {
    case 'bool':
      return String(given ?? 'false') === 'true';
    case 'int64':
      return BigInt(String(given ?? 0));
    case 'string':
      return given ?? '';
    case 'uuid':
      return 'AAAAAAAAAAAAAAAAAAAAAA';
    case 'bytes':
      return Buffer.alloc(0);
    case 'records':
      return null;
    default:
      return /^[A-Z]/.test(type) ? 'struct of defaults' : Number(given ?? 0);
  }
}

function ourDefault(field: Field): unknown {
  const value = defaultOf(field);
  return field.type.kind === 'struct' && value !== null ? 'struct of defaults' : value;
}

function show(value: unknown): string {
  return typeof value === 'bigint' ? `${value}n` : Buffer.isBuffer(value) ? 'no bytes' : JSON.stringify(value);
}

class Comparison {
  readonly found: string[] = [];
  private readonly message: KafkaMessage;

  constructor(message: KafkaMessage) {
    this.message = message;
  }

  /** `all`: the versions in which the struct around the field exists; what is said of others means nothing. */
  private field(path: string, our: Field, kafka: KafkaField, all: readonly number[]): void {
    const { options } = our;
    const check = (what: string, left: unknown, right: unknown): void => {
      if (show(left) !== show(right)) this.found.push(`${path}: ${what} ${show(left)}, Kafka ${show(right)}`);
    };
    const versions = within(our.versions, all);
    check('type', typeName(our.type), kafkaTypeName(kafka.type));
    check('versions', versions, within(kafka.versions ?? kafka.taggedVersions, all));
    check('nullable', within(options.nullable, versions), within(kafka.nullableVersions, versions));
    check('tag', options.tag, kafka.tag);
    const tagged = options.tag === undefined ? undefined : (options.tagged ?? our.versions);
    check('tagged', within(tagged, versions), within(kafka.taggedVersions, versions));
    check('default', ourDefault(our), kafkaDefault(kafka));
    check('ignorable', options.ignorable === true, String(kafka.ignorable) === 'true');
    const element = our.type.kind === 'array' ? our.type.element : our.type;
    if (element.kind === 'struct') {
      const structName = kafka.type.replace('[]', '');
      const common = this.message.commonStructs?.find(({ name }) => name === structName);
      this.fields(path, element.fields, kafka.fields ?? common?.fields ?? [], versions);
    }
  }

  fields(path: string, our: StructFields, kafka: readonly KafkaField[], all: readonly number[]): void {
    const kafkaByName = new Map(kafka.map((field) => [lowerFirst(field.name), field]));
    for (const [name, field] of Object.entries(our)) {
      const theirs = kafkaByName.get(name);
      if (theirs === undefined) this.found.push(`${path}.${name}: not in Kafka`);
      else this.field(`${path}.${name}`, field, theirs, all);
    }
    for (const name of kafkaByName.keys()) if (!(name in our)) this.found.push(`${path}.${name}: only in Kafka`);
    const shared = Object.keys(our).filter((name) => kafkaByName.has(name));
    const order = [...kafkaByName.keys()].filter((name) => name in our);
    if (shared.join() !== order.join()) this.found.push(`${path}: order ${shared.join()}, Kafka ${order.join()}`);
  }
}

function compare(our: Ours, message: KafkaMessage): string[] {
  const kafka = keyByItsKind(message);
  const comparison = new Comparison(kafka);
  const { min, max } = versionRange(kafka.validVersions as VersionSpec);
  const { found } = comparison;
  if (our.key !== undefined && our.key !== kafka.apiKey) {
    found.push(`${our.name}: key ${our.key}, Kafka ${kafka.apiKey}`);
  }
  if (our.versions.min !== min || our.versions.max !== max) {
    found.push(`${our.name}: versions ${our.versions.min}-${our.versions.max}, Kafka ${min}-${max}`);
  }
  if (our.flexible !== kafka.flexibleVersions) {
    found.push(`${our.name}: flexible ${our.flexible}, Kafka ${kafka.flexibleVersions}`);
  }
  const { versions } = our;
  const all = Array.from({ length: versions.max - versions.min + 1 }, (_, index) => versions.min + index);
  comparison.fields(our.name, our.fields, kafka.fields, all);
  return found;
}

describe(`definitions, beside those of Kafka ${kafkaVersion}`, function () {
  this.timeout(600_000);

  it('agree but for the differences listed here', async () => {
    const kafka = await kafkaMessages();
    const found = ours().flatMap((our) => {
      const theirs = kafka.get(our.name);
      return theirs === undefined ? [`${our.name}: not in Kafka`] : compare(our, theirs);
    });
    const unexpected = found.filter((difference) => !Object.hasOwn(differences, difference));
    expect(unexpected.join('\n')).to.equal('');
    const gone = Object.keys(differences).filter((difference) => !found.includes(difference));
    expect(gone.join('\n'), 'listed, but no difference any more').to.equal('');
  });

  it('are those that the documentation compares ours with', async () => {
    const kafka = await kafkaMessages();
    const different = apis
      .map((api) => ({ api, kafka: kafka.get(`${api.name}Request`)!.validVersions }))
      .filter(
        ({ api, kafka }) => kafka !== `${api.versions.min}-${api.versions.max}` && kafka !== `${api.versions.min}`,
      );
    expect(Object.fromEntries(different.map(({ api, kafka }) => [api.name, kafka]))).to.deep.equal(
      Object.fromEntries(Object.entries(versionsOfKafka).map(([name, { versions }]) => [name, versions])),
    );
  });

  it('have the same error codes, names and retriability', async () => {
    const table = errors.map(({ code, name, retriable }) => `${code} ${name} ${retriable}`);
    expect(table).to.deep.equal(await kafkaErrors());
  });
});
