// Templates of HTML: what users name stays text.

import { expect } from 'chai';
import fc from 'fast-check';
import { groupPath, html, named } from '../../cluster/admin/pages/html.ts';
import { page, table } from '../../cluster/admin/pages/layout.ts';

/** Texts that are likely to break out of where they are put. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom('<', '>', '"', "'", '&', '</title>', '</td>', '<script>', '-->', ' onclick=', '&lt;', 'a'))
    .map((all) => all.join('')),
);

const frame = { url: '/groups', nodeId: 1, clusterId: 'c', content: html`` };

/** The text that a browser shows for escaped text. */
function shown(escaped: string): string {
  return escaped
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}

describe('html', () => {
  it('shows any text as it is, and lets none of it be markup', () => {
    fc.assert(
      fc.property(text, (value) => {
        const made = html`${value}`.text;
        expect(made).not.to.match(/[<>"']/);
        expect(shown(made)).to.equal(value);
      }),
    );
  });

  it('keeps the tags of a whole page the same, whatever is put into it', () => {
    const tagsOf = (value: string) => {
      const content = table(value, [value], [[named(value)], [value]]);
      return [...page({ ...frame, title: value, clusterId: value, content }).text.matchAll(/<[^>]*>/g)].map(
        ([tag]) => tag,
      );
    };
    const harmless = tagsOf('x');
    fc.assert(
      fc.property(
        text.filter((value) => value !== ''),
        (value) => {
          expect(tagsOf(value)).to.deep.equal(harmless);
        },
      ),
    );
  });

  it('makes a path of any group id that leads back to it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (groupId) => {
        const path = groupPath(groupId);
        expect(path).to.match(/^\/groups\/[^/?#<>"]+$/);
        expect(decodeURIComponent(path.slice('/groups/'.length))).to.equal(groupId);
      }),
    );
  });

  it('takes HTML, lists, numbers and what is not there', () => {
    expect(html`<p>${html`<b>${1}</b>`}${[html`<i>`, '<']}${null}${undefined}${false}${2n}</p>`.text).to.equal(
      '<p><b>1</b><i>&lt;2</p>',
    );
  });
});
