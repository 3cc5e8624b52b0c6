/**
 * What all published pages share: one file each without scripts or external resources, readable on a phone and in dark
 * mode. All of their content is untrusted and is escaped.
 */
import { createHash } from 'node:crypto';

const PAGE_HEAD = `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="generator" content="sos-ci">\n`;

/** @param head the beginning of a page */
export function isOurPage(head: string): boolean {
  return head.startsWith(PAGE_HEAD);
}

/**
 * The beginning of a page, up to its content. Its policy allows nothing but its own style sheet, also where the web
 * server sends no header.
 */
export function pageStart(title: string, moreStyle = ''): string {
  const style = `${STYLE}${moreStyle}`;
  const hash = createHash('sha256').update(style, 'utf8').digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  return [
    PAGE_HEAD,
    `<meta http-equiv="Content-Security-Policy" content="${policy}">\n`,
    `<meta name="referrer" content="no-referrer">\n`,
    `<meta name="viewport" content="width=device-width, initial-scale=1">\n`,
    `<meta name="robots" content="noindex">\n<title>${html(title)}</title>\n`,
    `<style>${style}</style>\n</head>\n<body>\n<main>\n`,
  ].join('');
}

export const PAGE_END = '</main>\n</body>\n</html>\n';

/** Converts a path to a relative link: each segment is encoded, and the link cannot be parsed as a scheme or a host. */
export function linkTo(path: string): string {
  return `./${path.split('/').map(encodeURIComponent).join('/')}`;
}

export function link(path: string, text: string): string {
  return `<a href="${html(linkTo(path))}">${html(text)}</a>`;
}

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Formats an ISO 8601 time as `2026-01-02 03:04:05 UTC`. */
export function utc(iso: string | null): string {
  return iso === null ? 'unknown' : `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes HTML characters and replaces characters that reorder or hide the surrounding text. */
export function html(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1c2128;--dim:#59636e;--line:#d8dee4;--paper:#fff;--link:#0a58ca;
--good:#1a7f37;--bad:#c62828;--infra:#8a5a00;--mark:#fff3c4}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--line:#30363d;--paper:#0d1117;--link:#6cb6ff;
--good:#3fb950;--bad:#ff7b72;--infra:#e3b341;--mark:#3a3000}}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:70rem;margin:0 auto;padding:2rem 1rem 4rem}
header{border-bottom:1px solid var(--line);margin-bottom:1.25rem;padding-bottom:1rem}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0 0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2.25rem 0 .5rem}
.verdict{display:inline-block;margin:0;padding:.1rem .7rem;border-radius:1rem;border:2px solid;font-weight:700}
.good{color:var(--good)}.bad{color:var(--bad)}.infra{color:var(--infra)}
.reason{margin:.5rem 0 0;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.25rem;margin:0}
dt,.note,footer{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
pre{border:1px solid var(--line);padding:.6rem .8rem;font-size:.85em;white-space:pre-wrap;overflow-wrap:anywhere}
.log{line-height:1.45;white-space:normal}
.log>span{display:block;white-space:pre-wrap;padding-left:8ch;scroll-margin-top:8rem}
.log a{display:inline-block;width:7ch;margin-left:-8ch;padding-right:1ch;text-align:right;color:var(--dim);
text-decoration:none;user-select:none;-webkit-user-select:none}
.log a:hover,.log a:focus{text-decoration:underline}
:target{background:var(--mark)}.log :target a{color:inherit}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem 1rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--dim);font-weight:600;font-size:.85rem}td{font-variant-numeric:tabular-nums}
.line td{white-space:nowrap}
.number{text-align:right;padding-right:0;white-space:nowrap}
a{color:var(--link)}code{font-size:.9em;overflow-wrap:anywhere}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem;font-size:.85rem}
`;
