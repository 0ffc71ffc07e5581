// `%START_TIME(format)%` and its kin: a moment in the words of strftime, in UTC or local time, with Envoy's `%3f` for fractions of a second
// and `%s` for the epoch. In: milliseconds and a format. Out: text; without a format ISO 8601 with milliseconds.

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

type Part = (time: Date) => string | number;

const two = (value: number): string => String(value).padStart(2, '0');

const parts: Readonly<Record<string, Part>> = {
  Y: (time) => time.getUTCFullYear(),
  m: (time) => two(time.getUTCMonth() + 1),
  d: (time) => two(time.getUTCDate()),
  H: (time) => two(time.getUTCHours()),
  M: (time) => two(time.getUTCMinutes()),
  S: (time) => two(time.getUTCSeconds()),
  y: (time) => two(time.getUTCFullYear() % 100),
  a: (time) => (days[time.getUTCDay()] ?? '').slice(0, 3),
  A: (time) => days[time.getUTCDay()] ?? '',
  b: (time) => (months[time.getUTCMonth()] ?? '').slice(0, 3),
  B: (time) => months[time.getUTCMonth()] ?? '',
  F: (time) => time.toISOString().slice(0, 10),
  T: (time) => time.toISOString().slice(11, 19),
  '%': () => '%',
};

export type Zone = 'UTC' | 'local';

export function formatStartTime(epochMs: number, format: string, zone: Zone = 'UTC'): string {
  const minutes = zone === 'UTC' ? 0 : -new Date(epochMs).getTimezoneOffset();
  const time = new Date(epochMs + minutes * 60_000);
  if (format === '')
    return zone === 'UTC' ? time.toISOString() : `${time.toISOString().slice(0, -1)}${offsetOf(minutes)}`;
  return format.replace(/%([1-9]?)(s|f)|%(.)/g, (whole, digits: string, fraction: string, name: string) => {
    const seconds = String(Math.floor(epochMs / 1000));
    if (fraction === 'f') return fractionOf(epochMs, Number(digits || 9));
    // `%3s`: the epoch with three digits after the point, written without the point.
    if (fraction === 's') return digits === '' ? seconds : `${seconds}${fractionOf(epochMs, Number(digits))}`;
    if (name === 'z') return offsetOf(minutes);
    if (name === 'Z') return minutes === 0 ? 'UTC' : offsetOf(minutes);
    return String(parts[name]?.(time) ?? whole);
  });
}

function offsetOf(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`;
}

function fractionOf(epochMs: number, digits: number): string {
  return String(Math.floor(epochMs % 1000))
    .padStart(3, '0')
    .padEnd(9, '0')
    .slice(0, digits);
}
