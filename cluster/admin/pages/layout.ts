// What every page has around its content. One document, no other files and no scripts; it comes again by itself, which the
// reader can stop.

import { Html, html } from './html.ts';

export interface PageFrame {
  readonly title: string;
  /** Path and query of the page. */
  readonly url: string;
  readonly nodeId: number;
  readonly clusterId: string;
  readonly content: Html;
}

/** How often a page comes again, s. */
const REFRESH_SECONDS = 10;

export const contentSecurityPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const css = `
:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--line:#767676;--soft:#f0f0f0;--bad:#a4000f;--good:#0a5c1f;--link:#0b4fb3}
@media(prefers-color-scheme:dark){:root{--ink:#eee;--paper:#161616;--line:#8a8a8a;--soft:#262626;--bad:#ff9a9a;--good:#8fdc9f;--link:#9cc3ff}}
body{font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;max-width:75rem;padding:1rem}
a{color:var(--link)}nav a{margin-right:1rem}h1{font-size:1.4rem}h2{font-size:1.15rem;margin-top:2rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}caption{text-align:left;padding:.3rem 0}
th,td{border-bottom:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:var(--soft)}td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bad{color:var(--bad);font-weight:600}.good{color:var(--good)}
.notice{border-left:.4rem solid var(--bad);padding:.3rem .8rem;background:var(--soft)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:2rem;border-top:1px solid var(--line);padding-top:.5rem;font-size:.9rem}
`;

/** The whole document. */
export function page({ title, url, nodeId, clusterId, content }: PageFrame): Html {
  const refreshes = !/[?&]refresh=off\b/.test(url);
  const otherwise = refreshes
    ? `${url}${url.includes('?') ? '&' : '?'}refresh=off`
    : url.replace(/([?&])refresh=off&?/, '$1').replace(/[?&]$/, '');
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${
  refreshes &&
  html`<meta http-equiv="refresh" content="${REFRESH_SECONDS}">
`
}<title>${title} · Sargasso</title>
<style>${new Html(css)}</style>
</head>
<body>
<nav aria-label="Pages"><a href="/">Cluster</a><a href="/groups">Groups</a><a href="/metrics">Metrics</a><a href="/readyz">Health</a></nav>
<main>
<h1>${title}</h1>
${content}
</main>
<footer>Told by node ${nodeId} of cluster ${clusterId}. ${
    refreshes
      ? html`This page comes again every ${REFRESH_SECONDS} seconds. <a href="${otherwise}">Stop that</a>`
      : html`<a href="${otherwise}">Have it come again every ${REFRESH_SECONDS} seconds</a>`
  }</footer>
</body>
</html>
`;
}

/** A table with its headings; `numbers` are the columns of figures. */
export function table(
  caption: string,
  headings: readonly string[],
  rows: readonly (readonly (Html | string | number | bigint | null)[])[],
  numbers: ReadonlySet<number> = new Set(),
): Html {
  const align = (column: number): Html | false => numbers.has(column) && html` class="number"`;
  const cell = (value: Html | string | number | bigint | null, column: number): Html =>
    column === 0 ? html`<th scope="row"${align(column)}>${value}</th>` : html`<td${align(column)}>${value}</td>`;
  return html`<div class="scroll"><table>
<caption>${caption}</caption>
<thead><tr>${headings.map((heading, column) => html`<th scope="col"${align(column)}>${heading}</th>`)}</tr></thead>
<tbody>
${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody>
</table></div>`;
}

/** Something that is missing, and why. */
export function notice(text: Html | string): Html {
  return html`<p class="notice" role="status">${text}</p>`;
}
