// The start's configuration from command line, environment and files, or all that is wrong with them. Pure: files are read
// through an argument.

import { type BrokerConfig, buildBrokerConfig, type ConfigProblem, noLayers } from './broker-config.ts';
import { optionDefinition } from './broker-options.ts';
import { helpText } from './help.ts';
import { type Assignment, gatherSources } from './sources.ts';

export type LoadedConfig =
  | {
      readonly config: BrokerConfig;
      /** One line each for what was given without effect; worth a warning in the log. */
      readonly warnings: readonly string[];
    }
  | { readonly help: string }
  | { readonly version: true }
  | { readonly errors: readonly string[] };

/**
 * @param argv the words after the program's name.
 * @param readFile the text of a file; throws when it cannot be read.
 */
export function loadConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): LoadedConfig {
  const sources = gatherSources(argv, env, readFile);
  if (sources.help) return { help: helpText() };
  if (sources.version) return { version: true };
  const winners = new Map(sources.assignments.map((assignment) => [assignment.name, assignment]));
  const given = new Map([...winners].map(([name, { text }]) => [name, text]));
  const built = buildBrokerConfig({ ...noLayers, given });
  const problems = 'problems' in built ? built.problems.map((problem) => errorLine(problem, winners)) : [];
  if ('problems' in built || sources.errors.length > 0) return { errors: [...sources.errors, ...problems] };
  return { config: built.config, warnings: warningLines(winners, built.config) };
}

function errorLine({ name, text, problem, allowed }: ConfigProblem, winners: ReadonlyMap<string, Assignment>): string {
  const origin = winners.get(name)?.origin ?? 'default';
  const shown = optionDefinition(name)?.sensitive ? '[hidden]' : text;
  const hint = allowed === undefined ? '' : `; allowed: ${allowed}`;
  return `${name} = '${shown}' (${origin}) is refused: ${problem}${hint}`;
}

function warningLines(winners: ReadonlyMap<string, Assignment>, config: BrokerConfig): string[] {
  const lines = [...winners.values()].flatMap(({ name, origin }) => {
    const reason = optionDefinition(name)?.withoutEffect;
    return reason === undefined ? [] : [`${name} (${origin}) has no effect: ${reason}`];
  });
  const derived = config.storage !== 'embedded' && !winners.has('advertised.listeners');
  if (derived && config.advertisedListeners.some(({ host }) => host === 'localhost')) {
    lines.push(
      'clients are told to connect to localhost; set advertised.listeners unless they all run on this machine',
    );
  }
  if (winners.has('log.dirs') || winners.has('log.dir')) lines.push(`data goes to data.dir = '${config.dataDir}'`);
  return lines;
}
