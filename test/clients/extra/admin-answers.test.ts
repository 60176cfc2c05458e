// Asks this broker and Apache Kafka the same admin requests, in all versions that both serve, and compares the answers
// field by field.

import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { apiVersions } from '../../../src/protocol/apis/api-versions.ts';
import type { AnyApi } from '../../../src/protocol/schema/define.ts';
import { type BrokerProcess, startBroker } from '../../support/broker-process.ts';
import { startKafka } from '../../support/kafka-process.ts';
import { ProtocolClient } from '../../support/protocol-client.ts';
import { exchanges, zeroId } from './admin-exchanges.ts';

/** Kafka's broker learns of a change a little after the client is told of it; a read is repeated for so long. */
const catchUpMs = 5_000;
const catchUpPollMs = 50;
const readOnly = /^(Metadata|Describe)/;

/** Differs between any two brokers, or is in its own words by intention. */
const incomparable = new Set(['host', 'port', 'clusterId', 'logDir', 'leaderEpoch', 'totalBytes', 'usableBytes']);
/** Kafka formats its storage with this set for the whole cluster (KIP-966). */
const setByKafka = 'min.insync.replicas';

interface Asked {
  readonly name: string;
  readonly broker: BrokerProcess;
  client: ProtocolClient;
  readonly idsByName: Map<string, string>;
}

describe('the answers to admin requests, beside those of Apache Kafka', () => {
  const asked: Asked[] = [];
  let served: ReadonlyMap<number, { readonly minVersion: number; readonly maxVersion: number }>;

  before(async function () {
    this.timeout(400_000);
    for (const [name, broker] of [
      ['Kafka', await startKafka()],
      ['this broker', await startBroker()],
    ] as const) {
      asked.push({ name, broker, client: await ProtocolClient.connect(broker.bootstrap), idsByName: new Map() });
    }
    const { apiKeys } = await asked[0]!.client.send(apiVersions, 0, {});
    served = new Map(apiKeys.map((each) => [each.apiKey, each]));
  });

  after(async function () {
    this.timeout(60_000);
    for (const { client, broker } of asked) {
      client.close();
      await broker.remove();
    }
  });

  for (const { what, api, versions, request } of exchanges) {
    it(`${api.name} ${what}`, async function () {
      this.timeout(60_000);
      for (const version of versionsToAsk(api, versions)) {
        const answer = (broker: Asked) => broker.client.send(api, version, request(version, broker.idsByName) as never);
        const deadline = Date.now() + (readOnly.test(api.name) ? catchUpMs : 0);
        for (;;) {
          const [kafkas, ours] = await Promise.all(
            asked.map(async (broker) => comparable(await answer(broker), broker)),
          );
          if (JSON.stringify(kafkas) !== JSON.stringify(ours) && Date.now() < deadline) {
            await delay(catchUpPollMs);
            continue;
          }
          expect(ours, `version ${version}`).to.deep.equal(kafkas);
          break;
        }
      }
    });
  }

  function versionsToAsk(api: AnyApi, versions: 'all' | 'latest' | readonly number[]): readonly number[] {
    const { minVersion, maxVersion } = served.get(api.key)!;
    if (versions === 'latest') return [api.versions.max];
    if (versions !== 'all') return versions;
    const first = Math.max(minVersion, api.versions.min);
    return Array.from({ length: Math.min(maxVersion, api.versions.max) - first + 1 }, (_, step) => first + step);
  }
});

/** The answer without what cannot be compared, lists in one order, topic ids as the names they belong to. */
function comparable(value: unknown, { idsByName }: Pick<Asked, 'idsByName'>, field = ''): unknown {
  if (incomparable.has(field)) return '*';
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) {
    const items = value.filter((item) => item?.name !== setByKafka).map((item) => comparable(item, { idsByName }));
    return items.sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
  }
  if (value === null || typeof value !== 'object') return told(value, field);
  const { name, topicId } = value as { name?: string | null; topicId?: string };
  if (name && topicId && topicId !== zeroId) idsByName.set(name, topicId);
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key,
      key === 'topicId' ? nameOf(part as string, idsByName) : comparable(part, { idsByName }, key),
    ]),
  );
}

function nameOf(id: string, idsByName: ReadonlyMap<string, string>): string {
  if (id === zeroId) return 'none';
  return [...idsByName].find(([, known]) => known === id)?.[0] ?? 'unknown';
}

/** Documentation is in other words; so is a message that only repeats what its error code says. */
function told(value: unknown, field: string): unknown {
  if (field === 'documentation') return value === null ? null : '*';
  if (field === 'errorMessage' && typeof value === 'string' && general.has(value)) return null;
  return value;
}

/** Kafka's own words for a code, which this broker leaves to the client, whose library has them too. */
const general = new Set([
  'This server does not host this topic-partition.',
  'This server does not host this topic ID.',
  'Leader election not needed for topic partition.',
]);
