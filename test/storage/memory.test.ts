import { createMemoryStore, MemoryDisk, type MemoryStore } from '../../src/storage/memory.ts';
import { describeStorageContract } from './contract.ts';

let disk: MemoryDisk;
describeStorageContract({
  name: 'memory',
  async open(fresh) {
    if (fresh) disk = new MemoryDisk();
    return createMemoryStore({ disk });
  },
  close: (store) => (store as MemoryStore).close(),
});
