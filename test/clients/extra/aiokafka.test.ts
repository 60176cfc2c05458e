import { everyCodec } from '../program.ts';
import { describeClient } from '../scenario.ts';
import { pythonProgram } from '../toolchain.ts';

describeClient({
  name: 'aiokafka',
  codecs: everyCodec,
  lacks: ['nullHeaders', 'nullKeyAndValue'],
  setUp: () => pythonProgram('aio.py'),
});
