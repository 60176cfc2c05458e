// Where option texts come from at the start: properties files, environment, flags, in this order, the later winning.
// Says of each where it was found, and finds the nearest name for one that does not exist.

import { optionDefinition, optionNames } from './broker-options.ts';
import { parseProperties } from './properties-file.ts';

/** One option set somewhere. `origin` reads like `broker.properties:12`, `environment variable X` or `flag --x`. */
export interface Assignment {
  readonly name: string;
  readonly text: string;
  readonly origin: string;
}

export interface Sources {
  /** In order of precedence: the last of a name wins. */
  readonly assignments: readonly Assignment[];
  readonly errors: readonly string[];
  readonly help: boolean;
  readonly version: boolean;
}

const environmentPrefix = 'SARGASSO_';
const environmentNames = new Map(optionNames.map((name) => [environmentName(name), name]));
const configFileVariable = `${environmentPrefix}CONFIG`;

// Kubernetes puts these into every pod beside a Service named `sargasso`; nobody has set an option by them.
const serviceVariable = /^SARGASSO_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$/;

/** `SARGASSO_NUM_PARTITIONS` for `num.partitions`. */
export function environmentName(name: string): string {
  return environmentPrefix + name.toUpperCase().replaceAll('.', '_');
}

/** Gathers all assignments; unknown names and unreadable files are errors. */
export function gatherSources(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): Sources {
  const flags = readFlags(argv);
  const environment = readEnvironment(env);
  const fileInEnvironment = env[configFileVariable];
  const paths = [...(fileInEnvironment ? [fileInEnvironment] : []), ...flags.files];
  const files = paths.map((path) => readPropertiesFile(path, readFile));
  const all = [...files, environment, flags];
  return {
    assignments: all.flatMap((source) => source.assignments),
    errors: all.flatMap((source) => source.errors),
    help: flags.help,
    version: flags.version,
  };
}

interface Source {
  readonly assignments: Assignment[];
  readonly errors: string[];
}

function readPropertiesFile(path: string, readFile: (path: string) => string): Source {
  let content: string;
  try {
    content = readFile(path);
  } catch (error) {
    return { assignments: [], errors: [`config file ${path} cannot be read: ${(error as Error).message}`] };
  }
  const source: Source = { assignments: [], errors: [] };
  for (const { name, text, line } of parseProperties(content)) {
    const origin = `${path}:${line}`;
    if (optionDefinition(name) !== undefined) source.assignments.push({ name, text, origin });
    else source.errors.push(`${origin}: there is no option ${name}${suggestion(name, optionNames)}`);
  }
  return source;
}

function readEnvironment(env: Readonly<Record<string, string | undefined>>): Source {
  const source: Source = { assignments: [], errors: [] };
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(environmentPrefix) || variable === configFileVariable || text === undefined) continue;
    const name = environmentNames.get(variable);
    const origin = `environment variable ${variable}`;
    if (name !== undefined) source.assignments.push({ name, text, origin });
    else if (serviceVariable.test(variable)) continue;
    else source.errors.push(`${origin}: there is no such option${suggestion(variable, [...environmentNames.keys()])}`);
  }
  return source;
}

interface Flags extends Source {
  readonly files: string[];
  help: boolean;
  version: boolean;
}

function readFlags(argv: readonly string[]): Flags {
  const flags: Flags = { assignments: [], errors: [], files: [], help: false, version: false };
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!;
    if (word === '--help' || word === '-h') flags.help = true;
    else if (word === '--version') flags.version = true;
    else if (!word.startsWith('--')) flags.errors.push(`${word} is not a flag; options are set as --name=value`);
    else {
      const [, name, given] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(word)!;
      const known = name === 'config' || optionDefinition(name!) !== undefined;
      const next = argv[index + 1];
      if (!known) {
        flags.errors.push(`flag --${name}: there is no such option${suggestion(name!, ['config', ...optionNames])}`);
        if (given === undefined && next !== undefined && !next.startsWith('--')) index++;
        continue;
      }
      if (given === undefined) index++;
      const text = given ?? (next?.startsWith('--') ? undefined : next);
      if (text === undefined) flags.errors.push(`flag --${name}: a value is missing; write --${name}=value`);
      else if (name === 'config') flags.files.push(text);
      else flags.assignments.push({ name: name!, text, origin: `flag --${name}` });
      if (given === undefined && text === undefined) index--;
    }
  }
  return flags;
}

/** `; did you mean a, b or c?` for the nearest names, or nothing when none is near. */
export function suggestion(name: string, names: readonly string[]): string {
  const limit = Math.max(3, Math.floor(name.length / 3));
  const near = names
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((one, other) => one.distance - other.distance || (one.candidate < other.candidate ? -1 : 1))
    .filter(({ distance }, _, all) => distance <= all[0]!.distance + 1)
    .slice(0, 3)
    .map(({ candidate }) => candidate);
  if (near.length === 0) return '; --help lists all options';
  return `; did you mean ${near.length === 1 ? near[0] : `${near.slice(0, -1).join(', ')} or ${near.at(-1)}`}?`;
}

/** Levenshtein's distance. */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const replaced = previous[column - 1]! + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[other.length]!;
}
