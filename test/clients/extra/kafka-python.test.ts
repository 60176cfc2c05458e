import { everyCodec } from '../program.ts';
import { describeClient } from '../scenario.ts';
import { pythonProgram } from '../toolchain.ts';

describeClient({
  name: 'kafka-python',
  codecs: everyCodec,
  lacks: ['nullHeaders'],
  // kafka-python refuses a record whose key and value are null.
  arrange: (records) => records.map((each) => (each.key === null && each.value === null ? { ...each, key: '' } : each)),
  setUp: () => pythonProgram('kafka_python.py'),
});
