// A journal store for the tests: short waits, its own prefix, and its streams gone afterwards.

import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Logger } from '../../src/actors/runtime/ports.ts';
import type { JournalLimits } from '../../src/storage/journal/limits.ts';
import { type JournalStore, type JournalStoreOptions, openJournalStore } from '../../src/storage/journal/store.ts';

export const silent: Logger = { log() {} };

let prefixes = 0;

/** A prefix that no other test uses. */
export function freshPrefix(): string {
  return `test${process.pid}-${++prefixes}`;
}

/** Opens a store with test-sized waits. */
export function openTestJournal(
  servers: readonly string[],
  streamPrefix: string,
  options: Partial<JournalStoreOptions> = {},
): Promise<JournalStore> {
  const limits: Partial<JournalLimits> = { requestTimeoutMs: 2_000, resolveTimeoutMs: 10_000, ...options.limits };
  return openJournalStore({
    servers,
    streamPrefix,
    replicas: 1,
    bytesMax: 1 << 30,
    batchBytesMax: 1 << 20,
    logger: silent,
    ...options,
    limits,
  });
}

/** Deletes the streams of a prefix, so that what they reserved of NATS' storage is free again. */
export async function dropJournal(servers: readonly string[], prefix: string): Promise<void> {
  const connection = await connect({ servers: [...servers] });
  try {
    const manager = await jetstreamManager(connection);
    for await (const { config } of manager.streams.list()) {
      if (config.name.startsWith(`${prefix}-`) || config.name === `KV_${prefix}-metadata`) {
        await manager.streams.delete(config.name);
      }
    }
  } finally {
    await connection.close();
  }
}

/** Sequence of the log's last message, by a connection of its own. */
export async function lastLogSequence(servers: readonly string[], prefix: string): Promise<number> {
  const connection = await connect({ servers: [...servers] });
  try {
    const { state } = await (await jetstreamManager(connection)).streams.info(`${prefix}-log-0`);
    return state.last_seq;
  } finally {
    await connection.close();
  }
}
