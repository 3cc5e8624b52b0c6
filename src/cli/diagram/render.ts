/** The formats of pictures. The library that lays out images is loaded only for an image. */
import type { Drawing } from './drawing.ts';

export const FORMATS = ['mermaid', 'dot', 'svg'] as const;
export type Format = (typeof FORMATS)[number];

export async function render(drawing: Drawing, format: Format): Promise<string> {
  switch (format) {
    case 'mermaid':
      return (await import('./mermaid.ts')).toMermaid(drawing);
    case 'dot':
      return (await import('./dot.ts')).toDot(drawing);
    case 'svg':
      return (await import('./svg.ts')).toSvg(drawing);
  }
}
