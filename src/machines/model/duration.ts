/** The formats of all durations in comments, messages and tables. */

/** A measured duration: `340ms`, `12.5s`, `20m 41s`, `1h 02m 03s`, `3d 04h`. */
export function formatDuration(ms: number): string {
  const positive = Math.max(0, ms);
  if (positive < 999.5) return `${Math.round(positive)}ms`;
  if (positive < 59_950) return `${(positive / 1000).toFixed(1)}s`;
  const hours = Math.floor(Math.round(positive / 1000) / 3600);
  return hours < 48 ? formatSeconds(positive) : `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

/** In whole seconds, as Zuul prints it: `7s`, `58m 10s`, `1h 02m 03s`. */
export function formatSeconds(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1000));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = total % 60;
  if (hours > 0) return `${hours}h ${two(minutes)}m ${two(seconds)}s`;
  return minutes > 0 ? `${minutes}m ${two(seconds)}s` : `${seconds}s`;
}

/** A limit or a rough duration in its two largest units, as in the configuration: `250ms`, `30s`, `1h 30m`. */
export function formatLimit(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const parts: string[] = [];
  let rest = Math.round(ms / 1000);
  for (const [unit, seconds] of UNITS) {
    const count = Math.floor(rest / seconds);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * seconds;
  }
  return parts.slice(0, 2).join(' ');
}

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

function two(value: number): string {
  return String(value).padStart(2, '0');
}
