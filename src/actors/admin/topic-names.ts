// Which names a topic may bear, in Kafka's words (org.apache.kafka.common.internals.Topic).

/** Kafka's own log of metadata; no topic may be created under its name. */
export const CLUSTER_METADATA = '__cluster_metadata';

const nameCharactersMax = 249;

/** What is wrong with the name of a topic, in the words Kafka answers INVALID_TOPIC_EXCEPTION with. */
export function topicNameProblem(name: string): string | undefined {
  const problem = nameProblem(name);
  return problem === undefined ? undefined : `Topic name is invalid: ${problem}`;
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'the empty string is not allowed';
  if (name === '.' || name === '..') return `'${name}' is not allowed`;
  if (name.length > nameCharactersMax) {
    return `the length of '${name}' is longer than the max allowed length ${nameCharactersMax}`;
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
  }
  return undefined;
}
