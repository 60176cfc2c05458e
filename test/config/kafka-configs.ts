// Puts questions to Kafka's own configuration classes, in one run of Java.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { kafkaLibDir } from '../support/kafka-jars.ts';

export interface KafkaConfigRow {
  readonly name: string;
  readonly type: string;
  readonly default: string | null;
  readonly internal: boolean;
}

export interface KafkaConfigQuestion {
  /** Sets of topic overrides to validate. */
  readonly topicConfigs?: readonly Readonly<Record<string, string>>[];
  /** Texts of properties files to read. */
  readonly files?: readonly string[];
  /** Numbers to print as Java does. */
  readonly doubles?: readonly number[];
}

export interface KafkaConfigAnswer {
  readonly topic: readonly KafkaConfigRow[];
  readonly broker: readonly KafkaConfigRow[];
  /** Update mode of each dynamic broker config. */
  readonly dynamic: Readonly<Record<string, string>>;
  /** Broker synonyms of each topic config; `five` is what '5' of the synonym's unit is in the topic config's. */
  readonly synonyms: Readonly<Record<string, readonly { readonly name: string; readonly five: string }[]>>;
  /** Kafka's message for each set of overrides, null where it takes it. */
  readonly verdicts: readonly (string | null)[];
  readonly files: readonly Readonly<Record<string, string>>[];
  readonly doubles: readonly string[];
}

/** @throws Error with Java's output when it fails. */
export async function askKafka(question: KafkaConfigQuestion = {}): Promise<KafkaConfigAnswer> {
  const classPath = join(await kafkaLibDir(), '*');
  const java = spawn('java', ['-cp', classPath, join(import.meta.dirname, 'KafkaConfigs.java')], { timeout: 60_000 });
  const ended = new Promise<number | null>((resolve, reject) => {
    java.on('error', reject);
    java.on('close', resolve);
  });
  java.stdin.end(JSON.stringify(question));
  const [code, output, complaints] = await Promise.all([ended, text(java.stdout), text(java.stderr)]);
  if (code !== 0) throw new Error(`java ended with ${code}: ${complaints}`);
  return JSON.parse(output) as KafkaConfigAnswer;
}
