import { everyCodec } from '../program.ts';
import { describeClient } from '../scenario.ts';
import { goProgram } from '../toolchain.ts';

describeClient({ name: 'Sarama', codecs: everyCodec, setUp: () => goProgram('sarama') });
