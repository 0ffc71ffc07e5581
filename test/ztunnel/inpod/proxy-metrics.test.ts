import t from 'tap';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { countBuild, createOnDemandDnsCounter } from '../../../ztunnel/inpod/proxy-metrics.ts';
import { aWorkload } from '../../support/mesh-objects.ts';

t.test('a look-up on behalf of a connection is counted by who needed it and by name', async (t) => {
  const metrics = createMetricsRegistry();
  const count = createOnDemandDnsCounter(metrics.recorder);
  const source = aWorkload({ name: 'curl-1', workloadName: 'curl', canonicalName: 'curl', canonicalRevision: '' });
  count(source, 'db.example.com');
  count(source, 'db.example.com');
  const { body } = await metrics.exposition(undefined);
  const labels = [
    'source_workload="curl",source_canonical_service="curl",source_canonical_revision="unknown"',
    `source_workload_namespace="${source.namespace}"`,
    `source_principal="spiffe://${source.trustDomain}/ns/${source.namespace}/sa/${source.serviceAccount}"`,
    `source_app="curl",source_version="unknown",source_cluster="${source.clusterId}",hostname="db.example.com"`,
  ];
  t.match(body, `istio_on_demand_dns_total{${labels.join(',')}} 2\n`);
});

t.test('the build says which component it is', async (t) => {
  const metrics = createMetricsRegistry();
  countBuild(metrics.recorder, '1.30.0');
  t.match((await metrics.exposition(undefined)).body, 'istio_build{component="ztunnel",tag="1.30.0"} 1\n');
});
