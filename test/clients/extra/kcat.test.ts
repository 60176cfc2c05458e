import { everyCodec } from '../program.ts';
import type { SentRecord } from '../records.ts';
import { describeClient } from '../scenario.ts';
import { kcatProgram } from '../toolchain.ts';

const someBytes = Buffer.from('some').toString('base64');

describeClient({
  name: 'kcat',
  codecs: everyCodec,
  lacks: ['ackedOffsets', 'timestamps'],
  setUp: kcatProgram,
  // Few runs of kcat: what it takes as flags of a run comes in stretches.
  arrange: (records) => records.map(sayable).sort((a, b) => stretch(a).localeCompare(stretch(b))),
});

/** kcat skips an input that is empty, and -Z makes an empty key null as well as an empty value. */
function sayable(record: SentRecord): SentRecord {
  if (record.key === null && !record.value) return { ...record, value: someBytes };
  if (record.key === '' && record.value === null) return { ...record, key: someBytes };
  return record;
}

function stretch({ partition, key, value, headers }: SentRecord): string {
  return JSON.stringify([partition, headers, key === null, value === null]);
}
