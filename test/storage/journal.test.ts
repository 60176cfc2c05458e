import type { JournalStore } from '../../src/storage/journal/store.ts';
import { type NatsProcesses, natsServerBinary, startNats } from '../support/nats-process.ts';
import { ColdDisk, ColdMemory } from './cold-memory.ts';
import { describeStorageContract } from './contract.ts';
import { dropJournal, freshPrefix, openTestJournal } from './journal-world.ts';

describe('journal', () => {
  let nats: NatsProcesses;
  before(async function () {
    this.timeout(300_000);
    await natsServerBinary();
    nats = await startNats();
  });
  after(() => nats.close());

  const variants = ['one stream', 'three streams, much index and trimming', 'before a cold store'] as const;
  for (const variant of variants) {
    let prefix = '';
    let disk = new ColdDisk();
    describeStorageContract({
      name: `journal, ${variant}`,
      async open(fresh) {
        if (fresh) {
          if (prefix !== '') await dropJournal(nats.addresses, prefix);
          prefix = freshPrefix();
          disk = new ColdDisk();
        }
        if (variant === 'one stream') return openTestJournal(nats.addresses, prefix);
        if (variant === 'before a cold store') {
          return openTestJournal(nats.addresses, prefix, {
            cold: new ColdMemory(disk),
            limits: {
              runBytesMax: 2_000,
              moveDelayMs: 0,
              moveIntervalMs: 1,
              movedIntervalMs: 2,
              trimBytesMin: 1,
              trimIntervalMs: 5,
              digestMessagesMax: 4,
            },
          });
        }
        return openTestJournal(nats.addresses, prefix, {
          streamCount: 3,
          limits: {
            digestMessagesMax: 2,
            digestBytesBeforeBaseMin: 2_000,
            trimBytesMin: 1,
            trimIntervalMs: 2,
            usageIntervalMs: 2,
            headersKeptMax: 3,
            messageBytesMax: (1 << 20) + (8 << 10),
            cacheBytesMax: 20_000,
          },
        });
      },
      close: (store) => (store as JournalStore).close(),
    });
  }
});
