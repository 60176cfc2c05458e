import { everyCodec } from '../program.ts';
import { describeClient } from '../scenario.ts';
import { goProgram } from '../toolchain.ts';

describeClient({
  name: 'kafka-go',
  codecs: everyCodec,
  lacks: ['idempotence', 'emptyBytesRead'],
  setUp: () => goProgram('kafka-go'),
});
