// The journal's streams: made on the first start, looked at on every other, brought in line with the configuration where
// JetStream can change them.

import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../actors/runtime/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import { faultOf, JetStreamError, RequestLost, STREAM_NAME_IN_USE, STREAM_NOT_FOUND } from './faults.ts';
import { JournalNames } from './names.ts';
import type { Requester } from './requester.ts';

/** In the first log stream's metadata: how many there are. */
const STREAM_COUNT_KEY = 'sargasso-log-streams';

export interface StreamConfig {
  readonly name: string;
  readonly num_replicas: number;
  readonly max_bytes: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly [setting: string]: unknown;
}

export interface StreamInfo {
  readonly config: StreamConfig;
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_seq: number;
    readonly last_seq: number;
  };
  readonly cluster?: { readonly leader?: string };
}

export interface StreamsOptions {
  readonly prefix: string;
  readonly apiPrefix: string;
  readonly replicas: 1 | 3;
  /** Log streams of a journal that is made now. */
  readonly streamCount: number;
  /** Bytes of all log streams together. */
  readonly bytesMax: number;
  readonly startTimeoutMs: number;
  readonly retryDelayMs: number;
}

/**
 * Makes what is missing.
 * @returns the names that the journal goes by.
 * @throws StorageFault `unavailable` | `full` with what NATS says against it
 */
export async function prepareStreams(
  requester: Requester,
  options: StreamsOptions,
  logger: Logger,
): Promise<JournalNames> {
  const deadlineMs = performance.now() + options.startTimeoutMs;
  const attempt = <T>(what: string, work: () => Promise<T>): Promise<T> =>
    persist(requester, deadlineMs, options.retryDelayMs, `${what} cannot be prepared`, work);
  const first = new JournalNames(options.prefix, options.streamCount, options.apiPrefix);
  const info = await attempt('the log stream', () =>
    ensureStream(requester, first, logConfig(first, 0, options), logger),
  );
  const streamCount = Number(info.config.metadata?.[STREAM_COUNT_KEY] ?? 1);
  if (streamCount !== options.streamCount) {
    const fields = { wanted: options.streamCount, fixed: streamCount };
    logger.log('warn', 'journal.stream-count-is-fixed', fields);
  }
  const names = new JournalNames(options.prefix, streamCount, options.apiPrefix);
  for (let stream = 1; stream < streamCount; stream++) {
    await attempt('a log stream', () => ensureStream(requester, names, logConfig(names, stream, options), logger));
  }
  await attempt('the index stream', () => ensureStream(requester, names, indexConfig(names, options), logger));
  return names;
}

/** State and configuration of a stream. @throws RequestLost, JetStreamError */
export function streamInfo(requester: Requester, names: JournalNames, stream: string): Promise<StreamInfo> {
  return requester.api<StreamInfo>(names.api(`STREAM.INFO.${stream}`), undefined);
}

/**
 * Tries `work` until it succeeds, the deadline passes or NATS says that it will never be.
 * @throws StorageFault
 */
export async function persist<T>(
  requester: Requester,
  deadlineMs: number,
  retryDelayMs: number,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const lasting = error instanceof JetStreamError && !isPassing(error);
      if (!(error instanceof RequestLost || error instanceof JetStreamError)) throw error;
      if (lasting || performance.now() >= deadlineMs) throw faultOf(error, what);
      await delay(retryDelayMs);
      await requester.whenConnected(deadlineMs);
    }
  }
}

/** A cluster that has no leader or not enough servers yet, or a stream's store that is not there yet (10049). */
function isPassing(error: JetStreamError): boolean {
  return [10005, 10008, 10009, 10049, 10118].includes(error.code);
}

/** Makes the stream or brings it in line. @throws RequestLost, JetStreamError, StorageFault */
export async function ensureStream(
  requester: Requester,
  names: JournalNames,
  wanted: StreamConfig,
  logger: Logger,
): Promise<StreamInfo> {
  try {
    const found = await streamInfo(requester, names, wanted.name);
    return await align(requester, names, found, wanted, logger);
  } catch (error) {
    if (!(error instanceof JetStreamError) || error.code !== STREAM_NOT_FOUND) throw explained(error, wanted);
  }
  try {
    const made = await requester.api<StreamInfo>(names.api(`STREAM.CREATE.${wanted.name}`), wanted);
    logger.log('info', 'journal.stream-created', { stream: wanted.name, replicas: wanted.num_replicas });
    return made;
  } catch (error) {
    // Another node was first, perhaps with other settings.
    if (!(error instanceof JetStreamError) || error.code !== STREAM_NAME_IN_USE) throw explained(error, wanted);
    return streamInfo(requester, names, wanted.name);
  }
}

/** Replicas and the byte limit follow the configuration; the rest is as the journal was created. */
async function align(
  requester: Requester,
  names: JournalNames,
  found: StreamInfo,
  wanted: StreamConfig,
  logger: Logger,
): Promise<StreamInfo> {
  const { num_replicas, max_bytes } = wanted;
  if (found.config.num_replicas === num_replicas && found.config.max_bytes === max_bytes) return found;
  const config = { ...found.config, num_replicas, max_bytes };
  const updated = await requester.api<StreamInfo>(names.api(`STREAM.UPDATE.${wanted.name}`), config);
  logger.log('info', 'journal.stream-updated', { stream: wanted.name, replicas: num_replicas, bytesMax: max_bytes });
  return updated;
}

/** replicas > 1 not supported in non-clustered mode. */
const REPLICAS_WITHOUT_CLUSTER = 10074;

function explained(error: unknown, wanted: StreamConfig): unknown {
  if (error instanceof JetStreamError) {
    if (error.code === 10047 || error.code === 10002) {
      const hint = `stream ${wanted.name} wants ${wanted.max_bytes} bytes times ${wanted.num_replicas} replicas`;
      return new StorageFault(
        'full',
        `${hint} and JetStream has not that much to give: raise jetstream.max_file_store of nats-server (or the account's limit), or lower the journal's byte limit`,
        error,
      );
    }
    if (error.code === REPLICAS_WITHOUT_CLUSTER) {
      return new StorageFault(
        'unavailable',
        `journal.replicas=${wanted.num_replicas} needs ${wanted.num_replicas} nats-servers that form a cluster, and this one is alone: connect them, or set journal.replicas=1`,
        error,
      );
    }
    if (error.code === 10039 || error.code === 10076) {
      return new StorageFault('unavailable', 'JetStream is not enabled in nats-server (jetstream { … })', error);
    }
  }
  return error;
}

function logConfig(names: JournalNames, stream: number, options: StreamsOptions): StreamConfig {
  return {
    ...COMMON,
    name: names.logStreams[stream]!,
    subjects: [names.logSubjects(stream)],
    num_replicas: options.replicas,
    max_bytes: Math.floor(options.bytesMax / names.streamCount),
    ...(stream === 0 ? { metadata: { [STREAM_COUNT_KEY]: String(names.streamCount) } } : {}),
  };
}

function indexConfig(names: JournalNames, options: StreamsOptions): StreamConfig {
  return {
    ...COMMON,
    name: names.indexStream,
    subjects: [names.indexSubjects],
    num_replicas: options.replicas,
    max_bytes: -1,
  };
}

const COMMON = {
  storage: 'file',
  retention: 'limits',
  // A full stream refuses what is new; nothing in it is thrown away.
  discard: 'new',
  max_msgs: -1,
  max_age: 0,
  max_consumers: -1,
  max_msg_size: -1,
  allow_direct: true,
} as const;
