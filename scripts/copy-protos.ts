// Copies what the compiled code reads beside itself and tsc does not know: the .proto files.

import { cpSync } from 'node:fs';

cpSync('src/storage/seaweed/proto', 'dist/src/storage/seaweed/proto', { recursive: true });
