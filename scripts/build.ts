// Builds dist/: the program as a few files instead of some hundred modules, which takes a third off the CPU of a start, and
// what it reads beside itself. Packages stay outside; what only some configurations need (NATS, SeaweedMQ, tracing) is in
// files of its own, loaded when it is wanted. Types are checked elsewhere (npm run typecheck).

import { cpSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: ['cluster/main.ts'],
  outdir: 'dist/cluster',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: true,
});
// protos.ts looks for them beside the file that it lies in.
cpSync('src/storage/seaweed/proto', 'dist/cluster/proto', { recursive: true });
