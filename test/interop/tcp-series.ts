// The `istio_tcp_*` series of a scrape as the interop tests look at them: those of connections between the two pods that
// were proven by mutual TLS at both ends, and those that were not. Source: ztunnel.md §10.
import type { Sample } from '../../deploy/local/prometheus-text.ts';
import type { MeshPod } from './two-pod-mesh.ts';

export type Reporter = 'source' | 'destination';

export interface TcpTotals {
  readonly opened: number;
  readonly closed: number;
  /** Bytes of the requests. */
  readonly received: number;
  /** Bytes of the responses. */
  readonly sent: number;
}

const prefix = 'istio_tcp_';

/** Series with both principals right, of connections from one pod to the other. */
export function mutualTlsSeries(
  samples: readonly Sample[],
  reporter: Reporter,
  from: MeshPod,
  to: MeshPod,
): readonly Sample[] {
  const wanted: Readonly<Record<string, string>> = {
    reporter,
    source_workload: from.name,
    source_workload_namespace: from.namespace,
    source_principal: from.identity.uri,
    destination_workload: to.name,
    destination_workload_namespace: to.namespace,
    destination_principal: to.identity.uri,
    connection_security_policy: 'mutual_tls',
  };
  return samples.filter(
    ({ name, labels }) =>
      name.startsWith(prefix) && Object.entries(wanted).every(([label, value]) => labels[label] === value),
  );
}

export function totalsBetween(samples: readonly Sample[], reporter: Reporter, from: MeshPod, to: MeshPod): TcpTotals {
  const series = mutualTlsSeries(samples, reporter, from, to);
  const total = (name: string): number =>
    series.filter((sample) => sample.name === `${prefix}${name}_total`).reduce((sum, { value }) => sum + value, 0);
  return {
    opened: total('connections_opened'),
    closed: total('connections_closed'),
    received: total('received_bytes'),
    sent: total('sent_bytes'),
  };
}

export function totalsSince(before: TcpTotals, after: TcpTotals): TcpTotals {
  return {
    opened: after.opened - before.opened,
    closed: after.closed - before.closed,
    received: after.received - before.received,
    sent: after.sent - before.sent,
  };
}

/** How many connections between the two ended with this flag. */
export function closedWithFlag(series: readonly Sample[], flag: string): number {
  return series
    .filter(({ name, labels }) => name === `${prefix}connections_closed_total` && labels['response_flags'] === flag)
    .reduce((sum, { value }) => sum + value, 0);
}

/** Connections that some proxy carried without mutual TLS. */
export function plainSeries(samples: readonly Sample[]): readonly Sample[] {
  return samples.filter(
    ({ name, labels }) =>
      name === `${prefix}connections_opened_total` && labels['connection_security_policy'] !== 'mutual_tls',
  );
}

export interface SeriesChange {
  readonly name: string;
  /** In the order of the scrape. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly value: number;
}

/** By how much which counters of connections have grown, in an order that is the same for every proxy. */
export function tcpChanges(before: readonly Sample[], after: readonly Sample[]): readonly SeriesChange[] {
  const keyOf = ({ name, labels }: Sample): string => JSON.stringify([name, labels]);
  const known = new Map(before.map((sample) => [keyOf(sample), sample.value]));
  return after
    .filter(({ name }) => name.startsWith(prefix) && name.endsWith('_total'))
    .map((sample) => ({ sample, value: sample.value - (known.get(keyOf(sample)) ?? 0) }))
    .filter(({ value }) => value !== 0)
    .map(({ sample, value }) => ({ name: sample.name, labels: Object.entries(sample.labels), value }))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
