import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { startRelay } from '../../support/relay-server.ts';

type Test = Pick<typeof t, 'teardown'>;

const portOf = (server: { address(): AddressInfo | string | null }): number => (server.address() as AddressInfo).port;

async function startApp(t: Test, handler: http.RequestListener): Promise<http.Server> {
  const app = http.createServer(handler).listen(0, '127.0.0.1');
  await once(app, 'listening');
  t.teardown(() => {
    app.closeAllConnections();
    app.close();
  });
  return app;
}

async function relayTo(t: Test, handler: http.RequestListener): Promise<Awaited<ReturnType<typeof startRelay>>> {
  const app = await startApp(t, handler);
  const relay = await startRelay('http1', 'http1', portOf(app));
  t.teardown(() => relay.close());
  return relay;
}

/** Sends raw bytes and returns everything that comes back until the peer closes or falls silent. */
async function exchangeRaw(port: number, text: string, quietMs = 200): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.write(text, 'latin1');
  let seen = -1;
  while (!socket.closed && seen !== chunks.length) {
    seen = chunks.length;
    await sleep(quietMs);
  }
  socket.destroy();
  return Buffer.concat(chunks).toString('latin1');
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const sha = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

t.test('a request and its response pass through, several on one connection', async (t) => {
  const relay = await relayTo(t, async (request, response) => {
    const body = await readAll(request);
    response.setHeader('set-cookie', ['a=1', 'b=2']);
    response.setHeader('x-seen', `${request.method} ${request.url} ${request.headers.host} ${request.headers['x-a']}`);
    response.end(`${body.length} bytes`);
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  for (const body of ['', 'hello']) {
    const request = http.request({
      port: relay.port,
      agent,
      method: 'POST',
      path: '/a?b=c',
      headers: { host: 'shop', 'x-a': 'y' },
    });
    request.end(body);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    t.equal(response.statusCode, 200);
    t.strictSame(response.headers['set-cookie'], ['a=1', 'b=2']);
    t.equal(response.headers['x-seen'], 'POST /a?b=c shop y');
    t.equal(String(await readAll(response)), `${body.length} bytes`);
  }
  t.match(relay.ends, [
    { status: 200, end: { kind: 'complete', receivedBodyBytes: 0, sentBodyBytes: 7 } },
    { status: 200, end: { kind: 'complete', receivedBodyBytes: 5, sentBodyBytes: 7 } },
  ]);
});

t.test('bytes on the wire are counted exactly, per request', async (t) => {
  const relay = await relayTo(t, (_request, response) => {
    response.sendDate = false;
    response.end('ok');
  });
  const request = 'GET /x HTTP/1.1\r\nhost: a\r\n\r\n';
  const answer = await exchangeRaw(relay.port, request);
  await exchangeRaw(relay.port, request);
  t.equal(answer, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  for (const { end } of relay.ends) {
    t.equal(end.receivedBytes, request.length);
    t.equal(end.sentBytes, answer.length);
  }
});

t.test('responses without a body have none', async (t) => {
  const relay = await relayTo(t, (request, response) => {
    const status = Number(request.url?.slice(1));
    if (status === 200) response.setHeader('content-length', '5');
    response.writeHead(status);
    response.end(request.method === 'HEAD' ? undefined : status === 205 ? '' : undefined);
  });
  t.match(
    await exchangeRaw(relay.port, 'HEAD /200 HTTP/1.1\r\nhost: a\r\n\r\n'),
    /content-length: 5\r\n(.*\r\n)*\r\n$/,
  );
  for (const status of [204, 304]) {
    const text = await exchangeRaw(relay.port, `GET /${status} HTTP/1.1\r\nhost: a\r\n\r\n`);
    t.match(text, new RegExp(`^HTTP/1.1 ${status} `));
    t.match(text, /\r\n\r\n$/);
    t.notMatch(text, /transfer-encoding|content-length/i);
  }
});

t.test('a body that is expected to be asked for is asked for', async (t) => {
  const relay = await relayTo(t, async (request, response) => {
    t.equal(request.headers.expect, undefined, 'the upstream is not asked again');
    response.end(await readAll(request));
  });
  const request = http.request({ port: relay.port, method: 'POST', headers: { expect: '100-continue' } });
  request.flushHeaders();
  await once(request, 'continue');
  request.end('body');
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  t.equal(String(await readAll(response)), 'body');
});

t.test('trailers of a chunked response pass through', async (t) => {
  const relay = await relayTo(t, (_request, response) => {
    response.writeHead(200, { trailer: 'x-sum' });
    response.write('data');
    response.addTrailers({ 'x-sum': '42' });
    response.end();
  });
  t.match(await exchangeRaw(relay.port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'), /4\r\ndata\r\n0\r\nx-sum: 42\r\n\r\n$/);
});

t.test('informational responses do not end a request', async (t) => {
  const relay = await relayTo(t, (_request, response) => {
    response.writeEarlyHints({ link: '</a>; rel=preload' }, () => response.end('final'));
  });
  t.match(await exchangeRaw(relay.port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'), /^HTTP\/1.1 200 OK\r\n[\s\S]*final$/);
});

t.test('requests that could be read in two ways are refused', async (t) => {
  let reached = 0;
  const relay = await relayTo(t, (_request, response) => {
    reached += 1;
    response.end();
  });
  const bad: [string, string, RegExp][] = [
    [
      'Content-Length beside Transfer-Encoding',
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1.1 400 /,
    ],
    [
      'two Content-Lengths',
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcd',
      /^HTTP\/1.1 400 /,
    ],
    [
      'a Content-Length that is no number',
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\nabcd',
      /^HTTP\/1.1 400 /,
    ],
    [
      'a Transfer-Encoding that is not chunked',
      'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n',
      /^HTTP\/1.1 400 /,
    ],
    [
      'a chunked that is not last',
      'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n',
      /^HTTP\/1.1 400 /,
    ],
    ['a blank before the colon', 'GET / HTTP/1.1\r\nhost : a\r\n\r\n', /^HTTP\/1.1 400 /],
    ['a folded header', 'GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n\r\n', /^HTTP\/1.1 400 /],
    [
      'a bare carriage return',
      'GET / HTTP/1.1\r\nhost: a\r\nx: 1\rtransfer-encoding: chunked\r\n\r\n',
      /^HTTP\/1.1 400 /,
    ],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1.1 400 /],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nhost: a\r\n\r\n', /^HTTP\/1.1 426 /],
    ['CONNECT', 'CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n', /^HTTP\/1.1 403 /],
    ['a head over 60 KiB', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(62_000)}\r\n\r\n`, /^HTTP\/1.1 431 /],
    ['more than 100 headers', `GET / HTTP/1.1\r\nhost: a\r\n${'x: y\r\n'.repeat(100)}\r\n`, /^HTTP\/1.1 431 /],
  ];
  for (const [what, text, expected] of bad) t.match(await exchangeRaw(relay.port, text, 60), expected, what);
  t.equal(reached, 0, 'none reached the upstream');
});

t.test('a WebSocket upgrade passes through, half-close included', async (t) => {
  const app = createServer((socket: Socket) => {
    socket.once('data', (head) => {
      t.match(String(head), /upgrade: websocket/i);
      t.match(String(head), /sec-websocket-key: k/i);
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: z\r\n\r\nfirst',
      );
      socket.on('data', (data) => socket.write(`echo ${data}`));
      socket.on('end', () => socket.end('bye'));
    });
  }).listen(0, '127.0.0.1');
  await once(app, 'listening');
  t.teardown(() => app.close());
  const relay = await startRelay('http1', 'http1', portOf(app));
  t.teardown(() => relay.close());
  const request = http.request({
    port: relay.port,
    headers: { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': 'k' },
  });
  request.end();
  const [response, socket, head] = (await once(request, 'upgrade')) as [http.IncomingMessage, Socket, Buffer];
  t.equal(response.statusCode, 101);
  t.equal(response.headers['sec-websocket-accept'], 'z');
  let text = String(head);
  socket.on('data', (data) => {
    text += String(data);
  });
  socket.write('one');
  while (!text.includes('echo one')) await sleep(5);
  socket.end();
  await once(socket, 'close');
  t.equal(text, 'firstecho onebye');
  await sleep(20);
  t.match(relay.ends, [{ status: 101, end: { kind: 'complete', receivedBodyBytes: 3, sentBodyBytes: 16 } }]);
});

t.test('a refused upgrade is an ordinary response, and other upgrades are not asked for', async (t) => {
  const relay = await relayTo(t, (request, response) => {
    response.statusCode = 400;
    response.end(`no ${request.headers.upgrade}`);
  });
  const text = await exchangeRaw(
    relay.port,
    'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  );
  t.match(text, /^HTTP\/1.1 400 [\s\S]*no websocket$/);
  const h2c =
    'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n\r\n';
  t.match(await exchangeRaw(relay.port, h2c), /^HTTP\/1.1 400 [\s\S]*no undefined$/);
});

for (const [downstream, upstream] of [
  ['http1', 'http1'],
  ['http1', 'http2'],
  ['http2', 'http1'],
  ['http2', 'http2'],
] as const) {
  t.test(`50 MB up and down pass unaltered from ${downstream} to ${upstream}`, async (t) => {
    const big = randomBytes(50 * 1024 * 1024);
    const expected = sha(big);
    const handler = async (
      request: http.IncomingMessage | http2.Http2ServerRequest,
      response: { end(data: Buffer): unknown },
    ): Promise<void> => {
      const body = await readAll(request);
      response.end(sha(body) === expected ? big : Buffer.from('altered'));
    };
    const app = upstream === 'http1' ? http.createServer(handler) : http2.createServer(handler);
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    const relay = await startRelay(downstream, upstream, portOf(app));
    t.teardown(async () => {
      await relay.close();
      app.close();
    });
    if (downstream === 'http1') {
      const request = http.request({ port: relay.port, method: 'POST' });
      request.end(big);
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      t.equal(sha(await readAll(response)), expected);
    } else {
      const session = http2.connect(`http://127.0.0.1:${relay.port}`);
      const stream = session.request({ ':method': 'POST' });
      stream.end(big);
      t.equal(sha(await readAll(stream)), expected);
      session.close();
    }
    await sleep(20);
    t.match(relay.ends, [{ end: { kind: 'complete', receivedBodyBytes: big.length, sentBodyBytes: big.length } }]);
  });
}

t.test('a slow reader slows the upstream', async (t) => {
  let written = 0;
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const total = 64 * 1024 * 1024;
  const relay = await relayTo(t, async (_request, response) => {
    while (written < total && !response.destroyed) {
      written += chunk.length;
      if (!response.write(chunk)) await once(response, 'drain');
    }
    response.end();
  });
  const request = http.get({ port: relay.port });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.pause();
  let before = -1;
  while (before !== written) {
    before = written;
    await sleep(150);
  }
  t.ok(written < total / 2, `the upstream was stopped after ${written} bytes`);
  let read = 0;
  response.on('data', (data: Buffer) => {
    read += data.length;
  });
  response.resume();
  await once(response, 'end');
  t.equal(read, total);
});

t.test('a gRPC-like call keeps its streaming order and its trailers', async (t) => {
  const app = http2.createServer();
  app.on('stream', (stream, headers) => {
    t.equal(headers['te'], 'trailers');
    t.equal(headers[':path'], '/echo.Echo/Say');
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }));
    stream.on('data', (data) => stream.write(data));
    stream.on('end', () => stream.end());
  });
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  const relay = await startRelay('http2', 'http2', portOf(app));
  t.teardown(async () => {
    await relay.close();
    app.close();
  });
  const session = http2.connect(`http://127.0.0.1:${relay.port}`);
  t.teardown(() => session.close());
  const call = session.request({
    ':method': 'POST',
    ':path': '/echo.Echo/Say',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  for (const message of ['one', 'two']) {
    call.write(message);
    const [data] = (await once(call, 'data')) as [Buffer];
    t.equal(String(data), message, 'each message comes back before the next is sent');
  }
  const trailers = once(call, 'trailers');
  call.end();
  t.match((await trailers)[0], { 'grpc-status': '0', 'grpc-message': 'fine' });
});

t.test('a trailers-only gRPC answer stays one', async (t) => {
  const app = http2.createServer();
  app.on('stream', (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true });
  });
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  const relay = await startRelay('http2', 'http2', portOf(app));
  t.teardown(async () => {
    await relay.close();
    app.close();
  });
  const session = http2.connect(`http://127.0.0.1:${relay.port}`);
  t.teardown(() => session.close());
  const call = session.request({ ':method': 'POST', 'content-type': 'application/grpc' });
  const [headers, flags] = (await once(call, 'response')) as [http2.IncomingHttpHeaders, number];
  t.equal(headers['grpc-status'], '12');
  t.equal(flags & 1, 1);
});

t.test('a cookie sent in pieces over HTTP/2 is one over HTTP/1.1', async (t) => {
  const app = await startApp(t, (request, response) => response.end(request.headers.cookie));
  const relay = await startRelay('http2', 'http1', portOf(app));
  t.teardown(() => relay.close());
  const session = http2.connect(`http://127.0.0.1:${relay.port}`);
  t.teardown(() => session.close());
  const call = session.request({ ':path': '/', cookie: ['a=1', 'b=2'] });
  t.equal(String(await readAll(call)), 'a=1; b=2');
});

t.test('many requests at once share upstream connections and stay apart', async (t) => {
  const connections = new Set<Socket>();
  const app = await startApp(t, (request, response) => {
    connections.add(request.socket);
    setImmediate(() => response.end(request.url));
  });
  const relay = await startRelay('http2', 'http1', portOf(app));
  t.teardown(() => relay.close());
  const session = http2.connect(`http://127.0.0.1:${relay.port}`);
  t.teardown(() => session.close());
  for (let round = 0; round < 5; round += 1) {
    const paths = Array.from({ length: 40 }, (_, index) => `/${round}/${index}`);
    const answers = await Promise.all(
      paths.map(async (path) => String(await readAll(session.request({ ':path': path })))),
    );
    t.strictSame(answers, paths);
  }
  t.ok(connections.size <= 80, `${connections.size} connections carried 200 requests`);
});

t.test('failures of the upstream are told apart', async (t) => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const port = portOf(closed);
  closed.close();
  await once(closed, 'close');
  const refused = await startRelay('http1', 'http1', port);
  t.teardown(() => refused.close());
  t.match(await exchangeRaw(refused.port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'), /x-stage: connect/);

  const cutter = createServer((socket) =>
    socket.on('error', () => undefined).once('data', () => socket.destroy()),
  ).listen(0, '127.0.0.1');
  await once(cutter, 'listening');
  t.teardown(() => cutter.close());
  const cut = await startRelay('http1', 'http1', portOf(cutter));
  t.teardown(() => cut.close());
  t.match(await exchangeRaw(cut.port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'), /x-stage: reset/);

  const talker = createServer((socket) => socket.on('error', () => undefined).end('220 smtp ready\r\n')).listen(
    0,
    '127.0.0.1',
  );
  await once(talker, 'listening');
  t.teardown(() => talker.close());
  const wrong = await startRelay('http1', 'http1', portOf(talker));
  t.teardown(() => wrong.close());
  t.match(await exchangeRaw(wrong.port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'), /^HTTP\/1.1 503 /);
});

t.test('a response that is cut off is cut off for the client too', async (t) => {
  const relay = await relayTo(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '10' });
    response.write('half');
    setTimeout(() => response.destroy(), 30);
  });
  const request = http.get({ port: relay.port });
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  await t.rejects(readAll(response));
});

t.test('a client that goes away ends the upstream request', async (t) => {
  let closed: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const relay = await relayTo(t, (request) => request.socket.on('close', closed));
  const request = http.get({ port: relay.port });
  request.on('error', () => undefined);
  await sleep(50);
  request.destroy();
  await gone;
  t.match(relay.ends, [{ status: 0, end: { kind: 'aborted' } }]);
});
