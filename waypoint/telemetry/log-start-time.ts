// `%START_TIME(format)%`: a moment in the words of strftime, in UTC, with Envoy's `%3f` for fractions of a second and `%s` for the
// epoch. In: milliseconds and a format. Out: text; without a format ISO 8601 with milliseconds.

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
  z: () => '+0000',
  Z: () => 'UTC',
  s: (time) => Math.floor(time.getTime() / 1000),
  '%': () => '%',
};

export function formatStartTime(epochMs: number, format: string): string {
  const time = new Date(epochMs);
  if (format === '') return time.toISOString();
  return format.replace(/%([1-9]?)(s|f)|%(.)/g, (whole, digits: string, fraction: string, name: string) => {
    if (fraction === 'f') return fractionOf(epochMs, Number(digits || 9));
    // `%3s`: the epoch with three digits after the point, written without the point.
    if (fraction === 's' && digits !== '') return `${Math.floor(epochMs / 1000)}${fractionOf(epochMs, Number(digits))}`;
    return String(parts[fraction ?? name]?.(time) ?? whole);
  });
}

function fractionOf(epochMs: number, digits: number): string {
  return String(Math.floor(epochMs % 1000))
    .padStart(3, '0')
    .padEnd(9, '0')
    .slice(0, digits);
}
