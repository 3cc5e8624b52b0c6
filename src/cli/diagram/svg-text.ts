/** Text in SVG images. Widths are estimates, because no browser measures them: the font has letters of one width. */
import { plainText } from '../../terminal-text.ts';

/** In pixels. */
export const TEXT = { size: 11, letter: 6.7, line: 13 } as const;

export function textWidth(lines: readonly string[]): number {
  return Math.max(0, ...lines.map((line) => plainText(line).length)) * TEXT.letter;
}

/** Escaped, without characters that XML or a terminal cannot take. */
export function xml(text: string): string {
  return plainText(text).replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

export function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Lines of text around a point. */
export function multiline(
  { x, y }: { readonly x: number; readonly y: number },
  lines: readonly string[],
  kind: string,
): string {
  const top = y - ((lines.length - 1) * TEXT.line) / 2 + 4;
  const spans = lines.map(
    (line, index) => `<tspan x="${round(x)}" y="${round(top + index * TEXT.line)}">${xml(line)}</tspan>`,
  );
  return `<text text-anchor="middle"${kind === '' ? '' : ` class="${kind}"`}>${spans.join('')}</text>`;
}

/** The whole image on a white ground, below its title. */
export function image(
  title: string,
  size: { readonly width: number; readonly height: number },
  style: string,
  shapes: readonly string[],
): string {
  const head = 30;
  const width = Math.ceil(Math.max(size.width, textWidth([title]) * 1.3 + 24));
  const height = Math.ceil(size.height + head);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="ui-monospace,Menlo,Consolas,monospace" font-size="${TEXT.size}">`,
    `<title>${xml(title)}</title>`,
    `<style>${style.trim()}</style>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="12" y="20" font-size="14" font-weight="bold">${xml(title)}</text>`,
    `<g transform="translate(0 ${head})">`,
    ...shapes,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}
