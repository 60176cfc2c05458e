// What `--help` prints: how options are set, and the table of those that have an effect.

import { brokerOptionSections } from './broker-options.ts';
import type { Definition } from './definition.ts';

const lineWidth = 110;
const indent = 6;

/** The whole text, with a line break at its end. */
export function helpText(): string {
  const sections = brokerOptionSections.map(({ title, options }) => {
    const shown = Object.entries(options).filter(([, { internal }]) => !internal);
    return [`${title}:`, ...shown.map(([name, definition]) => optionText(name, definition))].join('\n');
  });
  return `Usage: sargasso [--config FILE] [--NAME=VALUE ...]

A Kafka-compatible broker. Each option is set in a properties file (--config FILE), by an environment variable
(SARGASSO_ and the name in upper case with underscores for dots: SARGASSO_NUM_PARTITIONS) or by a flag
(--num.partitions=3); a flag beats the environment, the environment beats the file.

  --config FILE   read options from FILE (also SARGASSO_CONFIG)
  --help          print this
  --version       print the version

${sections.join('\n\n')}

Kafka's other broker properties are taken without effect; docs/configuration.md lists them and says why.
`;
}

function optionText(name: string, definition: Definition): string {
  const unit = definition.unit === undefined ? '' : ` ${definition.unit}`;
  const fallback =
    definition.defaultText === null ? 'unset' : definition.defaultText === '' ? 'empty' : definition.defaultText;
  const facts = `default: ${fallback}${definition.defaultText === null ? '' : unit}`;
  const effect = definition.withoutEffect === undefined ? '' : ` Without effect: ${definition.withoutEffect}.`;
  const meaning = wrap(`${definition.meaning}${effect} Allowed: ${definition.allowed}.`, lineWidth - indent);
  return [`  ${name}   (${facts})`, ...meaning.map((line) => ' '.repeat(indent) + line)].join('\n');
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}
