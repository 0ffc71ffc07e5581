// One log line in ztunnel's plain format (ztunnel.md §11): time, level, scope, message, then `key=value` with strings
// quoted, addresses and numbers bare. The last column is there also when it is empty. In: the record pino wrote. Out:
// the line, ended by a newline.

export function formatPlainLine(record: Readonly<Record<string, unknown>>): string {
  const { level, time, scope, message, ...fields } = record;
  const values = Object.entries(fields).map(([key, value]) => `${key}=${formatValue(key, value)}`);
  const columns = [time, level, scope ?? '', String(message ?? '').replaceAll('\n', ' '), values.join(' ')];
  return `${columns.join('\t')}\n`;
}

function formatValue(key: string, value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return isAddressField.test(key) ? formatAddress(value) : JSON.stringify(value);
}

/** Bare, unless it is none. */
export function formatAddress(value: string): string {
  return needsQuotes.test(value) ? JSON.stringify(value) : value;
}

const isAddressField = /(^|[._])addr(ess)?$/;
const needsQuotes = /[\s"=\p{Cc}\ud800-\udfff]/u;
