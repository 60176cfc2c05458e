#!/usr/bin/env node
// The composition root: reads the configuration, opens the store and the ports, starts the node, and on SIGTERM or
// SIGINT hands its shards to the other nodes, drains and stops it.

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Node } from '../src/actors/node.ts';
import type { Logger, LogLevel } from '../src/actors/runtime/ports.ts';
import { StorageFault } from '../src/actors/shard/ports.ts';
import {
  advertisedWithPorts,
  type BrokerConfig,
  loadConfig,
  printAdminListener,
  printListener,
} from '../src/config.ts';
import { openBackend } from './backend.ts';
import { ConnectionCounts, type OpenListener, openListener } from './listener.ts';
import { lineLogger, systemClock, systemRandom } from './system-ports.ts';
import { Telemetry } from './telemetry/telemetry.ts';

/** Exit codes: 1 the broker could not start or run, 2 the configuration is wrong. */
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** How often a drain looks whether the requests under way are done, ms. */
const DRAIN_CHECK_MS = 10;

/** What a signal does: until the node runs there is nothing to hand over, so the process just ends. */
let onSignal: (signal: string) => void = () => process.exit(0);

async function main(): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => onSignal(signal));
  const loaded = loadConfig(process.argv.slice(2), process.env, (path) => readFileSync(path, 'utf8'));
  if ('help' in loaded) return void process.stdout.write(loaded.help);
  if ('version' in loaded) return void process.stdout.write(`sargasso ${readVersion()}\n`);
  if ('errors' in loaded) return fail(EXIT_USAGE, ...loaded.errors);
  const { config } = loaded;
  let level: () => LogLevel = () => config.logLevel;
  const logger = lineLogger(() => level());
  for (const warning of loaded.warnings) logger.log('warn', warning);
  const telemetry = await Telemetry.start({ config, version: readVersion(), logger });
  await openAdminPort(config, telemetry, logger);

  const counts = new ConnectionCounts();
  const listeners: OpenListener[] = [];
  for (const listener of config.listeners) {
    try {
      listeners.push(await openListener(listener, config.socketListenBacklogSize, counts, logger));
    } catch (error) {
      return fail(EXIT_FAILED, listenerProblem(printListener(listener), error as NodeJS.ErrnoException));
    }
  }
  const clock = systemClock;
  const random = systemRandom;
  const onSuperseded = (): void => fail(EXIT_FAILED, `another process has been started as node ${config.nodeId}`);
  const backend = await openBackend(config, { clock, random, logger, tracer: telemetry.tracer, onSuperseded }).catch(
    (error: Error) => fail(EXIT_FAILED, error.message),
  );
  const bound = new Map(listeners.map(({ name, port }) => [name, port]));
  const advertised = advertisedWithPorts(config.advertisedListeners, bound);
  const node = await Node.start(
    config,
    Object.fromEntries(advertised.map(({ name, host, port }) => [name, { host, port }])),
    { ...backend.ports, clock, random, logger, ...telemetry.ports },
  ).catch((error: Error) => fail(EXIT_FAILED, startProblem(error)));
  level = () => node.services.config.logLevel;
  for (const listener of listeners) listener.serve(node);
  const serving = advertisedWithPorts(config.listeners, bound);
  telemetry.serving(node, backend.ports, serving);
  for (const listener of serving) process.stdout.write(`listening ${printListener(listener)}\n`);

  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) process.exit(EXIT_FAILED);
    stopping = true;
    logger.log('info', 'stopping', { signal });
    telemetry.stopping();
    await leave(node, config, logger);
    for (const listener of listeners) listener.close();
    await drain(node, config);
    await node.stop();
    await backend.close();
    await telemetry.close();
    logger.log('info', 'stopped');
    process.exit(0);
  };
  onSignal = (signal) => {
    stop(signal).catch((error: Error) => fail(EXIT_FAILED, `stop failed: ${error.stack}`));
  };
}

/** Opens the admin port. One that nobody asked for may be another node's on this machine; this one does without then. */
async function openAdminPort(config: BrokerConfig, telemetry: Telemetry, logger: Logger): Promise<void> {
  for (const listener of config.adminListeners) {
    try {
      process.stdout.write(`listening ${printAdminListener(await telemetry.listen(listener))}\n`);
    } catch (error) {
      const problem = listenerProblem(printAdminListener(listener), error as NodeJS.ErrnoException);
      if (config.layers.given.has('admin.listeners')) return fail(EXIT_FAILED, problem);
      logger.log('warn', `${problem}; this node has no admin port (see admin.listeners)`);
    }
  }
}

/** Hands the shards over. Without its store a node cannot, which it is not to find out for longer than a drain may take. */
async function leave(node: Node, { drainTimeoutMs }: BrokerConfig, logger: Logger): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, drainTimeoutMs);
  });
  const left = node
    .leave(drainTimeoutMs)
    .catch((error: unknown) => logger.log('warn', 'the other nodes were not told of the stop', { error }));
  await Promise.race([left, late]);
  clearTimeout(timer);
}

/** Waits for the requests under way to be answered, so long as the configuration allows. */
async function drain(node: Node, config: BrokerConfig): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + config.drainTimeoutMs;
  node.drain();
  while (node.connections.requestCount > 0 && systemClock.monotonicMs() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, DRAIN_CHECK_MS));
  }
}

function listenerProblem(listener: string, error: NodeJS.ErrnoException): string {
  const reasons: Record<string, string> = {
    EADDRINUSE: 'the port is in use by another process',
    EACCES: 'this user may not open that port',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'the host name is not known',
  };
  return `cannot listen on ${listener}: ${reasons[error.code ?? ''] ?? error.message}`;
}

function startProblem(error: Error): string {
  return error instanceof StorageFault ? `cannot start: ${error.message}` : `cannot start: ${error.stack}`;
}

function readVersion(): string {
  // One folder up from the sources, two from the compiled program.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string }).version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return 'unknown';
}

function fail(code: number, ...lines: string[]): never {
  for (const line of lines) process.stderr.write(`sargasso: ${line}\n`);
  process.exit(code);
}

// The heap is small (10 to 30 MB) and the garbage is large buffers outside it, whose volume starts a collection every 64 MB.
// Marked at once such a heap takes 2 ms; marked in steps it costs the consume path half of its CPU (2.0 s against 1.1 s
// a GB) and the produce path a quarter.
setFlagsFromString('--no-incremental-marking');

process.on('uncaughtException', (error) => fail(EXIT_FAILED, `internal error: ${error.stack}`));
process.on('unhandledRejection', (error) =>
  fail(EXIT_FAILED, `internal error: ${error instanceof Error ? error.stack : String(error)}`),
);
await main();
