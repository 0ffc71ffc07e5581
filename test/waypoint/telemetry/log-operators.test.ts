// Every command operator that Istio and Envoy document, with its value for a request and for a connection that passed unread.
import { hostname } from 'node:os';
import t from 'tap';
import { MeshError } from '../../../common/errors.ts';
import type { LogFacts } from '../../../waypoint/telemetry/log-facts.ts';
import { compileOperator, operatorNames } from '../../../waypoint/telemetry/log-operators.ts';
import { endAt } from '../../support/mesh-objects.ts';
import { connectionLogFacts, requestLogFacts, someRequest } from '../../support/waypoint-facts.ts';

const trace = '0af7651916cd43dd8448eb211c80319c';
const headers = [...someRequest.request.headers, 'traceparent', `00-${trace}-b7ad6b7169203331-01`];
const request = requestLogFacts({
  request: { ...someRequest.request, path: '/echo?a=b%20c', headers },
  upstream: { ...ofUpstream(), protocol: 'HTTP/2' },
  details: 'via upstream',
});
const failure = new MeshError('UPSTREAM_REFUSED', 'nothing listens there');
const connection = connectionLogFacts({ flags: ['UF'], failure });

function ofUpstream() {
  const { upstream } = someRequest;
  if (upstream === undefined) throw new Error('no upstream');
  return upstream;
}

type Value = string | number | boolean | undefined;

/** Name, argument, and the values of the request and of the connection. */
const table: readonly (readonly [operator: string, ofRequest: Value, ofConnection: Value])[] = [
  ['START_TIME', '2025-06-03T10:15:42.318Z', '2025-06-03T10:15:42.318Z'],
  ['START_TIME(%Y/%m/%dT%H:%M:%S%z)', '2025/06/03T10:15:42+0000', '2025/06/03T10:15:42+0000'],
  ['START_TIME(%s.%3f)', '1748945742.318', '1748945742.318'],
  ['START_TIME(%s.%6f)', '1748945742.318000', '1748945742.318000'],
  ['START_TIME_LOCAL(%s)', '1748945742', '1748945742'],
  ['EMIT_TIME', '2025-06-03T10:15:42.323Z', '2025-06-03T10:15:42.319Z'],
  ['EMIT_TIME_LOCAL(%3f)', '323', '319'],
  ['REQUEST_HEADERS_BYTES', 80, 0],
  ['BYTES_RECEIVED', 4, 3],
  ['BYTES_SENT', 5, 4],
  ['BYTES_RETRANSMITTED', 0, 0],
  ['PACKETS_RETRANSMITTED', 0, 0],
  ['PROTOCOL', 'HTTP/1.1', undefined],
  ['UPSTREAM_PROTOCOL', 'HTTP/2', undefined],
  ['RESPONSE_CODE', 202, 0],
  ['RESPONSE_CODE_DETAILS', 'via_upstream', undefined],
  ['RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)', 'via upstream', undefined],
  ['CONNECTION_TERMINATION_DETAILS', undefined, 'UPSTREAM_REFUSED'],
  ['RESPONSE_HEADERS_BYTES', 60, 0],
  ['RESPONSE_TRAILERS_BYTES', 6, 0],
  ['UPSTREAM_REQUEST_ATTEMPT_COUNT', 1, 0],
  ['UPSTREAM_WIRE_BYTES_SENT', undefined, 3],
  ['UPSTREAM_WIRE_BYTES_RECEIVED', undefined, 4],
  ['UPSTREAM_HEADER_BYTES_SENT', 124, 0],
  ['UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT', 124, 0],
  ['UPSTREAM_HEADER_BYTES_RECEIVED', 60, 0],
  ['UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED', 60, 0],
  ['DOWNSTREAM_WIRE_BYTES_SENT', 120, 4],
  ['DOWNSTREAM_WIRE_BYTES_RECEIVED', 84, 3],
  ['DOWNSTREAM_HEADER_BYTES_SENT', 60, 0],
  ['DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT', 60, 0],
  ['DOWNSTREAM_HEADER_BYTES_RECEIVED', 80, 0],
  ['DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED', 80, 0],
  ['DURATION', 5, 1],
  ['COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)', 4_000, undefined],
  ['COMMON_DURATION(US_RX_BEG:DS_TX_END:ms)', 1, undefined],
  ['COMMON_DURATION(DS_CX_BEG:DS_CX_END:ns)', undefined, 1_000_000],
  ['COMMON_DURATION(DS_RX_BEG:US_HS_END:ms)', undefined, undefined],
  ['REQUEST_DURATION', undefined, undefined],
  ['REQUEST_TX_DURATION', undefined, undefined],
  ['RESPONSE_DURATION', 4, undefined],
  ['ROUNDTRIP_DURATION', undefined, undefined],
  ['RESPONSE_TX_DURATION', 1, undefined],
  ['DOWNSTREAM_HANDSHAKE_DURATION', undefined, undefined],
  ['UPSTREAM_CONNECTION_POOL_READY_DURATION', undefined, undefined],
  ['RESPONSE_FLAGS', '-', 'UF'],
  ['RESPONSE_FLAGS_LONG', '-', 'UpstreamConnectionFailure'],
  ['ROUTE_NAME', 'default', undefined],
  ['VIRTUAL_CLUSTER_NAME', undefined, undefined],
  ['UPSTREAM_HOST', '10.1.0.2:9898', undefined],
  ['UPSTREAM_HOST_NAME', '10.1.0.2:9898', undefined],
  ['UPSTREAM_HOST_NAME_WITHOUT_PORT', '10.1.0.2', undefined],
  ['UPSTREAM_HOSTS_ATTEMPTED', '10.1.0.2:9898', undefined],
  ['UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT', '10.1.0.2', undefined],
  ['UPSTREAM_HOST_NAMES_ATTEMPTED', '10.1.0.2:9898', undefined],
  ['UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT', '10.1.0.2', undefined],
  ['UPSTREAM_CLUSTER', ...onBoth('inbound-vip|80|http|podinfo-svc.podinfo.svc.cluster.local')],
  ['UPSTREAM_CLUSTER_RAW', ...onBoth('inbound-vip|80|http|podinfo-svc.podinfo.svc.cluster.local')],
  ['UPSTREAM_LOCAL_ADDRESS', undefined, undefined],
  ['UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(16)', undefined, undefined],
  ['UPSTREAM_LOCAL_PORT', undefined, undefined],
  ['UPSTREAM_LOCAL_ADDRESS_ENDPOINT_ID', undefined, undefined],
  ['UPSTREAM_REMOTE_ADDRESS', '10.1.0.2:9898', undefined],
  ['UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', '10.1.0.2', undefined],
  ['UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)', '10.1.0.0/16', undefined],
  ['UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(64)', undefined, undefined],
  ['UPSTREAM_REMOTE_PORT', 9898, undefined],
  ['UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID', undefined, undefined],
  ['UPSTREAM_TRANSPORT_FAILURE_REASON', undefined, 'UPSTREAM_REFUSED: nothing listens there'],
  ['UPSTREAM_DETECTED_CLOSE_TYPE', undefined, undefined],
  ['UPSTREAM_LOCAL_CLOSE_REASON', undefined, undefined],
  ['DOWNSTREAM_TRANSPORT_FAILURE_REASON', undefined, undefined],
  ['DOWNSTREAM_LOCAL_CLOSE_REASON', undefined, undefined],
  ['DOWNSTREAM_DETECTED_CLOSE_TYPE', undefined, undefined],
  ['DOWNSTREAM_REMOTE_ADDRESS', ...onBoth('10.1.0.1:40000')],
  ['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', ...onBoth('10.1.0.1')],
  ['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)', ...onBoth('10.0.0.0/8')],
  ['DOWNSTREAM_REMOTE_PORT', 40_000, 40_000],
  ['DOWNSTREAM_REMOTE_ADDRESS_ENDPOINT_ID', undefined, undefined],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS', ...onBoth('10.1.0.1:40000')],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT', ...onBoth('10.1.0.1')],
  ['DOWNSTREAM_DIRECT_REMOTE_PORT', 40_000, 40_000],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS_ENDPOINT_ID', undefined, undefined],
  ['DOWNSTREAM_LOCAL_ADDRESS', ...onBoth('10.96.0.1:80')],
  ['DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', ...onBoth('10.96.0.1')],
  ['DOWNSTREAM_LOCAL_PORT', 80, 80],
  ['DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID', undefined, undefined],
  ['DOWNSTREAM_DIRECT_LOCAL_ADDRESS', undefined, undefined],
  ['DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT', undefined, undefined],
  ['DOWNSTREAM_DIRECT_LOCAL_PORT', undefined, undefined],
  ['DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID', undefined, undefined],
  ['CONNECTION_ID', undefined, undefined],
  ['UPSTREAM_CONNECTION_ID', undefined, undefined],
  ['UPSTREAM_CONNECTION_IDS_ATTEMPTED', undefined, undefined],
  ['STREAM_ID', 'id-1', undefined],
  ['GRPC_STATUS', undefined, undefined],
  ['GRPC_STATUS_NUMBER', undefined, undefined],
  ['REQ(X)', '1,2', undefined],
  ['REQ(NONE?X-REQUEST-ID)', 'id-1', undefined],
  ['REQ(:AUTHORITY)', 'podinfo:80', undefined],
  ['REQUEST_HEADER(:METHOD)', 'POST', undefined],
  ['REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)', '/echo', undefined],
  ['RESP(content-type)', 'text/plain', undefined],
  ['RESPONSE_HEADER(none)', undefined, undefined],
  ['TRAILER(T)', 'v', undefined],
  ['RESPONSE_TRAILER(t)', 'v', undefined],
  ['PATH', '/echo?a=b%20c', undefined],
  ['PATH(NQ)', '/echo', undefined],
  ['PATH(WQ:PATH)', '/echo?a=b%20c', undefined],
  ['PATH(WQ:ORIG)', undefined, undefined],
  ['QUERY_PARAM(a)', 'b c', undefined],
  ['QUERY_PARAM(none)', undefined, undefined],
  ['QUERY_PARAMS', 'a=b%20c', undefined],
  ['QUERY_PARAMS(DECODED)', 'a=b c', undefined],
  ['REQUESTED_SERVER_NAME', undefined, undefined],
  ['REQUESTED_SERVER_NAME(SNI_FIRST)', 'podinfo:80', undefined],
  ['REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)', undefined, undefined],
  [
    'COALESCE({"operators": ["REQUESTED_SERVER_NAME", {"command": "REQ", "param": ":authority", "max_length": 7}]})',
    'podinfo',
    undefined,
  ],
  ['FILTER_STATE(wasm.operation:PLAIN)', 'echo', undefined],
  ['FILTER_STATE(downstream_peer_obj:FIELD:workload)', ...onBoth('curl')],
  ['UPSTREAM_FILTER_STATE(a)', undefined, undefined],
  ['DYNAMIC_METADATA(a:b)', undefined, undefined],
  ['CLUSTER_METADATA(a:b)', undefined, undefined],
  ['UPSTREAM_METADATA(a:b)', undefined, undefined],
  ['METADATA(ROUTE:a)', undefined, undefined],
  ['DOWNSTREAM_PEER_URI_SAN', ...onBoth('spiffe://cluster.local/ns/podinfo/sa/curl-1')],
  ['DOWNSTREAM_LOCAL_URI_SAN', ...onBoth('spiffe://cluster.local/ns/podinfo/sa/gate')],
  ['HOSTNAME', ...onBoth(hostname())],
  ['ENVIRONMENT(HOME)', undefined, undefined],
  ['LOCAL_REPLY_BODY', undefined, undefined],
  ['FILTER_CHAIN_NAME', undefined, undefined],
  ['ACCESS_LOG_TYPE', 'DownstreamEnd', 'TcpConnectionEnd'],
  ['TRACE_ID', trace, undefined],
  ['SPAN_ID', 'b7ad6b7169203331', undefined],
  ['CUSTOM_FLAGS', undefined, undefined],
  ['CEL(request.method + string(response.code))', 'POST202', undefined],
  ['CEL(response.code >= 200)', 'true', undefined],
  ['CEL(request.headers["none"])', undefined, undefined],
  ['TYPED_CEL(response.code)', 202, undefined],
  ['TYPED_CEL(response.code >= 200)', true, undefined],
  ['TYPED_CEL(request.method)', 'POST', undefined],
];

/** Documented, of certificates that the connection inside the tunnel does not have. */
const ofCertificates =
  /^(DOWNSTREAM|UPSTREAM)_(LOCAL|PEER|TLS)_\w*(SAN|SUBJECT|ISSUER\w*|ID|CIPHER|GROUP|VERSION|FINGERPRINTS?_\w+|SERIALS?|CERT\w*)$|^TLS_JA[34]_FINGERPRINT$|^UPSTREAM_SERVER_NAME$/;

function onBoth(both: Value): [Value, Value] {
  return [both, both];
}

function value(operator: string, facts: LogFacts): Value {
  const [, name = '', argument] = /^([A-Z0-9_]+)(?:\((.*)\))?$/s.exec(operator) ?? [];
  const compiled = compileOperator(name, argument);
  if (compiled.kind === 'unknown') throw new Error(compiled.reason);
  return compiled.evaluate(facts);
}

t.test('each has the value that is expected of it', async (t) => {
  for (const [operator, ofRequest, ofConnection] of table) {
    t.equal(value(operator, request), ofRequest, `${operator} of a request`);
    t.equal(value(operator, connection), ofConnection, `${operator} of a connection`);
  }
});

t.test('there is no operator but those, and those of certificates, which have no value', async (t) => {
  const checked = new Set(table.map(([operator]) => operator.replace(/\(.*/s, '')));
  for (const name of operatorNames.filter((candidate) => !checked.has(candidate) && candidate !== 'UNIQUE_ID')) {
    t.match(name, ofCertificates);
    t.equal(value(name, request), undefined, name);
  }
  t.match(value('UNIQUE_ID', request), /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
  t.not(value('UNIQUE_ID', request), value('UNIQUE_ID', request));
});

t.test('a gRPC status has three forms', async (t) => {
  const call = { ...someRequest.request, headers: ['content-type', 'application/grpc'] };
  const forms = (status: string): Value[] => {
    const facts = requestLogFacts({ request: call, responseTrailers: ['grpc-status', status] });
    return ['GRPC_STATUS', 'GRPC_STATUS(SNAKE_STRING)', 'GRPC_STATUS(NUMBER)', 'GRPC_STATUS_NUMBER'].map((operator) =>
      value(operator, facts),
    );
  };
  t.same(forms('0'), ['OK', 'OK', 0, 0]);
  t.same(forms('1'), ['Canceled', 'CANCELLED', 1, 1]);
  t.same(forms('3'), ['InvalidArgument', 'INVALID_ARGUMENT', 3, 3]);
  t.same(forms('7'), ['PermissionDenied', 'PERMISSION_DENIED', 7, 7]);
  t.same(forms('99'), ['99', '99', 99, 99]);
});

t.test('a workload that is known by its name is named', async (t) => {
  const { workload } = ofUpstream();
  const upstream = { workload: { ...workload, hostname: 'db.example' }, address: endAt('10.1.0.2:9898') };
  const facts = requestLogFacts({ upstream });
  t.equal(value('UPSTREAM_HOST_NAME', facts), 'db.example');
  t.equal(value('UPSTREAM_HOST', facts), '10.1.0.2:9898');
});

t.test('an argument that is none is told', async (t) => {
  const mistakes: Readonly<Record<string, RegExp>> = {
    'PROTOCOL(x)': /%PROTOCOL\(x\)% takes no argument/,
    REQ: /%REQ% needs an argument/,
    'COMMON_DURATION(a:b)': /takes START:END:PRECISION/,
    'PATH(XX)': /takes WQ or NQ/,
    'GRPC_STATUS(x)': /takes CAMEL_STRING/,
    'QUERY_PARAMS(x)': /takes ORIG or DECODED/,
    'REQUESTED_SERVER_NAME(x)': /takes SNI_ONLY/,
    'RESPONSE_CODE_DETAILS(x)': /takes ALLOW_WHITESPACES/,
    'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)': /takes the length of a prefix/,
    'COALESCE({})': /takes \{"operators"/,
    'COALESCE({"operators": ["NOTHING"]})': /%NOTHING% is no operator/,
    'CEL(a ==)': /does not compile/,
  };
  for (const [operator, reason] of Object.entries(mistakes)) t.throws(() => value(operator, request), reason, operator);
});
