import { everyCodec } from './program.ts';
import { describeClient } from './scenario.ts';
import { pythonProgram } from './toolchain.ts';

describeClient({ name: 'confluent-kafka', codecs: everyCodec, setUp: () => pythonProgram('confluent.py') });
