// Apache Kafka's own jars, fetched from Maven once and kept in .cache/: the oracle for message definitions, configs and
// console tools, and the broker that the bench runs beside. Nothing of them is project source.

import { execFile } from 'node:child_process';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { madeOnce } from './made-once.ts';

/** The Kafka release that Sargasso is compared with. */
export const kafkaVersion = '4.3.1';

const repositoryRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const fetchTimeoutMs = 300_000;

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sargasso.test</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${kafkaVersion}</version></dependency>
  </dependencies>
</project>
`;

let libDir: Promise<string> | undefined;

/**
 * The folder that holds Kafka's jars and all they depend on (`java -cp "<dir>/*" kafka.Kafka …`).
 * Fetches them with `mvn` on the first call on a machine; give the calling hook a time-out of some minutes.
 * @throws Error when `mvn` is missing or fails, with its output.
 */
export function kafkaLibDir(): Promise<string> {
  libDir ??= fetchOnce(join(repositoryRoot, '.cache', `kafka-${kafkaVersion}`)).catch((error: unknown) => {
    libDir = undefined;
    throw error;
  });
  return libDir;
}

/** The path of one jar, e.g. `kafkaJar('kafka-clients')`. */
export async function kafkaJar(artifact: string): Promise<string> {
  return join(await kafkaLibDir(), `${artifact}-${kafkaVersion}.jar`);
}

function fetchOnce(folder: string): Promise<string> {
  const libs = join(folder, 'libs');
  return madeOnce(folder, libs, fetchTimeoutMs, () => download(folder, libs));
}

async function download(folder: string, libs: string): Promise<void> {
  const work = join(folder, `fetch-${process.pid}`);
  const staged = join(work, 'libs');
  await mkdir(work, { recursive: true });
  try {
    await writeFile(join(work, 'pom.xml'), pom);
    const goals = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${staged}`];
    await promisify(execFile)('mvn', ['-B', '-q', ...goals], { cwd: work, timeout: fetchTimeoutMs }).catch((error) => {
      const output = `${error.stdout ?? ''}${error.stderr ?? ''}`;
      throw new Error(`Kafka's jars could not be fetched with mvn: ${error.message}\n${output}`, { cause: error });
    });
    await rename(staged, libs);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
