// Kafka's own message definitions and error codes, out of its published jars. They are fetched with Maven when a test
// first wants them and kept in .cache/; nothing of them is part of the project.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';

export const kafkaVersion = '4.3.1';

const folder = join(import.meta.dirname, '../../../.cache/kafka');
const runMsMax = 300_000;

function run(command: string, args: readonly string[]): string {
  const done = spawnSync(command, args, { timeout: runMsMax, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (done.error !== undefined) {
    const missing = (done.error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Error(
      missing ? `${command} is needed for this test and is not in the PATH` : `${command}: ${done.error}`,
    );
  }
  if (done.status !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${done.status}: ${done.stdout}${done.stderr}`);
  }
  return done.stdout;
}

/** Path of a jar, fetched if it is not there. */
function jar(group: string, artifact: string, version: string): string {
  const path = join(folder, `${artifact}-${version}.jar`);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    const coordinates = `${group}:${artifact}:${version}`;
    run('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${coordinates}`, `-DoutputDirectory=${folder}`]);
  }
  return path;
}

/** The files in a zip archive, uncompressed on demand (APPNOTE.TXT 4.3; no zip64, which no such jar needs). */
function readZip(path: string): Map<string, () => Buffer> {
  const archive = readFileSync(path);
  const endAt = archive.lastIndexOf(Buffer.from('504b0506', 'hex'));
  if (endAt < 0) throw new Error(`${path} is no zip archive`);
  const files = new Map<string, () => Buffer>();
  let at = archive.readUInt32LE(endAt + 16);
  for (let left = archive.readUInt16LE(endAt + 10); left > 0; left--) {
    const deflated = archive.readUInt16LE(at + 10) === 8;
    const size = archive.readUInt32LE(at + 20);
    const nameLength = archive.readUInt16LE(at + 28);
    const headerAt = archive.readUInt32LE(at + 42);
    files.set(archive.toString('utf8', at + 46, at + 46 + nameLength), () => {
      const start = headerAt + 30 + archive.readUInt16LE(headerAt + 26) + archive.readUInt16LE(headerAt + 28);
      const data = archive.subarray(start, start + size);
      return deflated ? inflateRawSync(data) : data;
    });
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return files;
}

export interface KafkaField {
  readonly name: string;
  readonly type: string;
  readonly versions?: string;
  readonly nullableVersions?: string;
  readonly taggedVersions?: string;
  readonly tag?: number;
  readonly default?: unknown;
  readonly ignorable?: boolean | string;
  readonly fields?: readonly KafkaField[];
}

export interface KafkaMessage {
  readonly apiKey?: number;
  readonly type: string;
  readonly name: string;
  readonly validVersions: string;
  readonly flexibleVersions: string;
  readonly latestVersionUnstable?: boolean;
  readonly fields: readonly KafkaField[];
  readonly commonStructs?: readonly { readonly name: string; readonly fields: readonly KafkaField[] }[];
}

/** The definitions are JSON with whole-line comments. */
function parseMessage(text: string): KafkaMessage {
  return JSON.parse(text.replace(/^\s*\/\/.*$/gm, '').replace(/,(\s*[}\]])/g, '$1')) as KafkaMessage;
}

/** Kafka's message definitions by name, as in `FetchRequest`. */
export function kafkaMessages(): Map<string, KafkaMessage> {
  const messages = new Map<string, KafkaMessage>();
  for (const artifact of ['kafka-clients', 'kafka-group-coordinator', 'kafka-transaction-coordinator']) {
    for (const [name, read] of readZip(jar('org.apache.kafka', artifact, kafkaVersion))) {
      if (!/^common\/message\/.*\.json$/.test(name)) continue;
      const message = parseMessage(read().toString());
      messages.set(message.name, message);
    }
  }
  return messages;
}

/** Kafka's error codes, one `code name retriable` a line, as its Errors class has them. */
export function kafkaErrors(): string[] {
  const classPath = [
    jar('org.apache.kafka', 'kafka-clients', kafkaVersion),
    jar('org.slf4j', 'slf4j-api', '1.7.36'),
    jar('org.slf4j', 'slf4j-nop', '1.7.36'),
  ].join(':');
  return run('java', ['-cp', classPath, join(import.meta.dirname, 'PrintErrors.java')])
    .trim()
    .split('\n');
}
