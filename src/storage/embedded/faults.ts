// Maps what the operating system and LMDB report to the operating faults of the storage ports.

import { StorageFault } from '../../actors/shard/ports.ts';

// No space, no quota, or past the file size limit (RLIMIT_FSIZE): all mean 'make room, then it works again'.
const FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const FULL_TEXT = /MDB_MAP_FULL|No space left|Disk quota exceeded|File too large/i;

/** Whether `error` says that there is no room to write. */
export function saysFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return (
    (typeof code === 'string' && FULL_CODES.has(code)) || FULL_TEXT.test(String((error as Error)?.message ?? error))
  );
}

/** The fault for a failed operation of which nothing took effect. */
export function faultOf(error: unknown, doing: string): StorageFault {
  if (error instanceof StorageFault) return error;
  const text = `${doing}: ${(error as Error)?.message ?? error}`;
  return new StorageFault(saysFull(error) ? 'full' : 'unavailable', text, error);
}
