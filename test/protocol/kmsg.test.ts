// Every API, version and direction against franz-go's kmsg: it reads what we write and writes the same bytes, and we
// read what it writes and write the same bytes.

import { expect } from 'chai';
import fc from 'fast-check';
import { inRange, type VersionSpec, versionRange } from '../../src/protocol/schema/versions.ts';
import { askOracle, type Task } from './support/kmsg.ts';
import {
  type Direction,
  decodedForm,
  messageOf,
  recordCodecs,
  seedOfRun,
  type Variant,
  variants,
} from './support/messages.ts';

const messagesEach = 20;

/**
 * Messages in which kmsg writes tagged fields that only a later version of the API has. We skip these like any unknown
 * tag, so only the values that remain can be compared, not the bytes.
 */
const tagsTooEarly: readonly { readonly api: string; readonly direction: Direction; readonly versions: VersionSpec }[] =
  [
    // nodeEndpoints and currentLeader, from version 10 on (KIP-951).
    { api: 'Produce', direction: 'response', versions: '9' },
    // replicaState from 15 (KIP-903), replicaDirectoryId from 17 (KIP-853), highWatermark from 18 on (KIP-1166).
    { api: 'Fetch', direction: 'request', versions: '12-17' },
    // nodeEndpoints from version 16 on (KIP-951).
    { api: 'Fetch', direction: 'response', versions: '12-15' },
  ];

function hasTagsTooEarly({ api, direction, version }: Variant): boolean {
  return tagsTooEarly.some(
    (each) => each.api === api.name && each.direction === direction && inRange(versionRange(each.versions), version),
  );
}

function expectNone(wrong: ReadonlyMap<string, string>): void {
  expect(wrong.size, [...wrong].map(([title, what]) => `${title}: ${what}`).join('\n')).to.equal(0);
}

describe('bytes on the wire, beside franz-go kmsg', function () {
  this.timeout(180_000);
  const seed = seedOfRun();

  it(`kmsg reads our messages and writes the same bytes (seed ${seed})`, () => {
    const cases: { variant: Variant; body: Buffer }[] = [];
    for (const variant of variants()) {
      const { codec, version } = variant;
      for (const message of fc.sample(messageOf(codec.fields, version), { numRuns: messagesEach, seed })) {
        cases.push({ variant, body: Buffer.concat(codec.encode(version, message)) });
      }
    }
    const answers = askOracle(
      cases.map(
        ({ variant, body }): Task => ({
          op: 'reencode',
          key: variant.api.key,
          version: variant.version,
          direction: variant.direction,
          body,
        }),
      ),
    );
    const wrong = new Map<string, string>();
    answers.forEach((answer, index) => {
      const { variant, body } = cases[index]!;
      if (answer.kind === 'unknown') wrong.set(variant.title, 'kmsg does not know it');
      else if (answer.kind === 'failed') wrong.set(variant.title, `kmsg cannot read it: ${answer.reason}`);
      else if (!answer.bytes.equals(body)) {
        wrong.set(variant.title, `ours ${body.toString('hex')}, kmsg ${answer.bytes.toString('hex')}`);
      }
    });
    expectNone(wrong);
  });

  it(`we read kmsg's messages and write the same bytes (seed ${seed})`, () => {
    const cases = variants().flatMap((variant) =>
      Array.from({ length: messagesEach }, (_, index) => ({ variant, seed: BigInt(seed) * 1000n + BigInt(index) })),
    );
    const answers = askOracle(
      cases.map(
        ({ variant, seed }): Task => ({
          op: 'random',
          key: variant.api.key,
          version: variant.version,
          direction: variant.direction,
          seed,
        }),
      ),
    );
    const wrong = new Map<string, string>();
    answers.forEach((answer, index) => {
      const { variant } = cases[index]!;
      const { codec, title, version } = variant;
      if (answer.kind !== 'bytes') {
        wrong.set(title, answer.kind === 'failed' ? answer.reason : 'kmsg does not know it');
        return;
      }
      try {
        const message = codec.decode(version, answer.bytes, 0);
        const body = Buffer.concat(codec.encode(version, message));
        if (hasTagsTooEarly(variant)) {
          expect(codec.decode(version, body, 0)).to.deep.equal(message);
        } else if (!body.equals(answer.bytes)) {
          wrong.set(title, `kmsg ${answer.bytes.toString('hex')}, ours ${body.toString('hex')}`);
        }
      } catch (error) {
        wrong.set(title, `${error} in ${answer.bytes.toString('hex')}`);
      }
    });
    expectNone(wrong);
  });

  it(`kmsg reads our records of the coordinators and writes the same bytes (seed ${seed})`, () => {
    const cases = recordCodecs.flatMap((codec, key) =>
      Array.from(
        { length: codec.versions.max - codec.versions.min + 1 },
        (_, index) => codec.versions.min + index,
      ).flatMap((version) =>
        fc.sample(messageOf(codec.definition.fields, version), { numRuns: messagesEach, seed }).map((message) => ({
          title: `${codec.name} v${version}`,
          codec,
          key,
          version,
          message,
          body: codec.encode(version, message),
        })),
      ),
    );
    const answers = askOracle(
      cases.map(({ key, version, body }): Task => ({ op: 'reencodeRecord', key, version, direction: 'request', body })),
    );
    const wrong = new Map<string, string>();
    answers.forEach((answer, index) => {
      const { title, codec, version, message, body } = cases[index]!;
      const value = decodedForm(codec.definition.fields, version, message);
      expect(codec.decode(body), title).to.deep.equal({ version, value });
      if (answer.kind !== 'bytes') wrong.set(title, answer.kind === 'failed' ? answer.reason : answer.kind);
      else if (!answer.bytes.equals(body)) {
        wrong.set(title, `ours ${body.toString('hex')}, kmsg ${answer.bytes.toString('hex')}`);
      }
    });
    expectNone(wrong);
  });
});
