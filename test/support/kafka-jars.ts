// Apache Kafka's own jars, fetched from Maven once and kept in .cache/: the oracle for message definitions, configs and
// console tools, and the broker that the bench runs beside. Nothing of them is project source.
//
// Several test processes may ask at once. A folder that one of them makes is the lock; the jars are fetched into a folder
// of that process and moved into place whole, so `libs` either does not exist or is complete.

import { execFile } from 'node:child_process';
import { access, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The Kafka release that Sargasso is compared with. */
export const kafkaVersion = '4.3.1';

const repositoryRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const fetchTimeoutMs = 300_000;
const lockPollMs = 200;

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

async function fetchOnce(folder: string): Promise<string> {
  const libs = join(folder, 'libs');
  if (await exists(libs)) return libs;
  await mkdir(folder, { recursive: true });
  const lock = join(folder, 'lock');
  const deadline = Date.now() + fetchTimeoutMs;
  while (!(await tryLock(lock))) {
    if (await exists(libs)) return libs;
    if (Date.now() > deadline)
      throw new Error(`Kafka's jars: ${lock} is still held after ${fetchTimeoutMs} ms; remove it`);
    await delay(lockPollMs);
  }
  try {
    if (!(await exists(libs))) await download(folder, libs);
    return libs;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
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

/** Takes the lock, or takes over one whose owner no longer runs. */
async function tryLock(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (await abandoned(lock)) await rm(lock, { recursive: true, force: true });
    return false;
  }
  await writeFile(join(lock, 'pid'), String(process.pid));
  return true;
}

async function abandoned(lock: string): Promise<boolean> {
  const pid = Number(await readFile(join(lock, 'pid'), 'utf8').catch(() => ''));
  if (pid > 0) return !isRunning(pid);
  // Its owner has not written its pid yet, or died before it could.
  const age = await stat(lock).then(
    (found) => Date.now() - found.mtimeMs,
    () => 0,
  );
  return age > 10_000;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
