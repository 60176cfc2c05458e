// docs/configuration.md from the tables of options and topic configs. `npm run docs` writes it, a test finds it out of date.

import { topicConfigDefinitions, topicConfigSynonyms } from '../src/actors/admin/topic-config-definitions.ts';
import { acceptedOptions, brokerOptionSections } from '../src/config/broker-options.ts';
import type { Definition, Definitions } from '../src/config/definition.ts';
import { environmentName } from '../src/config/sources.ts';

export const file = 'docs/configuration.md';

export function content(): string {
  return `${[intro(), listeners(), ...brokerOptionSections.map(section), differences(), topics(), accepted(), refused(), changes()].join('\n\n')}\n`;
}

function intro(): string {
  return `<!-- Written by \`npm run docs\` from src/config and src/actors/admin; do not edit. -->

# Configuration

The broker starts with defaults alone. An option is set in three places, the later winning:

1. a properties file: \`--config FILE\` or \`SARGASSO_CONFIG=FILE\`. The syntax is that of Java's \`.properties\` files, as
   for Apache Kafka's \`server.properties\`: \`name=value\`, comments with \`#\` or \`!\`, \`\\\` at the end of a line continues it;
2. the environment: \`SARGASSO_\` and the name in upper case with underscores for dots, e.g. \`${environmentName('num.partitions')}=3\`;
3. a flag: \`--num.partitions=3\` or \`--num.partitions 3\`.

Options bear Kafka's names where Kafka has them. A wrong value, or a name that nobody knows, stops the start with one line
for each: the option, where it was set, the value, and what is allowed. \`--help\` prints the options below.`;
}

function listeners(): string {
  return `## Listeners

\`listeners\` says where the broker listens, \`advertised.listeners\` what clients are told to connect to. On one machine the
defaults do. When clients run elsewhere, give the address by which they reach this node:

\`\`\`properties
listeners=PLAINTEXT://:9092
advertised.listeners=PLAINTEXT://broker-1.example.com:9092
\`\`\`

With two networks, each gets a listener of its own; a client is told the address of the listener it came in by:

\`\`\`properties
listeners=INTERNAL://:9092,EXTERNAL://:19092
advertised.listeners=INTERNAL://10.0.0.5:9092,EXTERNAL://broker-1.example.com:19092
listener.security.protocol.map=INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT
\`\`\`

Only the PLAINTEXT protocol is served. An IPv6 address stands in brackets: \`PLAINTEXT://[::1]:9092\`.`;
}

function section({ title, options }: { title: string; options: Definitions }): string {
  const shown = Object.entries(options).filter(([, { internal }]) => !internal);
  const rows = shown.map(([name, definition]) => [
    `\`${name}\`${definition.dynamic === undefined ? '' : ' *'}`,
    fallback(definition),
    definition.unit ?? '',
    definition.allowed,
    meaning(definition),
  ]);
  const note = shown.some(([, { dynamic }]) => dynamic)
    ? '\n\n\\* can be changed while the broker runs, see below.'
    : '';
  return `## ${title}\n\n${table(['Option', 'Default', 'Unit', 'Allowed', 'Meaning'], rows)}${note}`;
}

function differences(): string {
  const rows = brokerOptionSections
    .flatMap(({ options }) => Object.entries(options))
    .filter(([, { defaultDiffers }]) => defaultDiffers !== undefined)
    .map(([name, definition]) => [`\`${name}\``, fallback(definition), definition.defaultDiffers!]);
  return `## Defaults that differ from Kafka's\n\n${table(['Option', 'Default', 'Why'], rows)}`;
}

function topics(): string {
  const entries = Object.entries(topicConfigDefinitions) as [string, Definition][];
  const source = (name: string) =>
    (topicConfigSynonyms.get(name) ?? []).map((synonym) => `\`${synonym.name}\``).join(', ') || 'its default';
  const effective = entries.filter(([, { withoutEffect }]) => withoutEffect === undefined);
  const others = entries.filter(([, { withoutEffect, internal }]) => withoutEffect !== undefined && !internal);
  const rows = effective.map(([name, definition]) => [
    `\`${name}\``,
    fallback(definition),
    definition.unit ?? '',
    definition.allowed,
    source(name),
    definition.meaning,
  ]);
  return `## Topic configs

Given when a topic is created or with AlterConfigs and IncrementalAlterConfigs. A config that the topic does not set follows
the broker option in the column Broker, the first of them that is set. A name that Kafka 4.3 does not know, or a value that it
refuses, is answered INVALID_CONFIG in Kafka's words.

${table(['Config', 'Default', 'Unit', 'Allowed', 'Broker', 'Meaning'], rows)}

These are taken, checked and described as Kafka does, and have no effect:

${table(
  ['Config', 'Default', 'Why it has no effect'],
  others.map(([name, definition]) => [`\`${name}\``, fallback(definition), definition.withoutEffect!]),
)}`;
}

function accepted(): string {
  const byReason = new Map<string, string[]>();
  for (const [name, { withoutEffect, internal }] of Object.entries(acceptedOptions)) {
    if (withoutEffect === undefined || internal) continue;
    byReason.set(withoutEffect, [...(byReason.get(withoutEffect) ?? []), `\`${name}\``]);
  }
  const groups = [...byReason].map(([reason, names]) => `- ${capitalized(reason)}:\n  ${names.join(', ')}`);
  return `## Kafka's broker properties without effect

A configuration written for Apache Kafka starts this broker too. Each of these properties in it is checked, named in a warning
at the start, shown by DescribeConfigs, and changes nothing:

${groups.join('\n')}`;
}

function refused(): string {
  const rows = Object.entries(acceptedOptions)
    .filter(([, definition]) => definition.refused !== undefined)
    .map(([name, definition]) => [`\`${name}\``, fallback(definition), definition.refused!]);
  return `## Kafka's broker properties that are refused

Ignoring these would break a promise, so anything but the default stops the start:

${table(['Option', 'Only', 'Why'], rows)}`;
}

function changes(): string {
  return `## Changes while the broker runs

Options marked with * take a new value by AlterConfigs or IncrementalAlterConfigs on a broker resource, for one node (its
number) or for all (the empty name, \`--entity-default\`): \`kafka-configs --bootstrap-server localhost:9092 --entity-type brokers
--entity-default --alter --add-config message.max.bytes=2000000\`. Such values are kept with the data and beat those of the
start; one for a single node beats one for all. Properties without effect that Kafka can change at run time are taken and kept
as well. Unlike Kafka, a name that nobody knows is refused with INVALID_CONFIG.

DescribeConfigs tells each value with its source: DYNAMIC_TOPIC_CONFIG, DYNAMIC_BROKER_CONFIG,
DYNAMIC_DEFAULT_BROKER_CONFIG, STATIC_BROKER_CONFIG (file, environment or flag) or DEFAULT_CONFIG, and with the meaning above
as its documentation.`;
}

function fallback({ defaultText }: Definition): string {
  if (defaultText === null) return 'unset';
  return defaultText === '' ? 'empty' : `\`${defaultText}\``;
}

function meaning({ meaning: text, withoutEffect }: Definition): string {
  return withoutEffect === undefined ? text : `${text} Without effect: ${withoutEffect}.`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
