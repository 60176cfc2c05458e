// Cuts a group into the messages that carry it. A group in one message is the rule; a larger one goes in parts, which take
// effect when the last one is there.

import { StorageFault } from '../../actors/shard/ports.ts';
import { MESSAGE_OVERHEAD_BYTES } from './limits.ts';
import { entryBytes, type JournalEntry, messageBytes } from './message-format.ts';

export interface GroupPart {
  readonly entries: readonly JournalEntry[];
  readonly bytes: number;
}

/**
 * @param bytesMax of a message, NATS' headers included
 * @throws StorageFault `full` when one entry alone is larger: nothing that this cluster's NATS takes can hold it
 */
export function splitGroup(entries: readonly JournalEntry[], bytesMax: number, shard: number): GroupPart[] {
  const limit = bytesMax - MESSAGE_OVERHEAD_BYTES / 2;
  const bytes = messageBytes(entries);
  if (bytes <= limit) return [{ entries, bytes }];
  const parts: GroupPart[] = [];
  const empty = messageBytes([]);
  let part: JournalEntry[] = [];
  let partBytes = empty;
  for (const entry of entries) {
    const size = entryBytes(entry);
    if (empty + size > limit) {
      const what = `an entry of ${size} bytes is more than NATS takes in a message (max_payload ${bytesMax})`;
      throw new StorageFault('full', `shard ${shard}: ${what}`);
    }
    if (partBytes + size > limit && part.length > 0) {
      parts.push({ entries: part, bytes: partBytes });
      part = [];
      partBytes = empty;
    }
    part.push(entry);
    partBytes += size;
  }
  parts.push({ entries: part, bytes: partBytes });
  return parts;
}
