import t from 'tap';
import { compileExpression } from '../../../common/expressions/expression.ts';
import { textOf } from '../../../common/expressions/value-text.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import type { Workload } from '../../../common/mesh/workload.ts';
import { standardLog } from '../../../waypoint/resources/mesh-telemetry.ts';
import { logFactsOfConnection, logFactsOfRequest } from '../../../waypoint/telemetry/log-facts.ts';
import { requestAttributes, requestPhaseAttributes } from '../../../waypoint/telemetry/request-attributes.ts';
import type { RequestFacts } from '../../../waypoint/telemetry/request-facts.ts';
import {
  commonLabelNames,
  commonLabelValues,
  httpLabelNames,
  requestLabelValues,
  tcpLabelNames,
} from '../../../waypoint/telemetry/waypoint-labels.ts';
import { aService, aWorkload, endAt } from '../../support/mesh-objects.ts';

const service = aService({ name: 'podinfo-svc', namespace: 'podinfo', addresses: ['10.96.0.1'] });
const podinfo = aWorkload({
  name: 'podinfo-1',
  namespace: 'podinfo',
  workloadName: 'podinfo',
  canonicalName: 'podinfo',
  serviceAccount: 'default',
  addresses: ['10.1.0.2'],
});
const curl = aWorkload({
  name: 'curl-1',
  namespace: 'podinfo',
  workloadName: 'curl',
  canonicalName: 'curl',
  serviceAccount: 'curl',
  addresses: ['10.1.0.1'],
});

const downstream = {
  identity: identityOf(curl),
  localIdentity: identityOf({ trustDomain: 'cluster.local', namespace: 'podinfo', serviceAccount: 'gate' }),
  address: endAt('10.1.0.1:40000'),
  workload: curl as Workload | undefined,
  target: { kind: 'service', service, servicePort: 80, address: endAt('10.96.0.1:80'), appProtocol: 'http11' },
} as const;

const facts: RequestFacts = {
  downstream,
  upstream: { workload: podinfo, address: endAt('10.1.0.2:9898') },
  request: {
    protocol: 'HTTP/1.1',
    method: 'GET',
    scheme: 'http',
    authority: 'podinfo:80',
    path: '/healthz?a=b',
    headers: ['user-agent', 'curl "8"', 'x-request-id', 'id-1', 'x', '1', 'x', '2'],
    upgrade: undefined,
    headBytes: 80,
  },
  response: { status: 200, headers: ['content-type', 'text/plain', 'x-envoy-upstream-service-time', '2'] },
  responseTrailers: [],
  flags: [],
  routeName: 'default',
  details: 'via_upstream',
  startEpochMs: Date.UTC(2025, 5, 3, 10, 15, 42, 318),
  durationMs: 3.4,
  upstreamMs: 2,
  end: { kind: 'complete', receivedBytes: 80, sentBytes: 120, receivedBodyBytes: 0, sentBodyBytes: 21 },
};

const named = (values: readonly string[]): Record<string, string> =>
  Object.fromEntries(commonLabelNames.map((name, index) => [name, values[index] ?? 'missing']));

t.test('label names are Istio’s, in its order', async (t) => {
  t.equal(commonLabelNames.length, 20);
  t.strictSame(httpLabelNames.slice(20), [
    'request_protocol',
    'response_code',
    'grpc_response_status',
    'response_flags',
    'connection_security_policy',
  ]);
  t.strictSame(tcpLabelNames.slice(20), ['request_protocol', 'response_flags', 'connection_security_policy']);
});

t.test('what is not known is unknown, but the revision of a source is latest', async (t) => {
  const values = named(commonLabelValues({ ...downstream, identity: undefined, workload: undefined }, undefined));
  for (const name of commonLabelNames.filter(
    (name) => name !== 'reporter' && !name.startsWith('destination_service'),
  )) {
    t.equal(values[name], name === 'source_canonical_revision' ? 'latest' : 'unknown', name);
  }
  t.equal(
    values['destination_service_name'],
    'podinfo-svc',
    'the service was asked for, whether or not it has endpoints',
  );
  const direct = {
    ...downstream,
    target: { kind: 'workload', workload: podinfo, address: endAt('10.1.0.2:9898'), appProtocol: 'unknown' },
  } as const;
  t.equal(named(commonLabelValues(direct, facts.upstream))['destination_service'], 'unknown');
});

t.test('the namespace and principal of a source are its certificate’s', async (t) => {
  const identity = identityOf({ trustDomain: 'cluster.local', namespace: 'real', serviceAccount: 'who' });
  const values = named(commonLabelValues({ ...downstream, identity }, facts.upstream));
  t.match(values, {
    source_workload_namespace: 'real',
    source_principal: 'spiffe://cluster.local/ns/real/sa/who',
    source_workload: 'curl',
  });
});

t.test('protocol, code, status, flags and security of a request', async (t) => {
  t.strictSame(requestLabelValues(facts), ['http', '200', '', '-', 'mutual_tls']);
  const grpc = { ...facts, request: { ...facts.request, headers: ['content-type', 'application/grpc+proto'] } };
  t.strictSame(requestLabelValues({ ...grpc, responseTrailers: ['grpc-status', '7'] }), [
    'grpc',
    '200',
    '7',
    '-',
    'mutual_tls',
  ]);
  t.strictSame(requestLabelValues({ ...grpc, response: { status: 503, headers: [] } }).slice(0, 3), [
    'grpc',
    '503',
    '14',
  ]);
  const gone = {
    ...facts,
    response: undefined,
    flags: ['DC'] as const,
    downstream: { ...downstream, identity: undefined },
  };
  t.strictSame(requestLabelValues(gone), ['http', '0', '', 'DC', 'none']);
  t.equal(
    requestLabelValues({
      ...facts,
      request: { ...facts.request, headers: ['content-type', 'application/grpc-web'] },
    })[0],
    'http',
  );
});

t.test('the access log line is Istio’s default format', async (t) => {
  t.equal(
    standardLog.write(logFactsOfRequest(facts, {})),
    '[2025-06-03T10:15:42.318Z] "GET /healthz?a=b HTTP/1.1" 200 - via_upstream - "-" 0 21 3 2 "-" "curl \\"8\\"" "id-1" "podinfo:80" ' +
      '"10.1.0.2:9898" inbound-vip|80|http|podinfo-svc.podinfo.svc.cluster.local - 10.96.0.1:80 10.1.0.1:40000 - default',
  );
  const forged = { ...facts, request: { ...facts.request, path: '/a\n[2025] "x' } };
  t.match(
    standardLog.write(logFactsOfRequest(forged, {})),
    /"GET \/a\\x0a\[2025\] \\"x HTTP\/1.1" 200/,
    'a client cannot forge a line',
  );
  const tcp = {
    downstream,
    upstream: undefined,
    flags: ['UH'] as const,
    startEpochMs: facts.startEpochMs,
    durationMs: 1,
    receivedBytes: 3,
    sentBytes: 4,
  };
  t.match(
    standardLog.write(logFactsOfConnection(tcp, {})),
    /^\[2025-06-03T10:15:42.318Z\] "- - -" 0 UH - - "-" 3 4 1 - "-" "-" "-" "-" "-" inbound-vip/,
  );
});

t.test('expressions see a request under Envoy’s names', async (t) => {
  const state = new Map([['wasm.istio_operationId', 'GET /healthz']]);
  const answer = (text: string, root = requestAttributes(facts, state)): string => {
    const expression = compileExpression(text);
    if (expression.kind === 'invalid') return 'invalid';
    const outcome = expression.evaluate(root);
    return outcome.kind === 'failed' ? 'failed' : (textOf(outcome.value) ?? 'no text');
  };
  const table: [string, string][] = [
    ['request.path', '/healthz?a=b'],
    ['request.url_path', '/healthz'],
    ['request.query', 'a=b'],
    ['request.host', 'podinfo:80'],
    ['request.protocol', 'HTTP/1.1'],
    ['request.useragent', 'curl "8"'],
    ['request.id', 'id-1'],
    ["request.headers['x']", '1,2'],
    ["request.headers[':path']", '/healthz?a=b'],
    ["'x' in request.headers && !('y' in request.headers)", 'true'],
    ['request.referer', 'failed'],
    ['request.total_size', '80'],
    ['request.duration', '0.0034s'],
    ['request.time.getFullYear()', '2025'],
    ['response.code', '200'],
    ['response.size', '21'],
    ['response.flags', '0'],
    ['response.code_details', 'via_upstream'],
    ['response.grpc_status', 'failed'],
    ["response.headers['content-type']", 'text/plain'],
    ['response.backend_latency < duration("1s")', 'true'],
    ['source.address', '10.1.0.1:40000'],
    ['string(destination.port)', '80'],
    ['upstream.address', '10.1.0.2:9898'],
    ['connection.mtls', 'false'],
    ["filter_state['wasm.istio_operationId']", 'GET /healthz'],
    ["filter_state['wasm.other']", 'failed'],
    ['filter_state.downstream_peer.workload', 'curl'],
    ['filter_state.upstream_peer.identity', 'spiffe://cluster.local/ns/podinfo/sa/default'],
    ["filter_state['io.istio.peer_principal']", 'spiffe://cluster.local/ns/podinfo/sa/curl'],
    ["xds.cluster_metadata.filter_metadata['istio']['services'][0]['host']", 'podinfo-svc.podinfo.svc.cluster.local'],
    ['xds.cluster_name', 'inbound-vip|80|http|podinfo-svc.podinfo.svc.cluster.local'],
  ];
  for (const [text, expected] of table) t.equal(answer(text), expected, text);
  const early = requestPhaseAttributes(facts, state);
  t.equal(answer('request.method', early), 'GET');
  t.equal(answer('response.code', early), 'failed', 'there is no response yet');
});

t.test('the destination service is the one that a route has named, where it has', async (t) => {
  const other = aService({ name: 'podinfo-next', namespace: 'podinfo', addresses: ['10.96.0.2'] });
  const upstream = {
    workload: podinfo,
    address: endAt('10.1.0.2:9898'),
    backend: { service: other, servicePort: 80, subset: undefined },
  };
  const values = named(commonLabelValues(downstream, upstream));
  t.match(values, {
    destination_service: 'podinfo-next.podinfo.svc.cluster.local',
    destination_service_name: 'podinfo-next',
  });
});
