// Calls that share one connection, against bare HTTP/2 servers: when it is made, made anew and closed, and how a call ends.
import { once } from 'node:events';
import { constants, createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import {
  type ChannelCall,
  createGrpcChannel,
  type GrpcChannelOptions,
} from '../../../common/grpc/grpc-channel-client.ts';
import { frameMessage } from '../../../common/grpc/grpc-frames.ts';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';

const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
const served = await authority.issueServerCertificate(['127.0.0.1', 'ca.example']);
const rootPem = authority.rootsPem;
const plain = { path: '/test/Call', headers: { 'x-told': 'yes' }, maxMessageBytes: 10_000, timeoutMs: 10_000 };
const ok = { ':status': 200, 'content-type': 'application/grpc' };

t.test('calls one after the other and at once share one connection', async (t) => {
  const server = await serve(t, echo);
  const channel = open(t, server);
  t.equal(await say(channel, 'first'), 'first');
  const texts = Array.from({ length: 40 }, (_, index) => `call ${index}`);
  t.same(await Promise.all(texts.map((text) => say(channel, text))), texts);
  t.equal(server.connections(), 1);
});

t.test('calls that come before it stands wait for the same one', async (t) => {
  const server = await serve(t, echo);
  const channel = open(t, server);
  t.same(await Promise.all(['a', 'b', 'c'].map((text) => say(channel, text))), ['a', 'b', 'c']);
  t.equal(server.connections(), 1);
});

t.test('a call says where it goes, for how long it is good, and what it was given', async (t) => {
  const heard: unknown[] = [];
  const server = await serve(t, (stream, headers) => {
    heard.push(headers);
    echo(stream);
  });
  await say(open(t, { ...server, alternativeHostname: 'ca.example' }), 'hello');
  t.match(heard, [
    {
      ':authority': new URL(server.address).host,
      ':method': 'POST',
      ':path': '/test/Call',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': '10000m',
      'x-told': 'yes',
    },
  ]);
});

t.test('it is closed after some time without calls, and made anew for the next', async (t) => {
  const server = await serve(t, echo);
  const channel = open(t, { ...server, idleMs: 20 });
  await say(channel, 'one');
  await server.emptied();
  t.equal(await say(channel, 'two'), 'two');
  t.equal(server.connections(), 2);
  const steady = open(t, { ...server, idleMs: 10_000 });
  await say(steady, 'one');
  await say(steady, 'two');
  t.equal(server.connections(), 3, 'not between two calls');
});

t.test('other roots are another connection; what is under way ends on the one it has', async (t) => {
  const held: ServerHttp2Stream[] = [];
  const server = await serve(t, (stream) => {
    if (held.push(stream) > 1) echo(stream);
  });
  const channel = open(t, server);
  const first = say(channel, 'first');
  while (held.length === 0) await once(server.http2, 'stream');
  const { rootsPem } = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  await t.rejects(say(channel, 'wrong', { rootPem: rootsPem }), {
    code: 14,
    details: /no connection: .*of another root/,
  });
  t.equal(await say(channel, 'second', { rootPem: `${rootPem}\n${rootsPem}` }), 'second');
  t.equal(server.connections(), 3);
  const [stream] = held;
  if (stream !== undefined) echo(stream);
  t.equal(await first, 'first');
});

t.test('a status that the server tells is told, and its connection kept', async (t) => {
  const server = await serve(t, (stream) => {
    stream.respond({ ...ok, 'grpc-status': '16', 'grpc-message': 'no%20token' }, { endStream: true });
  });
  const channel = open(t, server);
  await t.rejects(say(channel, 'a'), { name: 'GrpcFailure', code: 16, details: 'no token' });
  await t.rejects(say(channel, 'b'), { code: 16 });
  t.equal(server.connections(), 1);
});

t.test('who answers, and is no gRPC server, is told by its HTTP status', async (t) => {
  for (const [http, code] of [
    [503, 14],
    [404, 12],
    [401, 16],
    [418, 2],
  ] as const) {
    const server = await serve(t, (stream) => stream.respond({ ':status': http }, { endStream: true }));
    await t.rejects(say(open(t, server), 'a'), { code, details: `it answered with HTTP status ${http}` });
  }
});

t.test('an answer is refused that is', async (t) => {
  const answers = [
    [[], 'none', { code: 13, details: /no message/ }],
    [['a', 'b'], 'two', { code: 13, details: /more than one/ }],
    [['x'.repeat(10_001)], 'too large', { code: 'RESOURCE_INVALID', message: /10001 bytes .* bound of 10000/ }],
  ] as const;
  for (const [messages, what, error] of answers) {
    const server = await serve(t, (stream) => answer(stream, messages));
    await t.rejects(say(open(t, server), 'a'), error, what);
  }
});

t.test('a connection that breaks ends its calls, and the next call has a new one', async (t) => {
  let calls = 0;
  const server = await serve(t, (stream) => {
    calls += 1;
    if (calls > 2) echo(stream);
    else if (calls === 2) server.cut();
  });
  const channel = open(t, server);
  const both = [say(channel, 'a'), say(channel, 'b')];
  for (const call of both) await t.rejects(call, { code: 14, details: /connection dropped/ });
  t.equal(await say(channel, 'c'), 'c');
  t.equal(server.connections(), 2);
});

t.test('a connection that breaks without calls costs the next one nothing', async (t) => {
  const server = await serve(t, echo);
  const channel = open(t, server);
  await say(channel, 'a');
  server.cut();
  await server.emptied();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(await say(channel, 'b'), 'b');
});

t.test('a server that goes away in order costs no call', async (t) => {
  let calls = 0;
  const server = await serve(t, (stream) => {
    calls += 1;
    if (calls === 2) {
      // It has seen the first stream only: the second is for another connection.
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR, 1);
      return;
    }
    echo(stream);
  });
  const channel = open(t, server);
  t.equal(await say(channel, 'a'), 'a');
  t.equal(await say(channel, 'b'), 'b');
  t.equal(server.connections(), 2);
});

t.test('a stream that is refused is tried once more, and no more than once', async (t) => {
  let calls = 0;
  const server = await serve(t, (stream) => {
    calls += 1;
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
  });
  await t.rejects(say(open(t, server), 'a'), { code: 14, details: /refused the stream/ });
  t.equal(calls, 2);
});

t.test(
  'a call without an answer ends at its deadline, is cancelled there, and the next has a new connection',
  async (t) => {
    const resets: number[] = [];
    let calls = 0;
    const server = await serve(t, (stream) => {
      calls += 1;
      if (calls > 1) return echo(stream);
      stream.on('close', () => resets.push(stream.rstCode ?? -1));
    });
    const channel = open(t, server);
    const late = { code: 4, details: 'no answer within 50 ms' };
    await t.rejects(say(channel, 'a', { timeoutMs: 50 }), late);
    t.equal(await say(channel, 'b'), 'b');
    t.equal(server.connections(), 2);
    t.same(resets, [constants.NGHTTP2_CANCEL]);
  },
);

t.test('who does not accept connections', async (t) => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const address = `https://127.0.0.1:${port}`;
  const refused = { code: 14, details: /no connection: connect ECONNREFUSED 127/ };
  await t.rejects(say(open(t, { address }), 'a'), refused, 'is told at once');
  const byName = open(t, { address: `https://localhost:${port}` });
  await t.rejects(say(byName, 'a'), { code: 14, details: /no connection: connect ECONNREFUSED/ }, 'by name too');
});

t.test('who does not finish a handshake', async (t) => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const address = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const patient = say(open(t, { address, connectTimeoutMs: 50 }), 'a');
  await t.rejects(patient, { code: 14, details: 'no connection: no connection within 50 ms' }, 'is given up');
  const channel = open(t, { address });
  await t.rejects(say(channel, 'a', { timeoutMs: 50 }), { code: 4 }, 'or the call before, at its deadline');
  t.equal(sockets.size, 2);
});

t.test('a certificate for another name is refused, unless the alternative name is in it', async (t) => {
  const stranger = await authority.issueServerCertificate(['ca.example']);
  const server = await serve(t, echo, stranger);
  await t.rejects(say(open(t, server), 'a'), { code: 14, details: /no connection: .*127\.0\.0\.1/ });
  t.equal(await say(open(t, { ...server, alternativeHostname: 'ca.example' }), 'a'), 'a');
});

t.test('to close it ends what waits, on the connection and for it, and refuses what comes', async (t) => {
  const server = await serve(t, () => {});
  const channel = createGrpcChannel(server);
  const waiting = say(channel, 'a');
  await once(server.http2, 'stream');
  channel.close();
  await t.rejects(waiting, { code: 14, details: 'the client is closed' });
  await server.emptied();
  await t.rejects(say(channel, 'b'), { code: 14, details: 'the client is closed' });
  const dialling = createGrpcChannel(server);
  const early = say(dialling, 'a');
  dialling.close();
  await t.rejects(early, { code: 14, details: 'the client is closed' });
  channel.close();
});

t.test('a header that HTTP/2 forbids ends its call alone', async (t) => {
  const channel = open(t, await serve(t, echo));
  await t.rejects(say(channel, 'a', { headers: { connection: 'close' } }), { message: /connection/i });
  t.equal(await say(channel, 'b'), 'b');
});

type Answer = (stream: ServerHttp2Stream, headers: unknown) => void;

async function serve(t: Test, respond: Answer, { chainPem, keyPem } = served) {
  const http2: Http2SecureServer = createSecureServer({ cert: chainPem, key: keyPem });
  http2.on('sessionError', () => {});
  http2.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    respond(stream, headers);
  });
  const sessions = new Set<{ destroy(): void }>();
  let connections = 0;
  http2.on('secureConnection', () => {
    connections += 1;
  });
  http2.on('tlsClientError', () => {
    connections += 1;
  });
  let emptied = Promise.withResolvers<void>();
  http2.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => {
      sessions.delete(session);
      if (sessions.size > 0) return;
      emptied.resolve();
      emptied = Promise.withResolvers();
    });
  });
  http2.listen(0, '127.0.0.1');
  await once(http2, 'listening');
  const cut = () => {
    for (const session of sessions) session.destroy();
  };
  t.teardown(() => {
    cut();
    http2.close();
  });
  const { port } = http2.address() as AddressInfo;
  return {
    address: `https://127.0.0.1:${port}`,
    http2,
    cut,
    connections: () => connections,
    /** Its last connection is gone. */
    emptied: async () => (sessions.size === 0 ? undefined : await emptied.promise),
  };
}

function open(t: Test, { address, alternativeHostname, connectTimeoutMs, idleMs }: GrpcChannelOptions) {
  const channel = createGrpcChannel({
    address,
    alternativeHostname,
    ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
    ...(idleMs !== undefined && { idleMs }),
  });
  t.teardown(() => channel.close());
  return channel;
}

async function say(
  channel: ReturnType<typeof createGrpcChannel>,
  text: string,
  changes: Partial<ChannelCall> = {},
): Promise<string> {
  return (await channel.call({ ...plain, rootPem, message: Buffer.from(text), ...changes })).toString();
}

function echo(stream: ServerHttp2Stream): void {
  const heard: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => heard.push(chunk));
  stream.on('end', () => answer(stream, [Buffer.concat(heard).subarray(5).toString()]));
}

function answer(stream: ServerHttp2Stream, messages: readonly string[]): void {
  stream.respond(ok, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  for (const message of messages) stream.write(frameMessage(Buffer.from(message)));
  stream.end();
}
