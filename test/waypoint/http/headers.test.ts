import t from 'tap';
import { endToEnd, findHeader, headerBytes, joinHeader, withHeader } from '../../../waypoint/http/header-list.ts';
import { localReply } from '../../../waypoint/http/local-reply.ts';
import { requestHeadersUpstream, responseHeadersDownstream } from '../../../waypoint/http/proxy-headers.ts';

t.test('headers are found, joined and replaced', async (t) => {
  const list = ['a', '1', 'b', '2', 'a', '3'];
  t.equal(findHeader(list, 'a'), '1');
  t.equal(findHeader(list, 'c'), undefined);
  t.equal(joinHeader(list, 'a'), '1,3');
  t.strictSame(withHeader(list, 'a', 'x'), ['b', '2', 'a', 'x']);
  t.equal(headerBytes(['host', 'a']), 'host: a\r\n'.length);
});

t.test('headers of one hop do not go further, nor those that connection names', async (t) => {
  const given = [
    'connection',
    'keep-alive, X-Secret',
    'x-secret',
    '1',
    'keep-alive',
    '5',
    'transfer-encoding',
    'chunked',
  ];
  t.strictSame(endToEnd([...given, 'te', 'trailers', 'upgrade', 'h2c', 'x', 'y']), ['te', 'trailers', 'x', 'y']);
  t.strictSame(endToEnd(['te', 'gzip', 'proxy-connection', 'close']), []);
});

t.test('a request gets an id and a scheme, and loses a forged client certificate', async (t) => {
  t.strictSame(
    requestHeadersUpstream(['x-forwarded-client-cert', 'By=x', 'a', 'b'], 'http', () => 'new'),
    [...['a', 'b', 'x-forwarded-proto', 'http', 'x-request-id', 'new']],
  );
  const kept = ['x-request-id', 'old', 'x-forwarded-proto', 'https', 'x-forwarded-for', '10.0.0.1'];
  t.strictSame(
    requestHeadersUpstream(kept, 'http', () => 'new'),
    kept,
  );
});

t.test('a response says who passed it on and how long the endpoint took', async (t) => {
  const sent = responseHeadersDownstream(['server', 'nginx', 'x-envoy-decorator-operation', 'x'], 12.4, () => 'today');
  t.strictSame(sent, ['date', 'today', 'x-envoy-upstream-service-time', '12', 'server', 'istio-envoy']);
});

t.test('a reply of our own is text for HTTP', async (t) => {
  const { head, body } = localReply(503, 'no healthy upstream', 'http');
  t.equal(head.status, 503);
  t.equal(findHeader(head.headers, 'content-length'), '19');
  t.equal(findHeader(head.headers, 'content-type'), 'text/plain');
  t.equal(String(body), 'no healthy upstream');
});

t.test('a reply of our own is a status for gRPC', async (t) => {
  const { head, body } = localReply(503, 'a%b\nç', 'grpc');
  t.equal(head.status, 200);
  t.equal(findHeader(head.headers, 'grpc-status'), '14');
  t.equal(findHeader(head.headers, 'grpc-message'), 'a%25b%0A%C3%A7');
  t.equal(body, undefined);
});
