// Requests to the HTTP proxy: where they go, how the origin sees them, what is refused.
import t from 'tap';
import { maxHeadBytes, parseProxyRequest, writeProxyError } from '../../../ztunnel/socks5/http-proxy-codec.ts';

const parse = (text: string) => parseProxyRequest(Buffer.from(text, 'latin1'));

t.test('CONNECT names a host and a port', async (t) => {
  t.same(parse('CONNECT podinfo.shop:9898 HTTP/1.1\r\nHost: x\r\n\r\nrest'), {
    kind: 'connect',
    target: { kind: 'name', hostname: 'podinfo.shop', port: 9898 },
    headBytes: 47,
  });
  t.match(parse('CONNECT [fd00::1]:80 HTTP/1.1\r\n\r\n'), { target: { kind: 'address', address: { ip: 'fd00::1' } } });
});

t.test('a whole URL becomes a request to its origin, for one exchange', async (t) => {
  const head = [
    'POST http://Podinfo/echo?a=1 HTTP/1.1',
    'host: other',
    'X-A:  b ',
    'Proxy-Connection: keep-alive',
    'Connection: keep-alive, x-hop',
    'X-Hop: gone',
    'Content-Length: 4',
  ].join('\r\n');
  const request = parse(`${head}\r\n\r\nbody`);
  if (request.kind !== 'forward') throw new Error(request.kind);
  t.same(request.target, { kind: 'name', hostname: 'podinfo', port: 80 });
  t.equal(request.headBytes, head.length + 4);
  t.equal(
    request.originHead.toString('latin1'),
    'POST /echo?a=1 HTTP/1.1\r\nHost: Podinfo\r\nX-A: b\r\nContent-Length: 4\r\nConnection: close\r\n\r\n',
  );
});

t.test('a URL without a path asks for the root', async (t) => {
  const heads = ['http://a:8080', 'http://a:8080?q'].map((url) => {
    const request = parse(`GET ${url} HTTP/1.0\r\n\r\n`);
    return request.kind === 'forward' ? request.originHead.toString().split('\r\n')[0] : request.kind;
  });
  t.same(heads, ['GET / HTTP/1.0', 'GET /?q HTTP/1.0']);
});

t.test('an upgrade goes on to the origin', async (t) => {
  const request = parse('GET http://a/ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  t.match(request.kind === 'forward' && request.originHead.toString(), /Upgrade: websocket\r\nConnection: Upgrade\r\n/);
});

t.test('blanks around a value are dropped, those within it stay, however many they are', async (t) => {
  const inner = `y${' '.repeat(30_000)}z`;
  const parsed = parseProxyRequest(Buffer.from(`GET http://shop/ HTTP/1.1\r\nx: \t ${inner} \t\r\nempty: \t\r\n\r\n`));
  t.equal(parsed.kind, 'forward');
  if (parsed.kind !== 'forward') return;
  const lines = parsed.originHead.toString('latin1').split('\r\n');
  t.ok(lines.includes(`x: ${inner}`));
  t.ok(lines.includes('empty: '));
});

t.test('every shorter part of a head waits for the rest', async (t) => {
  const head = 'GET http://a/ HTTP/1.1\r\nA: b\r\n\r\n';
  for (let length = 0; length < head.length; length++) t.equal(parse(head.slice(0, length)).kind, 'incomplete');
});

t.test('what is no proxy request is refused', async (t) => {
  const heads = [
    'GET / HTTP/1.1',
    'GET https://a/ HTTP/1.1',
    'GET http://user@a/ HTTP/1.1',
    'CONNECT a HTTP/1.1',
    'CONNECT a:0 HTTP/1.1',
    'CONNECT a:80',
    'GET http://a/ HTTP/2.0',
    'GET http://a/ HTTP/1.1\r\n folded: x',
    'GET http://a/ HTTP/1.1\r\nbad header: x',
    'GET http://a/ HTTP/1.1\r\nA: b\rc',
    '\x16\x03\x01',
  ];
  for (const head of heads) t.equal(parse(`${head}\r\n\r\n`).kind, 'malformed', JSON.stringify(head));
});

t.test('a head that does not end is refused at its limit', async (t) => {
  const endless = Buffer.alloc(maxHeadBytes, 0x61);
  t.equal(parseProxyRequest(endless.subarray(1)).kind, 'incomplete');
  t.equal(parseProxyRequest(endless).kind, 'malformed');
});

t.test('a failure is answered with its text', async (t) => {
  t.equal(
    writeProxyError(403, 'no').toString(),
    'HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n',
  );
});
