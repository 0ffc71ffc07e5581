// Bookinfo with a real MongoDB server (FerretDB) and the official driver, under the manifests that its users have: every request takes the way to
// the database, and a real Prometheus has of its connections and bytes exactly what the client itself has counted.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  eventually,
  examples,
  type LocalMesh,
  sharedManifests,
  startLocalMesh,
  whyNoCapture,
} from '../support/local-mesh.ts';
import { unpackPeers, whyNoPeers } from '../support/peers.ts';
import { startPrometheus, whyNoPrometheus } from '../support/prometheus-server.ts';

t.setTimeout(180_000);

const users = ['bookinfo-ratings-db-routes.yaml', 'mixer-tcp-metrics.yaml'].map((file) => join(sharedManifests, file));
const absent = users.find((file) => !existsSync(file));
const skip =
  absent === undefined
    ? (whyNoPeers() ?? whyNoPrometheus() ?? (await whyNoCapture()))
    : `the manifest ${absent} is not there`;

const visits = 12;

/** The example's own files but for those that the test brings itself: routes, and a visitor who never stops. */
const parts = ['bookinfo.yaml', 'ratings-database.yaml', 'versions.yaml', 'waypoint.yaml', 'visitor.yaml'];

interface Tally {
  readonly opened: number;
  readonly closed: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

async function tallyOf(mesh: LocalMesh): Promise<Tally> {
  const { output } = await mesh.exec('default/ratings-v2', 'sh', '-c', 'curl -s http://$POD_IP:9080/connections');
  return JSON.parse(output);
}

t.test('Bookinfo with a MongoDB', { skip }, async (t) => {
  const server = join(unpackPeers(t, 'ferretdb'), 'ferretdb');
  const commands = JSON.stringify({ run: { 'curlimages/curl': 'exec sleep 600' }, env: { MONGODB_SERVER: server } });
  const besides = [...parts.map((part) => join(examples, 'bookinfo', part)), ...users];
  const mesh = await startLocalMesh(t, { name: 'bookinfo', files: { 'ambientd.yaml': commands }, besides });
  const prometheus = await startPrometheus(t, mesh);
  const visit = () => mesh.curl('default/visitor', 'http://productpage:9080/productpage');

  await t.test('every request takes the way to the database', async (t) => {
    const first = await eventually(visit, ({ body }) => /"Reviewer1":5/.test(body));
    t.match(JSON.parse(first.body).reviews.body, {
      version: 'v3',
      ratings: { status: 200, body: { ratings: { Reviewer1: 5, Reviewer2: 4 } } },
    });
    for (let each = 0; each < visits; each += 1) t.match(await visit(), { status: 200, body: /"Reviewer1":5/ });
    const served = await eventually(
      () => prometheus.query('sum by (destination_workload) (istio_requests_total{response_code="200"})'),
      (all) => all.length >= 4 && all.every(({ value }) => value > visits),
    );
    t.same(
      served.map(({ labels }) => labels['destination_workload']).sort(),
      ['details-v1', 'productpage-v1', 'ratings-v2', 'reviews-v3'],
      'no other version was asked',
    );
  });

  const tally = await eventually(
    () => tallyOf(mesh),
    ({ opened, closed }) => opened > 0 && opened === closed,
  );
  const counted = {
    istio_tcp_connections_opened_total: tally.opened,
    istio_tcp_connections_closed_total: tally.closed,
    istio_tcp_sent_bytes_total: tally.readBytes,
    istio_tcp_received_bytes_total: tally.writtenBytes,
  };

  await t.test('Prometheus has what the client has counted, from both ends', async (t) => {
    t.ok(tally.opened >= visits && tally.readBytes > 0 && tally.writtenBytes > 0, JSON.stringify(tally));
    for (const [metric, expected] of Object.entries(counted)) {
      const found = await eventually(
        () => prometheus.query(`${metric}{destination_workload=~"mongodb.*"}`),
        (all) => all.length >= 2 && all.every(({ value }) => value === expected),
      );
      t.same(found.map(({ labels }) => labels['reporter']).sort(), ['destination', 'source'], metric);
      for (const { labels, value } of found) {
        t.equal(value, expected, `${metric}, ${labels['reporter']}`);
        t.match(labels, {
          source_workload: 'ratings-v2',
          source_version: 'v2',
          source_principal: 'spiffe://cluster.local/ns/default/sa/bookinfo-ratings-v2',
          destination_workload: 'mongodb-v1',
          destination_version: 'v1',
          destination_service: 'mongodb.default.svc.cluster.local',
          request_protocol: 'tcp',
          connection_security_policy: 'mutual_tls',
          response_flags: '-',
        });
      }
    }
  });

  await t.test('and so have the metrics of Mixer’s manifest', async (t) => {
    const labels = '{source_service="ratings-v2",source_version="v2",destination_version="v1"}';
    for (const direction of ['sent', 'received'] as const) {
      const found = await prometheus.query(`istio_mongo_${direction}_bytes${labels}`);
      t.same(
        found.map(({ value }) => value),
        [counted[`istio_tcp_${direction}_bytes_total`]],
        direction,
      );
    }
  });

  await t.test('the live table shows the database', async (t) => {
    await mesh.running.says(/ratings-v2 +mongodb \(mongodb-v1\) +mutual TLS +source +\d+ +\d+ +[\d.]+ \w+/);
    t.notMatch(mesh.running.output(), /warning/);
  });
});

t.test('the example without a MongoDB server', { skip: await whyNoCapture() }, async (t) => {
  const env = JSON.stringify({ env: { MONGODB_SERVER: '/nowhere/mongod' } });
  const besides = [join(examples, 'bookinfo', 'ratings-database.yaml')];
  const mesh = await startLocalMesh(t, { name: 'nomongo', files: { 'ambientd.yaml': env }, besides });
  await mesh.running.says(/warning: pod default\/mongodb-v1.*/);
  const warnings = mesh.running.output().match(/warning: .*/g) ?? [];
  t.match(warnings, [
    /mongodb cannot run: \/nowhere\/mongod is no program: install MongoDB \(mongod\) or FerretDB 1 \(.*https.*\), or name the program in MONGODB_SERVER/,
  ]);
});

t.test(
  'the example’s folder is whole, and tells of nothing that it cannot use',
  { skip: await whyNoCapture() },
  async (t) => {
    const mesh = await startLocalMesh(t, { name: 'bookfolder', files: {}, besides: [join(examples, 'bookinfo')] });
    const complaints = mesh.running.output().match(/^.*(warning|not used|built-in echo).*$/gm) ?? [];
    t.same(
      complaints.filter((line) => !line.includes('mongodb cannot run')),
      [],
    );
  },
);
