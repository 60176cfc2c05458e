// HTML as text that is safe: whatever is put into a template is escaped, unless it is HTML made by one. Ids of groups and
// clients, topics, reasons: all of it is what users and their programs say.

/** Text that is HTML already, made by `html`; or CSS. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | bigint | null | undefined | false | readonly Part[];

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A template of HTML. Texts and numbers in it are escaped, lists follow one another, null, undefined and false are nothing. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.map((text, index) => text + (index < parts.length ? textOf(parts[index]) : '')).join(''));
}

function textOf(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  if (Array.isArray(part)) return part.map(textOf).join('');
  return String(part).replaceAll(/[&<>"']/g, (character) => escapes[character] as string);
}

/** Something that a user has named: its writing direction cannot turn what stands around it. */
export function named(name: string): Html {
  return name === '' ? html`<i>empty</i>` : html`<bdi>${name}</bdi>`;
}

export function groupPath(groupId: string): string {
  return `/groups/${encodeURIComponent(groupId)}`;
}
