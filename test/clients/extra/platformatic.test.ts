import { everyCodec } from '../program.ts';
import { describeClient } from '../scenario.ts';
import { platformaticProgram } from '../toolchain.ts';

describeClient({ name: '@platformatic/kafka', codecs: everyCodec, setUp: platformaticProgram });
