// The table that people watch, and what the demo holds true.
import t from 'tap';
import { checkDemo } from '../../../deploy/local/demo-checks.ts';
import { redraw } from '../../../deploy/local/live-view.ts';
import { bytes, statusTable } from '../../../deploy/local/status-table.ts';

const request = (route: string, value: number) => ({
  name: 'istio_requests_total',
  labels: {
    route_name: route,
    reporter: 'waypoint',
    response_code: '200',
    destination_app: 'podinfo',
    destination_workload: 'podinfo',
    destination_service_name: 'podinfo-svc',
  },
  value,
});
const tcp = (metric: string, value: number) => ({
  name: `istio_tcp_${metric}_total`,
  labels: {
    source_workload: 'curl',
    destination_workload: 'podinfo',
    destination_service_name: 'podinfo-svc',
    reporter: 'source',
    connection_security_policy: 'mutual_tls',
  },
  value,
});
const samples = [
  request('GET /healthz', 10),
  request('POST /echo', 4),
  request('unknown', 2),
  tcp('connections_opened', 3),
  tcp('connections_closed', 2),
  tcp('sent_bytes', 2048),
  tcp('received_bytes', 10),
];

t.test('requests per route with their rate, bytes per pair', async (t) => {
  const before = { samples: [request('GET /healthz', 6)], atMs: 0 };
  const lines = statusTable({ samples, atMs: 2000 }, before);
  t.match(lines[2], /^GET \/healthz {2}podinfo-svc \(podinfo\) {2}200 {3}waypoint {2}10 +2\.0$/);
  t.match(lines.at(-1), /^curl +podinfo-svc \(podinfo\) +mutual TLS +source +3 +2 +2\.0 KiB +10 B$/);
});

t.test('on a narrow terminal names are cut and every number stays', async (t) => {
  const lines = statusTable({ samples, atMs: 2000 }, undefined, 68);
  t.ok(
    lines.every((line) => line.length <= 68),
    'no line is longer than the terminal',
  );
  t.match(lines.at(-2), /^SOURCE +DESTINATION +REPORTER +OPENED +CLOSED +SENT +RECEIVED$/);
  t.match(lines.at(-1), /^curl +podinfo-svc \(p… +source +3 +2 +2\.0 KiB +10 B$/);
  t.match(statusTable({ samples, atMs: 2000 }, undefined, 200).at(-1), /mutual TLS/);
});

t.test('nothing yet is said so', async (t) => {
  t.same(statusTable({ samples: [], atMs: 0 }, undefined), [
    'istio_requests_total: nothing yet',
    '',
    'istio_tcp_*: nothing yet',
  ]);
});

t.test('the check names what is missing', async (t) => {
  t.same(checkDemo(samples, 'captured'), []);
  t.match(checkDemo(samples.slice(1, 6), 'captured'), [/route_name="GET \/healthz"/, /istio_tcp_received_bytes_total/]);
});

t.test('sizes read well', async (t) => {
  t.same([0, 1023, 1536, 5 * 1024 ** 3].map(bytes), ['0 B', '1023 B', '1.5 KiB', '5.0 GiB']);
});

t.test('a terminal is redrawn in place and never over its size; elsewhere lines follow each other', async (t) => {
  const screen = { kind: 'terminal', columns: 5, rows: 3, colour: 'off' } as const;
  t.equal(redraw(screen, ['abcdefgh', 'b', 'c'], 2), '\x1b[2A\r\x1b[Jabcd…\nb\n');
  t.equal(redraw({ ...screen, colour: 'on' }, ['ROUTE'], 0), '\r\x1b[J\x1b[1mROUTE\x1b[0m\n');
  t.equal(
    redraw({ ...screen, colour: 'on' }, ['REPORTER'], 0),
    '\r\x1b[J\x1b[1mREPO…\x1b[0m\n',
    'a title that is cut is one',
  );
  t.equal(redraw({ kind: 'plain' }, ['abcdefgh'], 1), 'abcdefgh\n');
});
