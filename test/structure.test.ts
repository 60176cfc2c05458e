// The shape of the source: which part may know which, and what the parts that the simulator runs must not touch.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect } from 'chai';

const root = join(import.meta.dirname, '..');

/** Parts from the innermost outwards; each may import itself and those before it. */
const layers = ['src/protocol', 'src/actors', 'src/storage', 'cluster'] as const;

/** Files outside the parts that every one of them may import: the table of options and the list of events. */
const common = ['src/config', 'src/config.ts', 'src/events', 'src/events.ts'] as const;

/** Get clock, randomness, network and disk as arguments (src/actors/runtime/ports.ts), so that they can be simulated. */
const simulated = ['src/protocol', 'src/actors'] as const;

/** The modules of Node's that touch nothing outside the process. */
const pureModules: readonly string[] = ['node:buffer', 'node:zlib', 'node:util', 'node:assert'];

/** From node:crypto only what always gives the same for the same bytes. */
const pureCrypto: readonly string[] = ['createHash', 'createHmac', 'hash', 'pbkdf2Sync', 'timingSafeEqual'];

const forbidden: readonly (readonly [name: string, use: RegExp])[] = [
  ['Date.now', /\bDate\s*\.\s*now\b/],
  ['new Date()', /\bnew\s+Date\s*\(\s*\)/],
  ['Math.random', /\bMath\s*\.\s*random\b/],
  ['setTimeout', /\bsetTimeout\b/],
  ['setInterval', /\bsetInterval\b/],
  ['setImmediate', /\bsetImmediate\b/],
  ['performance', /\bperformance\s*\./],
  ['process', /\bprocess\s*\./],
  ['fetch()', /(?<![.\w])fetch\s*\(/],
  ['crypto', /(?<![.\w])crypto\s*\./],
];

const linesMax = 500;

interface Import {
  readonly module: string;
  /** The names between the braces, as written. */
  readonly names: string;
  readonly typeOnly: boolean;
}

interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** The text without comments, and with empty strings. */
  readonly code: string;
  readonly imports: readonly Import[];
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function withoutComments(text: string): string {
  // Strings and templates are matched so that what looks like a comment inside one stays.
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (_, quoted: string | undefined) => quoted ?? '',
  );
}

function withoutStrings(text: string): string {
  // Templates stay: what stands in their ${} is code.
  return text.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, "''");
}

function importsOf(text: string): Import[] {
  const from = /\b(?:import|export)\s+(type\s+)?([^'"`;]*?)\s*\bfrom\s+['"]([^'"]+)['"]/g;
  const bare = /\bimport\s*\(?\s*['"]([^'"]+)['"]/g;
  return [
    ...[...text.matchAll(from)].map(([, type, names, module]) => ({
      module: module!,
      names: names!,
      typeOnly: type !== undefined,
    })),
    ...[...text.matchAll(bare)].map(([, module]) => ({ module: module!, names: '', typeOnly: false })),
  ];
}

function sourceOf(path: string, text: string): SourceFile {
  const uncommented = withoutComments(text);
  return { path, text, code: withoutStrings(uncommented), imports: importsOf(uncommented) };
}

function isIn(path: string, part: string): boolean {
  return path === part || path.startsWith(`${part}/`);
}

function layerOf(path: string): number {
  return layers.findIndex((layer) => isIn(path, layer));
}

/** Path of a relative import, from the root. */
function target(file: SourceFile, module: string): string | undefined {
  return module.startsWith('.') ? relative(root, resolve(root, dirname(file.path), module)) : undefined;
}

/** What is wrong with the imports of `file`. */
function wrongArrows(file: SourceFile): string[] {
  const from = layerOf(file.path);
  const isCommon = common.some((part) => isIn(file.path, part));
  return file.imports.flatMap(({ module }) => {
    const to = target(file, module);
    if (to === undefined || common.some((part) => isIn(to, part))) return [];
    const layer = layerOf(to);
    // What everybody may import may itself import the innermost part only.
    const allowed = isCommon ? layer === 0 : layer >= 0 && layer <= from;
    return allowed ? [] : [`${file.path} imports ${to}`];
  });
}

function impurities(file: SourceFile): string[] {
  const globals = forbidden.filter(([, use]) => use.test(file.code)).map(([name]) => `${file.path} uses ${name}`);
  const modules = file.imports.flatMap(({ module, names, typeOnly }) => {
    if (!module.startsWith('node:') || typeOnly || pureModules.includes(module)) return [];
    const isPureCrypto =
      module === 'node:crypto' &&
      /^\{[^}]*\}$/.test(names) &&
      names
        .slice(1, -1)
        .split(',')
        .every((name) => name.trim() === '' || pureCrypto.includes(name.trim()));
    return isPureCrypto ? [] : [`${file.path} imports ${module}`];
  });
  return [...globals, ...modules];
}

describe('structure of the source', () => {
  const files = [...filesBelow('src'), ...filesBelow('cluster')].map((path) =>
    sourceOf(path, readFileSync(join(root, path), 'utf8')),
  );

  it('has files to look at in every part', () => {
    for (const layer of layers) {
      expect(
        files.filter(({ path }) => isIn(path, layer)),
        layer,
      ).to.not.be.empty;
    }
  });

  it('knows only what lies further in: cluster -> storage -> actors -> protocol', () => {
    expect(files.flatMap(wrongArrows)).to.deep.equal([]);
  });

  it('keeps clock, randomness, network and disk out of protocol and actors', () => {
    const inside = files.filter(({ path }) => simulated.some((part) => isIn(path, part)));
    expect(inside.flatMap(impurities)).to.deep.equal([]);
  });

  it(`has no file of more than ${linesMax} lines, and each begins by saying what it is for`, () => {
    const long = files.filter(({ text }) => text.split('\n').length > linesMax + 1).map(({ path }) => path);
    expect(long, 'too long').to.deep.equal([]);
    const silent = files.filter(({ text }) => !/^(#![^\n]*\n)?\/[/*]/.test(text)).map(({ path }) => path);
    expect(silent, 'without an opening comment').to.deep.equal([]);
  });
});

describe('the structure test itself', () => {
  it('sees imports of every form', () => {
    const file = sourceOf(
      'src/protocol/x.ts',
      `import { a } from '../actors/a.ts';
       import type { B } from '../storage/b.ts';
       import '../../cluster/c.ts';
       export * from '../storage/d.ts';
       const e = await import('../actors/e.ts');
       // import { f } from '../actors/f.ts';
       import { g } from './g.ts';`,
    );
    expect(wrongArrows(file)).to.have.members(
      ['src/actors/a.ts', 'src/storage/b.ts', 'cluster/c.ts', 'src/storage/d.ts', 'src/actors/e.ts'].map(
        (to) => `src/protocol/x.ts imports ${to}`,
      ),
    );
  });

  it('sees impure code, but not in comments and strings', () => {
    const file = sourceOf(
      'src/actors/x.ts',
      `import { randomBytes } from 'node:crypto';
       import { createHash } from 'node:crypto';
       import type { Socket } from 'node:net';
       import { readFileSync } from 'node:fs';
       // Date.now() is what a comment may say.
       const text = 'Math.random';
       const now = Date.now();
       clock.setTimer(5, () => {});
       const late = \`\${setTimeout(f, 5)}\`;`,
    );
    expect(impurities(file)).to.have.members([
      'src/actors/x.ts uses Date.now',
      'src/actors/x.ts uses setTimeout',
      'src/actors/x.ts imports node:crypto',
      'src/actors/x.ts imports node:fs',
    ]);
  });
});
