// A real Prometheus finds the mesh by the gate's /sd, scrapes ztunnel and waypoint, and answers the query that users have for
// their routes. promtool finds nothing to say about either endpoint's text.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  eventually,
  exampleFolder,
  fetchText,
  freePort,
  type LocalMesh,
  startLocalMesh,
  whyNoCapture,
} from '../support/local-mesh.ts';

t.setTimeout(120_000);

const query = 'sum(rate(istio_requests_total{destination_app="podinfo", route_name!="unknown"}[1m])) by (route_name)';
/** promtool would have them named otherwise, and dashboards would break. */
const namesOfIstio = [
  'istio_request_duration_milliseconds',
  'workload_manager_active_proxy_count',
  'workload_manager_pending_proxy_count',
];
const missing = ['prometheus', 'promtool'].find((program) => spawnSync(program, ['--version']).error !== undefined);
const skip =
  missing === undefined ? await whyNoCapture() : `the program ${missing} is missing; on Debian: apt install prometheus`;

/** @returns the URL of its HTTP API */
async function startPrometheus(t: Test, mesh: LocalMesh): Promise<string> {
  const folder = join(mesh.around.path, 'prometheus');
  mkdirSync(folder);
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: [
      { job_name: 'ambientd', http_sd_configs: [{ url: (await mesh.status()).prometheusUrl, refresh_interval: '1s' }] },
    ],
  };
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  const program = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
    ],
    { stdio: 'inherit', timeout: 120_000, killSignal: 'SIGKILL' },
  );
  const ended = once(program, 'exit');
  t.teardown(async () => {
    program.kill('SIGTERM');
    await ended;
  });
  const url = `http://${address}`;
  await eventually(
    () => fetchText(`${url}/-/ready`).catch(() => ''),
    (answer) => answer !== '',
  );
  return url;
}

interface Vector {
  readonly data: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
  };
}

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
  const api = await startPrometheus(t, mesh);
  const ask = async <T>(path: string): Promise<T> => JSON.parse(await fetchText(`${api}/api/v1/${path}`));

  await t.test('finds ztunnel and waypoint by the address that the gate offers, and reaches both', async (t) => {
    const targets = () => ask<Targets>('targets').then(({ data }) => data.activeTargets);
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
      const { data } = await ask<Vector>(`query?query=${encodeURIComponent(query)}`);
      return data.result.map(({ metric, value }) => ({ route: metric['route_name'], rate: Number(value[1]) }));
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
