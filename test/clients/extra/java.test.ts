import { everyCodec } from '../program.ts';
import { describeClient } from '../scenario.ts';
import { javaProgram } from '../toolchain.ts';

describeClient({ name: 'Java client', codecs: everyCodec, setUp: javaProgram });
