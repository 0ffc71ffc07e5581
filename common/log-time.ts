// The time of a log line: RFC 3339 with microseconds, as ztunnel writes it. Most of it is the same for every line of one millisecond.

let millisecond = Number.NaN;
let text = '';

export function logTime(): string {
  const nowMs = performance.timeOrigin + performance.now();
  const whole = Math.floor(nowMs);
  if (whole !== millisecond) {
    millisecond = whole;
    text = new Date(whole).toISOString().slice(0, -1);
  }
  return `${text}${String(Math.floor((nowMs - whole) * 1000)).padStart(3, '0')}Z`;
}
