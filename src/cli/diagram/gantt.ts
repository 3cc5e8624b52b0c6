/** When a history was in each state, as a Gantt chart: for Mermaid, and as an image. */
import { formatDuration } from '../../machines/model/duration.ts';
import { plainText } from '../../terminal-text.ts';
import type { StateSpan } from '../output/state-spans.ts';
import { image, round, TEXT, textWidth, xml } from './svg-text.ts';

export interface Chart {
  readonly title: string;
  readonly spans: readonly StateSpan[];
  /** The end of a span that is still open, epoch ms. */
  readonly now: number;
}

/** A history that never ends has thousands; the newest are shown. */
const MAX_SPANS = 200;

interface Bar {
  readonly label: string;
  readonly duration: string;
  readonly attempt: number;
  readonly from: number;
  readonly to: number;
  readonly isOpen: boolean;
}

export function ganttMermaid(chart: Chart): string {
  const bars = barsOf(chart);
  const lines = ['gantt', `  title ${word(chart.title)}`, '  dateFormat x', '  axisFormat %H:%M:%S'];
  let attempt = 0;
  for (const bar of bars) {
    if (bar.attempt !== attempt) lines.push(`  section attempt ${bar.attempt}`);
    attempt = bar.attempt;
    const status = bar.isOpen ? 'active, ' : '';
    lines.push(`  ${word(bar.label)} ${bar.duration} :${status}${bar.from}, ${bar.to}`);
  }
  return `${lines.join('\n')}\n`;
}

const ROW = 22;
const BARS_WIDTH = 720;
const TICKS = 6;
const STYLE = `
.bar{fill:#7fb0f5;stroke:#1a66cc}.open{fill:#ffd24d;stroke:#1a66cc}.again{fill:#f2b8a0;stroke:#b5532a}
.tick{stroke:#ddd}.time{fill:#666}`;

export function ganttSvg(chart: Chart): string {
  const bars = barsOf(chart);
  const start = Math.min(...bars.map(({ from }) => from));
  const length = Math.max(1, ...bars.map(({ to }) => to - start));
  const left = textWidth(bars.map(({ label }) => label)) + 24;
  const xOf = (at: number) => left + ((at - start) / length) * BARS_WIDTH;
  const height = bars.length * ROW + 30;
  const ticks = Array.from({ length: TICKS + 1 }, (_, index) => {
    const at = start + (length * index) / TICKS;
    const [x, y] = [round(xOf(at)), height - 8];
    const time = `<text class="time" text-anchor="middle" x="${x}" y="${y}">+${formatDuration(Math.round(at - start))}</text>`;
    return `<line class="tick" x1="${x}" y1="0" x2="${x}" y2="${y - TEXT.line}"/>${time}`;
  });
  const shapes = bars.map(({ label, duration, attempt, from, to, isOpen }, index) => {
    const y = index * ROW;
    const kind = isOpen ? 'open' : attempt > 1 ? 'again' : 'bar';
    const [x, width] = [xOf(from), Math.max(2, xOf(to) - xOf(from))];
    return (
      `<text x="12" y="${y + 15}">${xml(label)}</text>` +
      `<rect class="${kind}" x="${round(x)}" y="${y + 4}" width="${round(width)}" height="${ROW - 8}"/>` +
      `<text class="time" x="${round(x + width + 5)}" y="${y + 15}">${xml(duration)}</text>`
    );
  });
  const width = left + BARS_WIDTH + textWidth(bars.map(({ duration }) => duration)) + 24;
  return image(chart.title, { width, height }, STYLE, [...ticks, ...shapes]);
}

function barsOf({ spans, now }: Chart): readonly Bar[] {
  return spans.slice(-MAX_SPANS).map(({ state, attempt, startedAt, endedAt }) => {
    const to = endedAt ?? Math.max(now, startedAt);
    return {
      label: attempt > 1 ? `${state} (attempt ${attempt})` : state,
      duration: formatDuration(to - startedAt),
      attempt,
      from: startedAt,
      to,
      isOpen: endedAt === null,
    };
  });
}

/** Without the signs that end or separate a part of a line. */
function word(text: string): string {
  return plainText(text).replaceAll(/[:;#,%{}]/g, '_');
}
