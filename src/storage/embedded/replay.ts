// Brings the volume up to the journal's end at a start.

import type { Logger } from '../../actors/runtime/ports.ts';
import { StorageFault } from '../../actors/shard/ports.ts';
import { batchAt, intactBatch } from './batches.ts';
import { decodeItems, type Item } from './items.ts';
import type { Journal, JournalRecord } from './journal.ts';
import type { Run } from './partition-log.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { Volume } from './volume.ts';

/**
 * Applies what is in the journal and not settled.
 * @param torn the operating system died while records were not synced: the journal, and segment bytes that its records
 *   name, may have holes. What is behind the first is cut off.
 * @returns how many records were applied.
 * @throws StorageFault `corrupt`
 */
export function replayJournal(options: {
  readonly journal: Journal;
  readonly volume: Volume;
  readonly files: SegmentFiles;
  readonly torn: boolean;
  readonly logger: Logger;
}): number {
  const { journal, volume, files, torn, logger } = options;
  let records = 0;
  const take = (record: JournalRecord): boolean => {
    const items: Item[] = [];
    try {
      decodeItems(record.body, volume, (item) => items.push(item));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const where = `${record.path} at ${record.position}`;
      throw new StorageFault('corrupt', `${where}: record ${record.sequence} cannot be read: ${error.message}`, error);
    }
    if (torn && !items.every((item) => item.kind !== 'run' || intactRun(files, item.run))) return false;
    for (const item of items) volume.apply(item);
    records += 1;
    return true;
  };
  const cut = journal.replay(torn, take);
  if (cut !== undefined) logger.log('warn', 'storage.journal-cut', { where: cut, records });
  return records;
}

/** Whether the batches of a run are where its record says. */
function intactRun(files: SegmentFiles, run: Run): boolean {
  if (run.memory !== undefined) return true;
  const bytes = files.readSync(run.file, run.position, run.bytes);
  if (bytes === undefined) return false;
  for (let at = 0; at < bytes.length; ) {
    const batch = batchAt(bytes, at);
    if (batch === undefined || !intactBatch(bytes, batch)) return false;
    at += batch.bytes;
  }
  return true;
}
