// The syntax of Java's .properties files (java.util.Properties.load): comments, separators, escapes, continued lines.
// Keeps the line of each property, so that a complaint can name it.

export interface Property {
  readonly name: string;
  readonly text: string;
  /** Number of the line on which it starts, from 1. */
  readonly line: number;
}

/** Reads a file's text. Later ones of the same name come later in the result. A `\\u` without four digits is the letter u. */
export function parseProperties(content: string): readonly Property[] {
  return logicalLines(content).map(({ text, line }) => {
    const { name, rest } = splitProperty(text);
    return { name: unescaped(name), text: unescaped(rest), line };
  });
}

interface LogicalLine {
  readonly text: string;
  readonly line: number;
}

function logicalLines(content: string): LogicalLine[] {
  const lines: LogicalLine[] = [];
  const natural = content.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  for (let index = 0; index < natural.length; index++) {
    const line = index + 1;
    let text = natural[index]!.replace(/^[ \t\f]+/, '');
    // A lone backslash continues nothing: what follows begins anew.
    if (text === '' || text === '\\' || text.startsWith('#') || text.startsWith('!')) continue;
    while (isContinued(text)) {
      index++;
      // Blanks at the start of a continuing line do not count; a comment sign there is no comment.
      text = text.slice(0, -1) + (natural[index] ?? '').replace(/^[ \t\f]+/, '');
      if (index >= natural.length) break;
    }
    if (text !== '') lines.push({ text, line });
  }
  return lines;
}

function isContinued(text: string): boolean {
  const backslashes = /\\*$/.exec(text)![0].length;
  return backslashes % 2 === 1;
}

/** The name ends at the first `=`, `:` or blank that is not escaped; around the separator blanks do not count. */
function splitProperty(text: string): { name: string; rest: string } {
  let end = 0;
  while (end < text.length && !'=: \t\f'.includes(text[end]!)) end += text[end] === '\\' ? 2 : 1;
  const rest = text.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '');
  return { name: text.slice(0, end), rest };
}

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescaped(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|[\s\S]|$)/g, (_, escaped: string) => {
    if (escaped.length === 5) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return escapes[escaped] ?? escaped;
  });
}
