// Kafka's own message definitions and error codes, out of its published jars. They are test input; nothing of them is
// part of the project.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inflateRawSync } from 'node:zlib';
import { kafkaJar, kafkaLibDir } from '../../support/kafka-jars.ts';

const javaMsMax = 120_000;

/** The files in a zip archive, uncompressed on demand (APPNOTE.TXT 4.3; no zip64, which no such jar needs). */
async function readZip(path: string): Promise<Map<string, () => Buffer>> {
  const archive = await readFile(path);
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
export async function kafkaMessages(): Promise<Map<string, KafkaMessage>> {
  const messages = new Map<string, KafkaMessage>();
  for (const artifact of ['kafka-clients', 'kafka-group-coordinator', 'kafka-transaction-coordinator']) {
    for (const [name, read] of await readZip(await kafkaJar(artifact))) {
      if (!/^common\/message\/.*\.json$/.test(name)) continue;
      const message = parseMessage(read().toString());
      messages.set(message.name, message);
    }
  }
  return messages;
}

/** Kafka's error codes, one `code name retriable` a line, as its Errors class has them. */
export async function kafkaErrors(): Promise<string[]> {
  const classPath = join(await kafkaLibDir(), '*');
  const program = join(import.meta.dirname, 'PrintErrors.java');
  const { stdout } = await promisify(execFile)('java', ['-cp', classPath, program], { timeout: javaMsMax });
  return stdout.trim().split('\n');
}
