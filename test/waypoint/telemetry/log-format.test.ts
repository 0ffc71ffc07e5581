// Access log formats as Istio's users write them, and the lines that come of them.
import t from 'tap';
import { MeshError } from '../../../common/errors.ts';
import {
  compileFormat,
  defaultJsonFormat,
  defaultTextFormat,
  type JsonFormat,
} from '../../../waypoint/telemetry/log-format.ts';
import { connectionLogFacts, requestLogFacts, someRequest } from '../../support/waypoint-facts.ts';

const request = requestLogFacts();
const connection = connectionLogFacts();

function lineOf(text: string, facts = request, absent: 'marked' | 'omitted' = 'marked'): string {
  const format = compileFormat({ kind: 'text', text }, absent);
  if (format.kind === 'invalid') throw new Error(format.reason);
  return format.write(facts);
}

function jsonOf(labels: JsonFormat, facts = request, absent: 'marked' | 'omitted' = 'marked'): unknown {
  const format = compileFormat({ kind: 'json', labels }, absent);
  if (format.kind === 'invalid') throw new Error(format.reason);
  return JSON.parse(format.write(facts));
}

t.test('the default text of a request, and of a connection that passed unread', async (t) => {
  t.equal(
    lineOf(defaultTextFormat),
    '[2025-06-03T10:15:42.318Z] "POST /echo?a=b HTTP/1.1" 202 - via_upstream - "-" 4 5 5 4 "-" "curl \\"8\\"" "id-1" ' +
      '"podinfo:80" "10.1.0.2:9898" inbound-vip|80|http|podinfo-svc.podinfo.svc.cluster.local - 10.96.0.1:80 ' +
      '10.1.0.1:40000 - default',
  );
  t.equal(
    lineOf(defaultTextFormat, connection),
    '[2025-06-03T10:15:42.318Z] "- - -" 0 UH - - "-" 3 4 1 - "-" "-" "-" "-" "-" ' +
      'inbound-vip|80|http|podinfo-svc.podinfo.svc.cluster.local - 10.96.0.1:80 10.1.0.1:40000 - -',
  );
});

t.test('the default JSON keeps numbers as numbers, and what does not exist as null', async (t) => {
  t.same(jsonOf(defaultJsonFormat), {
    start_time: '2025-06-03T10:15:42.318Z',
    route_name: 'default',
    method: 'POST',
    path: '/echo?a=b',
    protocol: 'HTTP/1.1',
    response_code: 202,
    response_flags: '-',
    response_code_details: 'via_upstream',
    connection_termination_details: null,
    bytes_received: 4,
    bytes_sent: 5,
    duration: 5,
    upstream_service_time: '4',
    x_forwarded_for: null,
    user_agent: 'curl "8"',
    request_id: 'id-1',
    authority: 'podinfo:80',
    upstream_host: '10.1.0.2:9898',
    upstream_cluster: 'inbound-vip|80|http|podinfo-svc.podinfo.svc.cluster.local',
    upstream_local_address: null,
    downstream_local_address: '10.96.0.1:80',
    downstream_remote_address: '10.1.0.1:40000',
    requested_server_name: null,
    upstream_transport_failure_reason: null,
  });
});

t.test('operators stand between texts, and a % is written twice', async (t) => {
  t.equal(lineOf('100%% of %REQ(:METHOD)%s'), '100% of POSTs');
  t.equal(lineOf('plain text'), 'plain text');
});

t.test('a failure is named by its code', async (t) => {
  const failure = new MeshError('TUNNEL_CONNECT_TIMEOUT', 'no answer within 10 s');
  const format = '%RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%"';
  t.equal(
    lineOf(format, requestLogFacts({ flags: ['UF'], failure })),
    'UF - "TUNNEL_CONNECT_TIMEOUT: no answer within 10 s"',
  );
  const none = new MeshError('NO_HEALTHY_UPSTREAM', 'nobody');
  t.equal(lineOf(format, connectionLogFacts({ failure: none })), 'UH NO_HEALTHY_UPSTREAM "-"');
});

t.test('a gRPC status is a number where that is asked for', async (t) => {
  const call = { ...someRequest.request, headers: ['content-type', 'application/grpc'] };
  const facts = requestLogFacts({ request: call, responseTrailers: ['grpc-status', '7'] });
  t.same(jsonOf({ a: '%GRPC_STATUS%', b: '%GRPC_STATUS_NUMBER%', c: 'is %GRPC_STATUS_NUMBER%' }, facts), {
    a: 'PermissionDenied',
    b: 7,
    c: 'is 7',
  });
  t.same(jsonOf({ a: '%TYPED_CEL(response.code > 200)%', b: '%TYPED_CEL(response.code)%!' }), { a: true, b: '202!' });
});

t.test('a length cuts a value off', async (t) => {
  t.equal(lineOf('%REQ(:PATH):3% %PROTOCOL:4%'), '/ec HTTP');
  t.same(jsonOf({ path: '%REQ(:PATH):3%' }), { path: '/ec' });
});

t.test('what does not exist is marked, or left out where that is wanted', async (t) => {
  t.equal(lineOf('a %REQ(none)% b'), 'a - b');
  t.equal(lineOf('a %REQ(none)% b', request, 'omitted'), 'a  b');
  const labels = { none: '%REQ(none)%', inner: { code: '%RESPONSE_CODE%', always: 'x', number: 3, flag: true } };
  t.same(jsonOf(labels), { none: null, inner: { code: 202, always: 'x', number: 3, flag: true } });
  t.same(jsonOf(labels, request, 'omitted'), { inner: { code: 202, always: 'x', number: 3, flag: true } });
});

t.test('a line feed at the end of a format is not doubled', async (t) => t.equal(lineOf('%PROTOCOL%\n'), 'HTTP/1.1'));

t.test('a client cannot forge a line', async (t) => {
  const facts = requestLogFacts({ request: { ...someRequest.request, path: '/a\n[2025] "x' } });
  t.equal(lineOf('"%REQ(:PATH)%"', facts), '"/a\\x0a[2025] \\"x"');
  t.same(jsonOf({ path: '%REQ(:PATH)%' }, facts), { path: '/a\n[2025] "x' });
});

t.test('a format with a mistake says which', async (t) => {
  const mistakes: Readonly<Record<string, RegExp>> = {
    '%RESPONSE_COD%': /%RESPONSE_COD% is no operator/,
    '%REQ%': /%REQ% needs an argument/,
    '%PROTOCOL(x)%': /%PROTOCOL\(x\)% takes no argument/,
    '%CEL(a ==)%': /%CEL\(a ==\)% does not compile/,
    '100 %': /a % without an operator/,
    '%toString%': /a % without an operator/,
    '%CONSTRUCTOR%': /is no operator/,
  };
  for (const [text, reason] of Object.entries(mistakes)) {
    t.match(compileFormat({ kind: 'text', text }, 'marked'), { kind: 'invalid', reason }, text);
    t.match(compileFormat({ kind: 'json', labels: { a: text } }, 'marked'), { kind: 'invalid', reason }, text);
  }
  t.match(compileFormat({ kind: 'text', text: 'x'.repeat(20_000) }, 'marked'), { reason: /longer than 16384/ });
});
