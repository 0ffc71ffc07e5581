// Durations as people write them in the environment: `5m`, `10s`, `1h30m`, `1.5s`, `250ms`; a bare number is seconds.
// Text in, milliseconds out; undefined for anything else. Source: ztunnel.md §2.

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const whole = /^(\d+(\.\d+)?(ms|s|m|h|d))+$/;
const part = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/** Longest text that is looked at: nobody writes a longer duration. */
const longestText = 64;

/** Never negative; fractions of a millisecond are rounded. */
export function parseDurationMs(text: string): number | undefined {
  if (text.length > longestText) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1_000);
  if (!whole.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(part)) totalMs += Number(amount) * (unitMs[unit ?? ''] ?? Number.NaN);
  return Number.isFinite(totalMs) ? Math.round(totalMs) : undefined;
}
