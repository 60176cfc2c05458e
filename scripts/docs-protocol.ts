// docs/protocol.md from the routes. `npm run docs` writes it, a test finds it out of date.

import { routes } from '../src/actors/router/routes.ts';
import { apis } from '../src/protocol/apis/index.ts';
import type { AnyApi } from '../src/protocol/schema/define.ts';
import type { VersionRange } from '../src/protocol/schema/versions.ts';
import { elementsMax } from '../src/protocol/wire/reader.ts';

export const file = 'docs/protocol.md';

const oldVersions = 'Kafka 4 dropped the oldest versions; here they are served as up to Kafka 3.9';

/** The APIs whose versions differ from those Kafka 4.3.1 defines (a test holds this against Kafka), and why. */
export const versionsOfKafka: Readonly<Record<string, { readonly versions: string; readonly why: string }>> = {
  Produce: { versions: '3-13', why: `${oldVersions} (Kafka 4 advertises them too, without serving them: KAFKA-18659)` },
  Fetch: { versions: '4-18', why: oldVersions },
  ListOffsets: { versions: '1-11', why: oldVersions },
  OffsetCommit: { versions: '2-10', why: oldVersions },
  OffsetFetch: { versions: '1-10', why: oldVersions },
  CreateTopics: { versions: '2-7', why: oldVersions },
  DeleteTopics: { versions: '1-6', why: oldVersions },
  OffsetForLeaderEpoch: { versions: '2-4', why: oldVersions },
  WriteTxnMarkers: { versions: '1-2', why: oldVersions },
  DescribeConfigs: { versions: '1-4', why: oldVersions },
  DescribeLogDirs: { versions: '1-5', why: oldVersions },
  InitProducerId: {
    versions: '0-6',
    why: 'version 6 (KIP-939) is not stable in Kafka 4.3, which serves it only on request',
  },
};

function rangeText({ min, max }: VersionRange): string {
  return min === max ? `${min}` : `${min}-${max}`;
}

function flexibleText({ flexibleFrom, versions }: AnyApi): string {
  return flexibleFrom > versions.max
    ? 'none'
    : rangeText({ min: Math.max(flexibleFrom, versions.min), max: versions.max });
}

function row(api: AnyApi): string {
  const kafka = versionsOfKafka[api.name]?.versions;
  return `| ${api.key} | ${api.name} | ${rangeText(api.versions)} | ${flexibleText(api)} | ${kafka ?? 'the same'} |`;
}

function differences(served: readonly AnyApi[]): string {
  const namesByReason = new Map<string, string[]>();
  for (const { name } of served) {
    const why = versionsOfKafka[name]?.why;
    if (why !== undefined) namesByReason.set(why, [...(namesByReason.get(why) ?? []), name]);
  }
  return [...namesByReason].map(([why, names]) => `- ${names.join(', ')}: ${why}.`).join('\n');
}

export function content(): string {
  const served = routes.map(({ api }) => api).sort((left, right) => left.key - right.key);
  const unserved = apis.filter((api) => !served.includes(api)).map(({ key, name }) => `${name} (${key})`);
  return `<!-- Written by \`npm run docs\` from the routes; do not edit. -->

# Protocol

Sargasso speaks the [Kafka protocol](https://kafka.apache.org/protocol.html). These are the APIs and versions that it
serves and ApiVersions lists; any other gets the protocol's answer or a closed connection, as below. Flexible versions
(KIP-482) are those with compact lengths and tagged fields.

| key | API | versions | flexible | Kafka 4.3.1 |
| ---: | --- | --- | --- | --- |
${served.map(row).join('\n')}

Where the versions differ from Kafka's:

${differences(served)}
${unserved.length === 0 ? '' : `\nDefined but not served: ${unserved.join(', ')}.\n`}
## What is not a request

| input | answer |
| --- | --- |
| a frame larger than \`socket.request.max.bytes\`, or of a negative size | the connection is closed |
| a header that ends early | the connection is closed |
| an unknown API | the connection is closed |
| an unknown version of ApiVersions | UNSUPPORTED_VERSION in an answer of version 0, with the list (KIP-511) |
| an unknown version of another API | the connection is closed |
| a body that is not what the version says: a length or count beyond the frame, null where there is none, a varint of more than 32 bits, a tagged field of another length than it says, more than ${elementsMax.toLocaleString('en')} array elements | the connection is closed |
| bytes after the body; unknown tagged fields | ignored, as Kafka does |

A closed connection is logged with its reason, for a body with the field: \`topics[2].partitions[0].records\`.
`;
}
