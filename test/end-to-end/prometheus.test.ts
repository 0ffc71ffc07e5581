// A real Prometheus finds the mesh by the gate's /sd, scrapes ztunnel and waypoint, and answers the query that users have for
// their routes. promtool finds nothing to say about either endpoint's text.
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { eventually, exampleFolder, fetchText, startLocalMesh, whyNoCapture } from '../support/local-mesh.ts';
import { startPrometheus, whyNoPrometheus } from '../support/prometheus-server.ts';

t.setTimeout(120_000);

const query = 'sum(rate(istio_requests_total{destination_app="podinfo", route_name!="unknown"}[1m])) by (route_name)';
/** promtool would have them named otherwise, and dashboards would break. */
const namesOfIstio = [
  'istio_request_duration_milliseconds',
  'workload_manager_active_proxy_count',
  'workload_manager_pending_proxy_count',
];
const skip = whyNoPrometheus() ?? (await whyNoCapture());

interface Targets {
  readonly data: {
    readonly activeTargets: readonly {
      readonly health: string;
      readonly lastError: string;
      readonly labels: Record<string, string>;
    }[];
  };
}

t.test('Prometheus', { skip }, async (t) => {
  const mesh = await startLocalMesh(t, { name: 'prom', files: {}, besides: [exampleFolder] });
  const prometheus = await startPrometheus(t, mesh);

  await t.test('finds ztunnel and waypoint by the address that the gate offers, and reaches both', async (t) => {
    const targets = () => prometheus.ask<Targets>('targets').then(({ data }) => data.activeTargets);
    const found = await eventually(targets, (all) => all.length >= 2 && all.every(({ health }) => health === 'up'));
    t.same(
      found.map(({ health, lastError, labels }) => [labels['job'], labels['namespace'], health, lastError]).sort(),
      [
        ['waypoint', 'podinfo', 'up', ''],
        ['ztunnel', 'istio-system', 'up', ''],
      ],
    );
  });

  await t.test('answers how often each route is asked for', async (t) => {
    const requests = `i=0; while [ $i -lt 40 ]; do
      curl -s --max-time 5 -o /dev/null http://podinfo-svc:9898/healthz
      curl -s --max-time 5 -o /dev/null -d test http://podinfo-svc:9898/echo
      curl -s --max-time 5 -o /dev/null http://podinfo-svc:9898/version
      i=$((i+1)); sleep 0.1
    done`;
    const traffic = mesh.exec('podinfo/curl', 'sh', '-c', requests);
    const rates = async () => {
      return (await prometheus.query(query)).map(({ labels, value }) => ({ route: labels['route_name'], rate: value }));
    };
    const found = await eventually(rates, (all) => all.length >= 2 && all.every(({ rate }) => rate > 0));
    t.same(found.map(({ route }) => route).sort(), ['GET /healthz', 'POST /echo']);
    for (const { route, rate } of found) t.ok(rate > 0, `${route}: ${rate} a second`);
    t.match(await traffic, { code: 0 });
  });

  await t.test("promtool finds nothing in what they say, but for names that are Istio's", async (t) => {
    const { ztunnel, waypoints } = await mesh.status();
    const urls = [
      ztunnel.metricsUrl,
      ...waypoints.flatMap(({ metricsUrl }) => [metricsUrl, `${metricsUrl}/stats/prometheus`]),
    ];
    t.equal(urls.length, 3);
    for (const url of urls) {
      const text = await fetchText(url);
      t.match(text, /^istio_/m);
      const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
      const complaints = `${checked.stdout}${checked.stderr}`.split('\n').filter((line) => line !== '');
      t.same(
        complaints.filter((line) => !namesOfIstio.some((name) => line.startsWith(`${name} `))),
        [],
        url,
      );
      t.ok(complaints.length > 0 || checked.status === 0);
    }
  });
});
