// docs/protocol.md is what its generator makes of the routes now.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { content, file } from '../../scripts/docs-protocol.ts';

describe(file, () => {
  it('is up to date (npm run docs writes it anew)', async () => {
    const written = await readFile(join(import.meta.dirname, '..', '..', file), 'utf8');
    expect(written === content(), 'npm run docs').to.equal(true);
  });
});
