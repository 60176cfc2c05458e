import { everyCodec } from '../program.ts';
import { describeClient } from '../scenario.ts';
import { pythonProgram } from '../toolchain.ts';

describeClient({
  name: 'aiokafka',
  codecs: everyCodec,
  lacks: ['nullHeaders'],
  // aiokafka refuses a record whose key and value are null.
  arrange: (records) => records.map((each) => (each.key === null && each.value === null ? { ...each, key: '' } : each)),
  setUp: () => pythonProgram('aio.py'),
});
