// Writes the generated pages of docs/. Every scripts/docs-*.ts makes one: it exports `file`, the page's path from the
// root of the repository, and `content()`, its text.

import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const scripts = import.meta.dirname;
for (const name of (await readdir(scripts)).filter((file) => /^docs-.*\.ts$/.test(file)).sort()) {
  const page = (await import(pathToFileURL(join(scripts, name)).href)) as { file: string; content: () => string };
  await writeFile(join(scripts, '..', page.file), page.content());
  console.log(page.file);
}
