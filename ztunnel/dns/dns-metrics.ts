// Metrics of the DNS proxy under the names of Istio's ztunnel (ztunnel.md §10). In: who asked what, and how. Out: series that count.
import type { Workload } from '../../common/mesh/workload.ts';
import { addOnce, type MetricDefinition, type Recorder } from '../../common/telemetry/recorder.ts';
import type { DnsQuery } from './query-codec.ts';

export type DnsTransport = 'udp' | 'tcp';

export interface DnsMetrics {
  request(client: Workload, query: DnsQuery, transport: DnsTransport): void;
  /** @param durationMs until the name servers' answer, or their failure */
  upstream(client: Workload, query: DnsQuery, of: UpstreamReport): void;
}

export interface UpstreamReport {
  readonly transport: DnsTransport;
  readonly outcome: 'answered' | 'failed';
  readonly durationMs: number;
}

function define(name: string, help: string): Omit<MetricDefinition, 'kind'> {
  const labelNames = [
    'request_query_type',
    'request_protocol',
    'source_canonical_service',
    'source_canonical_revision',
  ];
  return { name: `istio_dns_${name}`, help: `${help} (unstable)`, labelNames };
}

const requests: MetricDefinition = { ...define('requests_total', 'Total number of DNS requests'), kind: 'counter' };
const upstreamRequests: MetricDefinition = {
  ...define('upstream_requests_total', 'Total number of DNS requests forwarded to upstream'),
  kind: 'counter',
};
const upstreamFailures: MetricDefinition = {
  ...define('upstream_failures_total', 'Total number of DNS requests that failed to forward upstream'),
  kind: 'counter',
};
const upstreamDuration: MetricDefinition = {
  ...define('upstream_request_duration_seconds', 'Total time in seconds to get a DNS response from upstream'),
  kind: 'histogram',
  buckets: [0.0005, 0.001, 0.01, 0.1, 1, 5],
};

export function createDnsMetrics(recorder: Recorder): DnsMetrics {
  return {
    request: (client, query, transport) => addOnce(recorder.counter(requests, valuesOf(client, query, transport)), 1),
    upstream(client, query, { transport, outcome, durationMs }) {
      const values = valuesOf(client, query, transport);
      addOnce(recorder.counter(upstreamRequests, values), 1);
      if (outcome === 'failed') addOnce(recorder.counter(upstreamFailures, values), 1);
      const duration = recorder.histogram(upstreamDuration, values);
      duration.observe(durationMs / 1_000);
      duration.release();
    },
  };
}

/** Types without a word are one, so that nobody makes series by asking for 65 536 of them. */
function valuesOf({ canonicalName, canonicalRevision }: Workload, { type }: DnsQuery, transport: DnsTransport) {
  const word = type.startsWith('UNKNOWN') ? 'unknown' : type.toLowerCase();
  return [word, transport, canonicalName || 'unknown', canonicalRevision || 'unknown'];
}
