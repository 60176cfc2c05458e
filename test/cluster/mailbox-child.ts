// A node in a process of its own, for tests that pause or kill it, and for figures: serves the kinds below.
//   tsx mailbox-child.ts <node id> <subject prefix> <servers with commas>

import { openMailbox } from '../../cluster/mailbox/mailbox.ts';
import { systemClock, systemRandom } from '../../cluster/system-ports.ts';

const [nodeId, subjectPrefix, servers] = process.argv.slice(2) as [string, string, string];
const records = Buffer.alloc(16 << 20, 7);

const mailbox = await openMailbox({
  servers: servers.split(','),
  subjectPrefix,
  nodeId: Number(nodeId),
  clock: systemClock,
  random: systemRandom,
  logger: { log: (level, event, fields) => process.stderr.write(`${level} ${event} ${JSON.stringify(fields)}\n`) },
});

let effects = 0;

mailbox.serve(async ({ kind, message }) => {
  switch (kind) {
    case 'echo':
      return message;
    case 'append':
      effects++;
      return { errorCode: 0, baseOffset: 17n, bytes: (message as { batch: Buffer }).batch.length };
    case 'heartbeat':
      effects++;
      return { errorCode: 0 };
    case 'read':
      return records.subarray(0, (message as { bytesMax: number }).bytesMax);
    case 'effects':
      return { effects, rssBytes: process.memoryUsage.rss(), cpu: process.cpuUsage() };
    default:
      throw new RangeError(`no such kind: ${kind}`);
  }
});

process.stdout.write('ready\n');
// The test ends it; so does the end of the test.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
