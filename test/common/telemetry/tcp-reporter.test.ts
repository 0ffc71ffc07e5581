import t from 'tap';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { ztunnelTcpLabels } from '../../../common/telemetry/tcp-labels.ts';
import { createTcpReporter, type TcpReporterOptions } from '../../../common/telemetry/tcp-reporter.ts';

const labels = ztunnelTcpLabels({
  reporter: 'source',
  source: undefined,
  sourceIdentity: undefined,
  destination: undefined,
  destinationIdentity: undefined,
  service: { name: 'echo', namespace: 'default', hostname: 'echo.default.svc.cluster.local' },
  security: 'unknown',
});

function setUp(options: Partial<TcpReporterOptions> = {}) {
  const metrics = createMetricsRegistry();
  const reporter = createTcpReporter({
    recorder: metrics.recorder,
    intervalMs: 15_000,
    countsFailures: true,
    ...options,
  });
  const value = async (name: string, flag = '-'): Promise<number | undefined> => {
    const { body } = await metrics.exposition(undefined);
    const line = body.split('\n').find((l) => l.startsWith(`${name}{`) && l.includes(`response_flags="${flag}"`));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };
  return { reporter, value };
}

t.test('a connection counts as opened at once, and as closed once, with all its bytes, at its end', async (t) => {
  const { reporter, value } = setUp();
  const report = reporter.open(labels);
  report.received(11);
  report.sent(22);
  t.equal(await value('istio_tcp_connections_opened_total'), 1);
  t.equal(await value('istio_tcp_connections_closed_total'), undefined);
  t.equal(await value('istio_tcp_received_bytes_total'), 0);
  report.close('-');
  report.close('-');
  t.equal(await value('istio_tcp_connections_closed_total'), 1);
  t.equal(await value('istio_tcp_received_bytes_total'), 11);
  t.equal(await value('istio_tcp_sent_bytes_total'), 22);
  reporter.close();
});

t.test('a failed connection is closed under its flag and counted as failed; its bytes stay under "-"', async (t) => {
  const { reporter, value } = setUp();
  const report = reporter.open(labels);
  report.received(5);
  report.close('DENY');
  t.equal(await value('istio_tcp_connections_closed_total', 'DENY'), 1);
  t.equal(await value('istio_tcp_connections_failed_total', 'DENY'), 1);
  t.equal(await value('istio_tcp_received_bytes_total'), 5);
  reporter.close();
});

t.test('a living connection reports its bytes every interval, never twice', async (t) => {
  let time = 0;
  const { reporter, value } = setUp({ intervalMs: 20, now: () => time });
  const report = reporter.open(labels);
  const reported = async (bytes: number): Promise<void> => {
    for (;;) {
      if ((await value('istio_tcp_sent_bytes_total')) === bytes) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  report.sent(100);
  t.equal(await value('istio_tcp_sent_bytes_total'), 0, 'nothing before the interval');
  time = 20;
  await reported(100);
  report.sent(1);
  time = 40;
  await reported(101);
  report.close('-');
  t.equal(await value('istio_tcp_sent_bytes_total'), 101);
  reporter.close();
});

t.test('labels have the names and the order of ztunnel, and locality where a side is known', async (t) => {
  t.equal(
    labels.names.join(','),
    'reporter,source_workload,source_canonical_service,source_canonical_revision,source_workload_namespace,source_principal,source_app,source_version,source_cluster,destination_service,destination_service_namespace,destination_service_name,destination_workload,destination_canonical_service,destination_canonical_revision,destination_workload_namespace,destination_principal,destination_app,destination_version,destination_cluster,request_protocol,response_flags,connection_security_policy',
  );
  t.equal(labels.valuesFor('-').length, labels.names.length);
  const located = ztunnelTcpLabels({
    reporter: 'source',
    source: {
      workload: 'a',
      namespace: 'n',
      canonicalName: 'a',
      canonicalRevision: 'v1',
      app: 'a',
      version: 'v1',
      cluster: 'Kubernetes',
      region: 'r1',
      zone: '',
    },
    sourceIdentity: undefined,
    destination: undefined,
    destinationIdentity: undefined,
    service: undefined,
    security: 'mutual_tls',
  });
  t.same(located.names.slice(-4), ['source_region', 'source_zone', 'destination_region', 'destination_zone']);
  t.same(located.valuesFor('CONNECT').slice(-7), [
    'tcp',
    'CONNECT',
    'mutual_tls',
    'r1',
    'unknown',
    'unknown',
    'unknown',
  ]);
});
