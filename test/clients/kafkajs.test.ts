import { everyCodec } from './program.ts';
import { describeClient } from './scenario.ts';
import { nodeProgram } from './toolchain.ts';

describeClient({
  name: 'kafkajs',
  codecs: everyCodec,
  // kafkajs takes the length of a header's value before it looks whether there is one.
  lacks: ['nullHeaders'],
  setUp: () => nodeProgram('kafkajs.ts'),
});
