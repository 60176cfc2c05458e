// Takes a shard: writes the opening, which fences every earlier owner, and builds the state from the index and the log.

import { setTimeout as delay } from 'node:timers/promises';
import { StorageFault } from '../../actors/shard/ports.ts';
import { appendExpecting } from './chain.ts';
import { faultOf, isMessageNotFound, isWrongLastSequence, JetStreamError, RequestLost } from './faults.ts';
import { readIndex, replayLog } from './index-reader.ts';
import { IndexWriter } from './index-writer.ts';
import { decodeHead, encodeMessage, type MessageHead } from './message-format.ts';
import { type JournalContext, JournalShardLog } from './shard-log.ts';
import { ShardState } from './shard-state.ts';
import { lastMessage } from './stored-message.ts';

interface Opening {
  readonly epoch: number;
  readonly sequence: number;
  readonly indexSequence: number;
}

/** @throws StorageFault `unavailable` | `full` | `corrupt` */
export async function openShard(context: JournalContext, shard: number, node: number): Promise<JournalShardLog> {
  const { names, reader, limits, logger } = context;
  const startedMs = performance.now();
  const opening = await writeOpening(context, shard, node);
  const { epoch, sequence } = opening;
  const state = new ShardState(limits.headersKeptMax);
  const chain = await readIndex(reader, names, shard, opening.indexSequence, state);
  const index = new IndexWriter({ requester: context.appends, names, limits, logger, shard, epoch, state, chain });
  await replayLog(reader, names, shard, chain.covered + 1, sequence, state, index);
  const { messages, bytes } = index.behind;
  const log = new JournalShardLog(context, { shard, epoch, sequence, state, index });
  index.extendIfDue();
  logger.log('info', 'journal.shard-opened', {
    shard,
    epoch,
    partitions: state.partitions.size,
    messagesReplayed: messages,
    bytesReplayed: bytes,
    durationMs: Math.round(performance.now() - startedMs),
  });
  return log;
}

/** Appends `opened` behind whatever is the subject's last message now. */
async function writeOpening(context: JournalContext, shard: number, node: number): Promise<Opening> {
  const { appends, names, limits } = context;
  const deadlineMs = performance.now() + limits.operationTimeoutMs;
  /** Openings of ours whose answer was lost; one of them may have landed. */
  const tried = new Map<string, Opening>();
  for (;;) {
    try {
      const last = await lastHead(context, shard);
      const own = last === undefined ? undefined : tried.get(last.token);
      if (last !== undefined && own !== undefined) return { ...own, sequence: last.sequence };
      const epoch = (last?.head.epoch ?? 0) + 1;
      const indexSequence = last?.head.indexSequence ?? 0;
      const previous = last?.sequence ?? 0;
      // The counter is chance: by it an opening that landed though its answer was lost is known again.
      const counter = Math.floor(Math.random() * 2 ** 32);
      const fields = { kind: 'opened', lastPart: true, epoch, counter, part: 0, indexSequence } as const;
      const payload = encodeMessage(fields, [{ kind: 'opened', node, previous }]);
      tried.set(`${epoch}/${counter}`, { epoch, sequence: 0, indexSequence });
      const sequence = await appendExpecting(appends, names.logSubject(shard), [payload], previous);
      appends.connection.publish(names.openedSubject(shard), Buffer.from(String(epoch)));
      return { epoch, sequence, indexSequence };
    } catch (error) {
      const passing = error instanceof RequestLost || isWrongLastSequence(error) || isPassing(error);
      if (!passing || performance.now() >= deadlineMs) throw faultOf(error, `shard ${shard} cannot be opened`);
      // Another opening came first, or the answer was lost: what lies there now tells.
      if (!isWrongLastSequence(error)) await delay(limits.retryDelayMs);
      await appends.whenConnected(deadlineMs);
    }
  }
}

/** Trouble of a cluster that elects a leader. A journal without room is none. */
function isPassing(error: unknown): boolean {
  return error instanceof JetStreamError && [10008, 10009, 10118, 10163].includes(error.code);
}

async function lastHead(
  context: JournalContext,
  shard: number,
): Promise<{ sequence: number; head: MessageHead; token: string } | undefined> {
  const { appends, names } = context;
  try {
    const { sequence, data } = await lastMessage(appends, names, names.logStream(shard), names.logSubject(shard));
    const head = decodeHead(data, `shard ${shard}, message ${sequence}`);
    if (head.epoch >= 0x7fffffff) throw new StorageFault('unavailable', `shard ${shard}: epochs are used up`);
    return { sequence, head, token: `${head.epoch}/${head.counter}` };
  } catch (error) {
    if (isMessageNotFound(error)) return undefined;
    throw error;
  }
}
