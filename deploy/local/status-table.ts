// The table that `up` and the demo refresh: requests per route and TCP numbers per pair of workloads, read from the mesh's
// own metrics. Samples now and a while ago in, lines of text out; pure.
import { table } from './mesh-status.ts';
import type { Sample } from './prometheus-text.ts';

export interface Scrape {
  readonly samples: readonly Sample[];
  readonly atMs: number;
}

const mostRows = 20;

const requestHeader = ['ROUTE', 'DESTINATION', 'CODE', 'REPORTER', 'REQUESTS', 'PER SECOND'];
const connectionHeader = ['SOURCE', 'DESTINATION', 'SECURITY', 'REPORTER', 'OPENED', 'CLOSED', 'SENT', 'RECEIVED'];
/** The first to go where the terminal is narrow: the numbers stay. */
const spareTitle = 'SECURITY';

/** @param columns of the terminal; no limit without one */
export function statusTable(
  now: Scrape,
  before: Scrape | undefined,
  columns = Number.POSITIVE_INFINITY,
): readonly string[] {
  const routes = requestRows(now, before);
  const pairs = connectionRows(now.samples);
  return [
    ...section('istio_requests_total', requestHeader, routes, columns),
    '',
    ...section('istio_tcp_*', connectionHeader, pairs, columns),
  ];
}

function section(
  title: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
): readonly string[] {
  if (rows.length === 0) return [`${title}: nothing yet`];
  const more = rows.length > mostRows ? [`… and ${rows.length - mostRows} more`] : [];
  const whole = table(header, rows.slice(0, mostRows));
  if (whole.every((line) => line.length <= columns)) return [title, ...whole, ...more];
  const spare = header.indexOf(spareTitle);
  const kept = [header, ...rows.slice(0, mostRows)].map((row) => row.filter((_, column) => column !== spare));
  return [title, ...table(kept[0] ?? [], kept.slice(1), columns), ...more];
}

function requestRows(now: Scrape, before: Scrape | undefined): readonly (readonly string[])[] {
  const counts = sumBy(now.samples, 'istio_requests_total', routeKey);
  const earlier = sumBy(before?.samples ?? [], 'istio_requests_total', routeKey);
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1000;
  return [...counts].sort(byKey).map(([key, count]) => {
    const grown = count - (earlier.get(key) ?? 0);
    const rate = seconds > 0 ? (grown / seconds).toFixed(1) : '';
    return [...key.split('\n'), `${count}`, rate];
  });
}

function routeKey(labels: Sample['labels']): string {
  const route = labels['route_name'] ?? labels['request_operation'] ?? '-';
  return [route, destinationOf(labels), labels['response_code'] ?? '-', labels['reporter'] ?? '-'].join('\n');
}

function connectionRows(samples: readonly Sample[]): readonly (readonly string[])[] {
  const metrics = ['connections_opened', 'connections_closed', 'sent_bytes', 'received_bytes'];
  const sums = metrics.map((metric) => sumBy(samples, `istio_tcp_${metric}_total`, pairKey));
  const [opened, closed, sent, received] = sums;
  return [...(opened ?? [])]
    .sort(byKey)
    .map(([key, count]) => [
      ...key.split('\n'),
      `${count}`,
      `${closed?.get(key) ?? 0}`,
      bytes(sent?.get(key) ?? 0),
      bytes(received?.get(key) ?? 0),
    ]);
}

function pairKey(labels: Sample['labels']): string {
  const security = labels['connection_security_policy'] === 'mutual_tls' ? 'mutual TLS' : 'plain';
  return [labels['source_workload'] ?? '-', destinationOf(labels), security, labels['reporter'] ?? '-'].join('\n');
}

/** The service where one was called, with the workload that answered. */
function destinationOf(labels: Sample['labels']): string {
  const workload = labels['destination_workload'] ?? '-';
  const service = labels['destination_service_name'];
  return service === undefined || service === 'unknown' || service === workload ? workload : `${service} (${workload})`;
}

function sumBy(
  samples: readonly Sample[],
  name: string,
  key: (labels: Sample['labels']) => string,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const sample of samples) {
    if (sample.name === name) sums.set(key(sample.labels), (sums.get(key(sample.labels)) ?? 0) + sample.value);
  }
  return sums;
}

function byKey(left: readonly [string, number], right: readonly [string, number]): number {
  return left[0] < right[0] ? -1 : 1;
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = count / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}
