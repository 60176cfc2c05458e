import { everyCodec } from './program.ts';
import { describeClient } from './scenario.ts';
import { goProgram } from './toolchain.ts';

describeClient({ name: 'franz-go', codecs: everyCodec, setUp: () => goProgram('franz-go') });
