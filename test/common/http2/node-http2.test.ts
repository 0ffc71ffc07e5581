// Differential: our session on sockets against node:http2 (nghttp2), as client and as server, over cleartext HTTP/2.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2, { type ClientHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { PendingRequest } from '../../../common/hbone/connect-request.ts';
import { openConnectStream } from '../../../common/hbone/connect-stream.ts';
import type { ConnectRequest } from '../../../common/hbone/hbone.ts';
import { Http2Connection } from '../../../common/http2/connection-socket.ts';
import { clientSettings, serverSettings } from '../../../common/http2/settings.ts';
import { record, writeAll } from '../../support/recording-sink.ts';
import { echo, loopback, web } from '../../support/tunnel-ends.ts';

const noHandlers = { onStreamClosed() {}, onGoAway() {}, onClosed() {} };
const noRequests = (): never => {
  throw new Error('a server opened a stream');
};
const bigWindows = { initialWindowSize: 4 << 20, maxFrameSize: 1 << 20 };

/** Our client on a node:http2 server. */
async function ourClient(
  t: Test,
  onStream: (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  settings = {},
) {
  const server = http2.createServer({ settings });
  server.on('stream', onStream);
  server.on('session', (session) => session.on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  const connection = new Http2Connection({
    socket,
    own: clientSettings,
    peerName: 'node',
    handlers: { ...noHandlers, onRequest: noRequests },
  });
  t.teardown(() => {
    socket.destroy();
    server.close();
  });
  const tunnel = { connection, peer: web, notAfterMs: Number.POSITIVE_INFINITY };
  const open = (authority: string, headers: [string, string][] = []) =>
    openConnectStream({ tunnel, authority, headers, timeoutMs: 30_000, nextHop: { ip: loopback, port: 1 } });
  return { connection, open, socket };
}

/** A node:http2 client on our server. */
async function ourServer(t: Test, onRequest: (request: ConnectRequest) => void, settings = {}) {
  const connections: Http2Connection[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) => {
    const connection: Http2Connection = new Http2Connection({
      socket,
      own: serverSettings,
      peerName: 'node',
      handlers: {
        ...noHandlers,
        onRequest: (stream, head) => {
          const address = { ip: loopback, port: 1 };
          const facts = { peerIdentity: web, localIdentity: web, peerAddress: address, localAddress: address };
          const request = new PendingRequest(connection.session, stream, head, facts);
          onRequest(request);
          return request.events;
        },
      },
    });
    connections.push(connection);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    settings,
    // In megabytes; node refuses its own streams beyond it.
    maxSessionMemory: 200,
  });
  client.on('error', () => {});
  await once(client, 'connect');
  t.teardown(() => {
    client.destroy();
    server.close();
  });
  return { client, connections };
}

/** `once` would fail with the stream's own error. */
function closing(stream: http2.ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => stream.on('close', () => resolve()));
}

function connectRequest(client: ClientHttp2Session, authority: string, headers = {}) {
  const stream = client.request({ ':method': 'CONNECT', ':authority': authority, ...headers });
  stream.on('error', () => {});
  return stream;
}

t.test('our client and node: headers, bytes, half-close and a refusal', async (t) => {
  const { open } = await ourClient(t, (stream, headers) => {
    if (headers[':authority'] === 'no:1') return stream.respond({ ':status': 401 }, { endStream: true });
    stream.respond({ ':status': 200, baggage: headers['baggage'], 'x-all': allBytes() });
    stream.pipe(stream);
    return undefined;
  });
  const outcome = await open('10.0.0.9:80', [['baggage', 'a=b,c=d']]);
  if (outcome.kind !== 'connected') throw outcome.error;
  t.same(
    outcome.responseHeaders.filter(([name]) => name !== 'date'),
    [
      ['baggage', 'a=b,c=d'],
      ['x-all', allBytes()],
    ],
  );
  const sink = record(outcome.stream);
  outcome.stream.write(Buffer.from('hello'));
  outcome.stream.end();
  await sink.closed();
  t.equal(sink.text, 'hello');
  t.equal(sink.closeError, undefined);
  t.match(await open('no:1'), { kind: 'failed', fate: 'answered', error: { code: 'TUNNEL_REFUSED', message: /401/ } });
});

/** Every byte that a value may hold, so that node's Huffman encoder uses every code that it can. */
function allBytes(): string {
  return Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index)).join('');
}

for (const [title, settings] of [
  ['default windows', {}],
  ['large windows', bigWindows],
  ['tiny windows and no header table', { initialWindowSize: 1000, headerTableSize: 0 }],
] as const) {
  t.test(`our client and node with ${title}: 100 streams keep their bytes apart`, async (t) => {
    const { open } = await ourClient(
      t,
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
      },
      { ...settings, maxConcurrentStreams: 1000 },
    );
    const results = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const payload = randomBytes(1 + index * 500);
        const outcome = await open(`10.0.0.9:${index + 1}`);
        if (outcome.kind !== 'connected') throw outcome.error;
        const sink = record(outcome.stream);
        await writeAll(outcome.stream, sink, payload, 7_000);
        outcome.stream.end();
        await sink.closed();
        return sink.hash.digest('hex') === createHash('sha256').update(payload).digest('hex');
      }),
    );
    t.ok(results.every((same) => same));
  });

  t.test(`our server and node with ${title}: 100 streams keep their bytes apart`, async (t) => {
    const { client } = await ourServer(t, echo, settings);
    const results = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const payload = randomBytes(1 + index * 500);
        const stream = connectRequest(client, `10.0.0.9:${index + 1}`);
        const chunks: Buffer[] = [];
        stream.on('data', (chunk) => chunks.push(chunk));
        stream.end(payload);
        await once(stream, 'end');
        return Buffer.concat(chunks).equals(payload);
      }),
    );
    t.ok(results.every((same) => same));
  });
}

t.test('20 MB pass from and to node', async (t) => {
  const payload = randomBytes(20_000_000);
  const { client } = await ourServer(t, echo, bigWindows);
  const stream = connectRequest(client, '10.0.0.9:80');
  const hash = createHash('sha256');
  stream.on('data', (chunk) => hash.update(chunk));
  stream.end(payload);
  await once(stream, 'end');
  t.equal(hash.digest('hex'), createHash('sha256').update(payload).digest('hex'));
});

t.test('a half-close by node leaves our direction open', async (t) => {
  const { client } = await ourServer(t, (request) => {
    const stream = request.accept([]);
    const sink = record(stream);
    sink.ended().then(() => {
      stream.write(Buffer.from(`after the end: ${sink.text}`));
      stream.end();
    });
  });
  const stream = connectRequest(client, '10.0.0.9:80');
  stream.end('all I say');
  const chunks: Buffer[] = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  await once(stream, 'end');
  t.equal(Buffer.concat(chunks).toString(), 'after the end: all I say');
});

t.test('a rejected request is answered with its status alone', async (t) => {
  const { client } = await ourServer(t, (request) => request.reject(503));
  const stream = connectRequest(client, '10.0.0.9:80');
  const [headers] = await once(stream, 'response');
  stream.resume();
  await closing(stream);
  t.equal(headers[':status'], 503);
  t.equal(stream.rstCode, 0);
});

t.test('other methods reach the owner', async (t) => {
  const methods: string[] = [];
  const { client } = await ourServer(t, (request) => {
    methods.push(`${request.method} ${request.authority}`);
    request.reject(400);
  });
  const stream = client.request({ ':path': '/x', ':authority': 'a.example:80' });
  const [headers] = await once(stream, 'response');
  t.equal(headers[':status'], 400);
  t.same(methods, ['GET a.example:80']);
});

for (const [name, code] of [
  ['NO_ERROR', 0],
  ['CANCEL', 8],
] as const) {
  t.test(`a reset by node with ${name} reads as a clean end`, async (t) => {
    const { open } = await ourClient(t, (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('last words', () => stream.close(code));
    });
    const outcome = await open('10.0.0.9:80');
    if (outcome.kind !== 'connected') throw outcome.error;
    const sink = record(outcome.stream);
    await sink.closed();
    t.equal(sink.text, 'last words');
    t.same(sink.events, ['data', 'end', 'close']);
    t.equal(sink.closeError, undefined);
  });
}

t.test('a reset by node with another code is a reset', async (t) => {
  const { open } = await ourClient(t, (stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200 });
    stream.close(http2.constants.NGHTTP2_CONNECT_ERROR);
  });
  const outcome = await open('10.0.0.9:80');
  if (outcome.kind !== 'connected') throw outcome.error;
  const sink = record(outcome.stream);
  await sink.closed();
  t.match(sink.closeError, { code: 'CONNECTION_RESET', message: /CONNECT_ERROR/ });
});

t.test('our reset is seen by node as CONNECT_ERROR', async (t) => {
  const { client } = await ourServer(t, (request) => {
    const stream = request.accept([]);
    record(stream);
    stream.reset();
  });
  const stream = connectRequest(client, '10.0.0.9:80');
  stream.resume();
  await closing(stream);
  t.equal(stream.rstCode, http2.constants.NGHTTP2_CONNECT_ERROR);
});

t.test('a request that node cancels before the answer is reported once', async (t) => {
  let aborted = 0;
  const gone = new Promise<void>((resolve) => {
    ourServer(t, (request) => {
      request.onAbort(() => {
        aborted += 1;
        const stream = request.accept([]);
        record(stream)
          .closed()
          .then(() => resolve());
      });
    }).then(({ client }) => {
      const stream = connectRequest(client, '10.0.0.9:80');
      client.ping(() => stream.close(http2.constants.NGHTTP2_CANCEL));
    });
  });
  await gone;
  t.equal(aborted, 1);
});

t.test('streams that node aborts in mid-transfer leave the tunnel fit for a whole one', async (t) => {
  const { client } = await ourServer(t, (request) => {
    const stream = request.accept([]);
    const sink = record(stream);
    if (request.authority === 'stall:1') stream.pause();
    sink.ended().then(
      () => stream.end(),
      () => {},
    );
  });
  // Eight aborted streams hold twice the connection's window.
  for (let round = 0; round < 8; round++) {
    const stream = connectRequest(client, 'stall:1');
    stream.resume();
    stream.write(Buffer.alloc(4 << 20));
    await once(stream, 'response');
    await new Promise((resolve) => client.ping(resolve));
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await closing(stream);
  }
  const whole = connectRequest(client, 'whole:1');
  whole.resume();
  whole.end(Buffer.alloc(30_000_000));
  await once(whole, 'end');
  t.pass('30 MB went through');
});

t.test('GOAWAY by node lets open streams finish and takes no new ones', async (t) => {
  const streams: ServerHttp2Stream[] = [];
  const { open, connection } = await ourClient(t, (stream) => {
    stream.respond({ ':status': 200 });
    streams.push(stream);
    stream.session?.close();
  });
  const outcome = await open('10.0.0.9:80');
  if (outcome.kind !== 'connected') throw outcome.error;
  const sink = record(outcome.stream);
  while (connection.session.state === 'open') await new Promise((resolve) => setImmediate(resolve));
  t.match(await open('10.0.0.9:80'), { kind: 'failed', fate: 'unprocessed' });
  streams[0]?.end('goodbye');
  outcome.stream.end();
  await sink.closed();
  t.equal(sink.text, 'goodbye');
});

t.test('our drain is an orderly GOAWAY for node', async (t) => {
  const { client, connections } = await ourServer(t, echo);
  const stream = connectRequest(client, '10.0.0.9:80');
  await once(stream, 'response');
  const goAway = once(client, 'goaway');
  connections[0]?.drain();
  const [code] = await goAway;
  t.equal(code, 0);
  stream.end('still served');
  const [chunk] = await once(stream, 'data');
  t.equal(String(chunk), 'still served');
  await once(client, 'close');
});

t.test('a peer that does not answer PING is given up', async (t) => {
  const server = createServer(() => {}).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  await once(socket, 'connect');
  const closed = new Promise<Error>((onClosed) => {
    const handlers = { ...noHandlers, onClosed, onRequest: noRequests };
    const peerName = '10.0.0.9:15008';
    new Http2Connection({ socket, own: clientSettings, peerName, handlers, pingIntervalMs: 5, pingTimeoutMs: 5 });
  });
  t.match(await closed, { code: 'TUNNEL_LOST', message: /10\.0\.0\.9:15008.*PING/ });
  server.close();
});
