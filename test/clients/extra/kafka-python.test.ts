import { everyCodec } from '../program.ts';
import { describeClient } from '../scenario.ts';
import { pythonProgram } from '../toolchain.ts';

describeClient({
  name: 'kafka-python',
  codecs: everyCodec,
  lacks: ['nullHeaders', 'nullKeyAndValue'],
  setUp: () => pythonProgram('kafka_python.py'),
});
