// What the gate says by itself, and where its paths lead.
import t from 'tap';
import type { MeshStatus } from '../../../../deploy/local/mesh-status.ts';
import { overviewPage, routeGatePath, scrapeTargets } from '../../../../deploy/local/supervisor/gate-pages.ts';

const status: MeshStatus = {
  mesh: 'm',
  version: '1',
  mode: 'captured',
  modeReason: '',
  modeRemedy: '',
  trustDomain: 'cluster.local',
  gateUrl: 'http://127.0.0.1:15900/',
  pods: [],
  waypoints: [
    {
      namespace: 'shop',
      gateway: 'way',
      pod: 'way-1',
      address: '10.244.0.5',
      state: 'ready',
      metricsUrl: 'http://127.0.0.1:15900/metrics/shop/way-1',
    },
  ],
  ztunnel: {
    state: 'running',
    metricsUrl: 'http://127.0.0.1:15900/metrics/ztunnel',
    adminUrl: 'http://127.0.0.1:15900/admin/ztunnel/config_dump',
  },
  prometheusUrl: 'http://127.0.0.1:15900/sd',
  logFolder: '/l',
  problems: ['<b>&'],
};

t.test('Prometheus is sent to the gate, with the path that tells the daemons apart', async (t) => {
  t.same(scrapeTargets(status), [
    {
      targets: ['127.0.0.1:15900'],
      labels: {
        __metrics_path__: '/metrics/ztunnel',
        instance: 'ztunnel:15020',
        job: 'ztunnel',
        namespace: 'istio-system',
        pod: 'ztunnel',
      },
    },
    {
      targets: ['127.0.0.1:15900'],
      labels: {
        __metrics_path__: '/metrics/shop/way-1',
        instance: '10.244.0.5:15020',
        job: 'waypoint',
        namespace: 'shop',
        pod: 'way-1',
      },
    },
  ]);
});

t.test('paths', async (t) => {
  t.same(routeGatePath('/'), { kind: 'overview' });
  t.same(routeGatePath('/status.json?x'), { kind: 'status' });
  t.same(routeGatePath('/sd'), { kind: 'targets' });
  t.same(routeGatePath('/metrics/ztunnel'), { kind: 'ztunnel-metrics' });
  t.same(routeGatePath('/metrics/shop/way-1'), { kind: 'waypoint', namespace: 'shop', pod: 'way-1', port: 15020 });
  t.match(routeGatePath('/metrics/shop/way-1/stats/prometheus'), { port: 15090 });
  t.same(routeGatePath('/admin/ztunnel/config_dump?a=b'), { kind: 'ztunnel-admin', path: '/config_dump?a=b' });
  t.same(routeGatePath('/metrics/a/b/c'), { kind: 'unknown' });
  t.same(routeGatePath('/etc/passwd'), { kind: 'unknown' });
});

t.test('the overview links everything and escapes what others wrote', async (t) => {
  const page = overviewPage(status);
  t.match(page, '<a href="/metrics/shop/way-1">');
  t.match(page, '&lt;b>&amp;');
});
