// Two versions of WordPress behind a 90:10 VirtualService, each page a connection to a real MariaDB by the official driver: the split is seen in the
// operation rates of the database, and Prometheus has of each version exactly the bytes that it has counted itself.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { eventually, examples, startLocalMesh, whyNoCapture } from '../support/local-mesh.ts';
import { startPrometheus, whyNoPrometheus } from '../support/prometheus-server.ts';

t.setTimeout(180_000);

const hasServer = ['mariadbd', 'mysqld'].some(
  (name) => spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin command -v ${name}`]).status === 0,
);
const skip = hasServer
  ? (whyNoPrometheus() ?? (await whyNoCapture()))
  : 'the program mariadbd is missing; on Debian: apt install mariadb-server-core';

const visits = 200;
const versions = ['v1', 'v2'] as const;

/** Five deviations from nine in ten: once in a million runs chance goes further. */
const farthest = 5 * Math.sqrt(visits * 0.9 * 0.1);

t.test('WordPress with a MariaDB', { skip }, async (t) => {
  const files = { 'ambientd.yaml': JSON.stringify({ run: { 'curlimages/curl': 'exec sleep 600' } }) };
  const mesh = await startLocalMesh(t, { name: 'wordpress', files, besides: [join(examples, 'wordpress')] });
  const prometheus = await startPrometheus(t, mesh);
  const page = () => mesh.curl('wordpress/visitor', 'http://wordpress/');
  await eventually(page, ({ status }) => status === 200);
  const tallyOf = async (version: string) => {
    const { output } = await mesh.exec(
      `wordpress/wordpress-${version}`,
      'sh',
      '-c',
      'curl -s http://$POD_IP:8080/connections',
    );
    return JSON.parse(output);
  };
  const before = await Promise.all(versions.map(tallyOf));
  const pagesOf = { v1: 0, v2: 0 };

  await t.test('nine pages in ten are of version v1', async (t) => {
    const visit = `i=0; while [ $i -lt ${visits} ]; do curl -s --max-time 10 http://wordpress/; sleep 0.02; i=$((i+1)); done`;
    const { output } = await mesh.exec('wordpress/visitor', 'sh', '-c', visit);
    const pages = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    t.equal(pages.filter(({ posts }) => posts.length === 2).length, visits, 'each with its posts');
    for (const version of versions) pagesOf[version] = pages.filter((each) => each.version === version).length;
    t.ok(Math.abs(pagesOf.v1 - 0.9 * visits) < farthest, `${pagesOf.v1} of ${visits}`);
  });

  await t.test('Prometheus has what each version has counted, from both ends', async (t) => {
    for (const [index, version] of versions.entries()) {
      const tally = await tallyOf(version);
      t.equal(tally.opened - before[index].opened, pagesOf[version], `${version}: a connection for each page`);
      const counted = {
        istio_tcp_connections_opened_total: tally.opened,
        istio_tcp_connections_closed_total: tally.closed,
        istio_tcp_sent_bytes_total: tally.readBytes,
        istio_tcp_received_bytes_total: tally.writtenBytes,
      };
      for (const [metric, expected] of Object.entries(counted)) {
        const found = await eventually(
          () => prometheus.query(`${metric}{destination_workload="mysql",source_version="${version}"}`),
          (all) => all.length >= 2 && all.every(({ value }) => value === expected),
        );
        t.same(
          found.map(({ labels, value }) => [labels['reporter'], labels['destination_service_name'], value]).sort(),
          [
            ['destination', 'mysql', expected],
            ['source', 'mysql', expected],
          ],
          `${version}: ${metric}`,
        );
      }
    }
  });

  await t.test('and the split is that of the operation rates', async (t) => {
    const rates = await prometheus.query(
      'sum by (source_version) (rate(istio_tcp_connections_opened_total{destination_workload="mysql",reporter="destination"}[2m]))',
    );
    const [v1 = 0, v2 = 0] = versions.map(
      (each) => rates.find(({ labels }) => labels['source_version'] === each)?.value,
    );
    t.ok(v1 > 0 && v2 > 0, `${v1} and ${v2} a second`);
    t.ok(v1 / (v1 + v2) > 0.7, `${v1 / (v1 + v2)} of them are of v1`);
  });

  await t.test('the example tells of nothing that it cannot use', async (t) => {
    t.notMatch(mesh.running.output(), /warning|not used|built-in echo/);
  });
});

t.test('the example without a MariaDB server', { skip: await whyNoCapture() }, async (t) => {
  const files = { 'ambientd.yaml': JSON.stringify({ env: { MARIADB_SERVER: '/nowhere/mariadbd' } }) };
  const besides = [join(examples, 'wordpress', 'wordpress.yaml')];
  const mesh = await startLocalMesh(t, { name: 'nomaria', files, besides });
  await mesh.running.says(/warning: pod wordpress\/mysql.*/);
  t.match(mesh.running.output().match(/warning: pod .*/g), [
    /mariadb cannot run: \/nowhere\/mariadbd is no program: install MariaDB \(.*apt install .*\), or name the program in MARIADB_SERVER/,
  ]);
});
