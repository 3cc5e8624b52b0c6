/**
 * Durations and sizes in human-readable form: `30s`, `1h30m`, `8MB`. A number without a unit is refused as ambiguous;
 * `1KB` is 1024 bytes.
 */

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTES: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** Milliseconds, or null if `text` is not a duration. */
export function parseDuration(text: string): number | null {
  if (!/^(\d{1,9}(ms|s|m|h|d))+$/.test(text)) return null;
  let total = 0;
  let before = Number.POSITIVE_INFINITY;
  for (const [, digits, name] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    const unit = MS[name ?? ''] ?? 0;
    if (unit >= before) return null;
    before = unit;
    total += Number(digits) * unit;
  }
  return total;
}

/** Bytes, or null if `text` is not a size. */
export function parseSize(text: string): number | null {
  const match = /^(\d{1,9})(B|KB|MB|GB)$/.exec(text);
  if (match === null) return null;
  return Number(match[1]) * (BYTES[match[2] ?? ''] ?? 0);
}
