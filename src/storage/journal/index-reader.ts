// Builds a shard's state for an opener: from the index chain that the log names, then from the log behind it.

import { StorageFault } from '../../actors/shard/ports.ts';
import { applyDigest, decodeIndexHead, decodeState, INDEX_HEAD_BYTES, type IndexHead } from './index-format.ts';
import { type IndexChain, NO_CHAIN } from './index-writer.ts';
import { type BatchItem, decodeHead, type MessageHead } from './message-format.ts';
import type { MessageReader } from './message-reader.ts';
import type { JournalNames } from './names.ts';
import type { AppliedMessage, ShardState } from './shard-state.ts';

interface IndexMessage {
  readonly sequence: number;
  readonly head: IndexHead;
  readonly data: Buffer;
}

/**
 * Applies the chain that ends with index message `last` (0: there is none) to an empty state.
 * @throws StorageFault
 */
export async function readIndex(
  reader: MessageReader,
  names: JournalNames,
  shard: number,
  last: number,
  state: ShardState,
): Promise<IndexChain> {
  if (last === 0) return NO_CHAIN;
  const chain = await readChain(reader, names, shard, last);
  const base = chain.filter(({ head }) => head.kind === 'base');
  const digests = chain.filter(({ head }) => head.kind === 'digest');
  const where = `index of shard ${shard}`;
  let baseBytes = 0;
  if (base.length > 0) {
    if (!base.at(-1)!.head.lastPart) throw new StorageFault('corrupt', `${where}: the base before ${last} is cut`);
    const content = Buffer.concat(base.map(({ data }) => data.subarray(INDEX_HEAD_BYTES)));
    baseBytes = content.length;
    decodeState(content, state, where);
  }
  let digestBytes = 0;
  for (const { sequence, head, data } of digests) {
    applyDigest(data, head.records, state, `${where}, message ${sequence}`);
    digestBytes += data.length;
  }
  const { sequence: first } = chain[0]!;
  return { last, first, covered: chain.at(-1)!.head.covered, baseBytes, digestBytes };
}

/** The messages of the chain, in order: those that the last one leads back to. */
async function readChain(
  reader: MessageReader,
  names: JournalNames,
  shard: number,
  last: number,
): Promise<IndexMessage[]> {
  const where = `index of shard ${shard}`;
  const read = (sequence: number, data: Buffer): IndexMessage => {
    return { sequence, head: decodeIndexHead(data, `${where}, message ${sequence}`), data };
  };
  const end = read(last, await reader.fetch(names.indexStream, last));
  if (end.head.first === 0) return [end];
  const found = new Map<number, IndexMessage>();
  await reader.range(names.indexStream, names.indexSubject(shard), end.head.first, last, (sequence, data) => {
    found.set(sequence, read(sequence, data));
  });
  const chain = [end];
  while (chain[0]!.head.previous !== 0) {
    const { previous } = chain[0]!.head;
    const message = found.get(previous);
    if (message === undefined) throw new StorageFault('corrupt', `${where}: message ${previous} is not there`);
    chain.unshift(message);
  }
  return chain;
}

/**
 * Applies the log's messages behind the index, up to and with the opener's own (sequence `to`).
 * @param told hears of each message as it is applied (or, without effect, noted), in order
 * @throws StorageFault
 */
export async function replayLog(
  reader: MessageReader,
  names: JournalNames,
  shard: number,
  from: number,
  to: number,
  state: ShardState,
  told: { applied(message: AppliedMessage): void; noted(sequence: number, bytes: number): void },
): Promise<void> {
  /** Parts of a group whose last one has not come yet. */
  let parts: AppliedMessage[] = [];
  const abandonParts = (): void => {
    for (const { sequence, bytes } of parts) {
      state.note(sequence, bytes);
      told.noted(sequence, bytes);
    }
    parts = [];
  };
  await reader.range(names.logStream(shard), names.logSubject(shard), from, to, (sequence, data) => {
    const message = appliedMessage(sequence, data, decodeHead(data, `shard ${shard}, message ${sequence}`));
    const { head } = message;
    const former = parts.at(-1)?.head;
    if (former !== undefined && !(head.kind === 'group' && isNextPart(former, head))) abandonParts();
    if (head.kind !== 'group') {
      state.note(sequence, data.length);
      told.noted(sequence, data.length);
      return;
    }
    parts.push(message);
    if (!head.lastPart) return;
    const group = parts[0]!.head.part === 0 ? parts : undefined;
    if (group === undefined) {
      abandonParts();
      return;
    }
    parts = [];
    for (const part of group) {
      state.apply(part);
      told.applied(part);
    }
  });
  abandonParts();
}

function isNextPart(former: MessageHead, head: MessageHead): boolean {
  return head.epoch === former.epoch && head.counter === former.counter && head.part === former.part + 1;
}

/** A message of the log as the state takes it. */
export function appliedMessage(sequence: number, data: Buffer, head: MessageHead): AppliedMessage {
  return {
    sequence,
    bytes: data.length,
    head,
    headBytes: data.subarray(0, head.bytes),
    headerOf: (item: BatchItem) => data.subarray(item.position, item.position + item.length),
  };
}
