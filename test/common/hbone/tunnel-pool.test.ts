import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { ConnectRequest } from '../../../common/hbone/hbone.ts';
import { Http2Connection } from '../../../common/http2/connection-socket.ts';
import { encodeGoAway, encodeHeaders, frameTypes } from '../../../common/http2/frame-codec.ts';
import { SessionStream } from '../../../common/http2/session-stream.ts';
import { serverSettings } from '../../../common/http2/settings.ts';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import type { Identity } from '../../../common/identity/identity.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import type { ByteStream } from '../../../common/net/byte-stream.ts';
import { secureAsServer } from '../../../common/tls/tls-server.ts';
import { emptySettings, type RawPeer, startRawServer } from '../../support/raw-peer.ts';
import { record } from '../../support/recording-sink.ts';
import {
  authority,
  certificateSource,
  certificates,
  echo,
  loopback,
  sleep,
  sockets,
  startPool,
  startServer,
  targetAt,
  web,
} from '../../support/tunnel-ends.ts';

/** Sends without end to `flood:80`, and echoes to others. */
function flood(request: ConnectRequest): void {
  if (request.authority !== 'flood:80') {
    echo(request);
    return;
  }
  const stream = request.accept([]);
  const send = (): void => {
    for (let mebibytes = 0; mebibytes < 8 && stream.write(Buffer.alloc(1 << 20)); mebibytes++);
  };
  stream.open({ onData() {}, onEnd() {}, onWritable: send, onClose() {} });
  send();
}

/** Answers every stream, of which each tunnel takes no more than `maxConcurrentStreams`; how many each carries. */
async function startLimitedServer(t: Test, maxConcurrentStreams: number) {
  const connections: Http2Connection[] = [];
  const certificate = await certificates.get(web);
  const listener = await sockets.listenSockets({ port: 0, host: 'loopback' }, async ({ socket }) => {
    const secured = await secureAsServer({ socket, certificate, timeoutMs: 60_000, peerName: 'the pool' });
    const connection: Http2Connection = new Http2Connection({
      socket: secured.socket,
      own: { ...serverSettings, maxConcurrentStreams },
      peerName: 'the pool',
      handlers: {
        onRequest: (stream) => {
          setImmediate(() => connection.session.respond(stream, [[':status', '200']], 'more'));
          return new SessionStream(connection.session, stream);
        },
        onStreamClosed() {},
        onGoAway() {},
        onClosed() {},
      },
    });
    connections.push(connection);
  });
  t.teardown(() => listener.close());
  return {
    address: listener.address,
    streams: () => connections.map(({ session }) => session.streams.size),
  };
}

/** Waits for what other ends of sockets will have done in some later turn. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

t.test('connections with the same key share a tunnel, others do not', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  const pool = startPool(t);
  await Promise.all(Array.from({ length: 10 }, () => pool.connect(targetAt(address), '10.0.0.9:80', [])));
  await pool.connect(targetAt(address), '10.0.0.9:81', []);
  t.equal(accepted.length, 1);
  await pool.connect(targetAt(address, { nextHopUid: 'cluster//Pod/shop/web-2' }), '10.0.0.9:80', []);
  await pool.connect(targetAt(address, { source: web }), '10.0.0.9:80', []);
  await pool.connect(targetAt(address, { sourceIp: loopback }), '10.0.0.9:80', []);
  t.equal(accepted.length, 4);
});

t.test('the 101st stream gets a second tunnel, and the first takes new ones when streams have ended', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  const pool = startPool(t);
  const connect = () => pool.connect(targetAt(address), '10.0.0.9:80', []);
  const streams = await Promise.all(Array.from({ length: 101 }, connect));
  t.equal(accepted.length, 2);
  const sinks = streams.slice(0, 50).map(({ stream }) => {
    const sink = record(stream);
    stream.end();
    return sink;
  });
  await Promise.all(sinks.map((sink) => sink.closed()));
  await Promise.all(Array.from({ length: 50 }, connect));
  t.equal(accepted.length, 2);
});

t.test('streams of a tunnel are as many as is set', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  const pool = startPool(t, { maxStreamsPerTunnel: 2 });
  await Promise.all(Array.from({ length: 5 }, () => pool.connect(targetAt(address), '10.0.0.9:80', [])));
  t.equal(accepted.length, 3);
});

t.test("a peer's own limit of streams is found out once, and kept to by all who came at first", async (t) => {
  const { address, streams } = await startLimitedServer(t, 10);
  const pool = startPool(t);
  await Promise.all(Array.from({ length: 60 }, () => pool.connect(targetAt(address), '10.0.0.9:80', [])));
  t.same(streams(), [10, 10, 10, 10, 10, 10]);
});

t.test('windows and frame size that are set bound what either end takes without a reader', async (t) => {
  const flow = { streamWindowBytes: 50_000, connectionWindowBytes: 65_535, maxFrameBytes: 16_384 };
  const given: Record<string, number> = {};
  const fill = (name: string, stream: ByteStream): void => {
    given[name] = 0;
    const send = (): void => {
      do given[name] = (given[name] ?? 0) + 10_000;
      while (stream.write(Buffer.alloc(10_000)));
    };
    stream.open({ onData() {}, onEnd() {}, onWritable: send, onClose() {} });
    stream.pause();
    send();
  };
  const { address } = await startServer(t, (request) => fill('server', request.accept([])), { flow });
  const { stream } = await startPool(t, { flow }).connect(targetAt(address), '10.0.0.9:80', []);
  fill('client', stream);
  await new Promise((resolve) => setTimeout(resolve, 100));
  // Its window, and the 256 KiB at which a writer is told to wait.
  for (const [name, bytes] of Object.entries(given)) t.ok(bytes <= 50_000 + 270_000, `${name}: ${bytes}`);
  t.same(Object.keys(given), ['server', 'client']);
});

for (const [status, reason] of [
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [503, 'Service Unavailable'],
] as const) {
  t.test(`an answer of ${status} is an error that names status, target and peer`, async (t) => {
    const { address } = await startServer(t, (request) => request.reject(status));
    await t.rejects(startPool(t).connect(targetAt(address), '10.0.0.9:80', []), {
      code: 'TUNNEL_REFUSED',
      message: new RegExp(`^http status: ${status} ${reason}: 127.0.0.1:${address.port} .* CONNECT 10.0.0.9:80`),
    });
  });
}

t.test('a CONNECT that nobody answers is given up, and the tunnel lives on', async (t) => {
  const { address, accepted } = await startServer(t, (request) => {
    if (request.authority === 'answered:80') echo(request);
  });
  const pool = startPool(t, { answerTimeoutMs: 30 });
  await t.rejects(pool.connect(targetAt(address), 'silent:80', []), {
    code: 'UPSTREAM_CONNECT_TIMEOUT',
    message: /silent:80/,
  });
  t.ok(await pool.connect(targetAt(address), 'answered:80', []));
  t.equal(accepted.length, 1);
});

t.test('an unexpected identity is refused, naming expected and presented', async (t) => {
  const { address } = await startServer(t, echo);
  const pool = startPool(t);
  await t.rejects(pool.connect(targetAt(address, { expected: [sleep] }), '10.0.0.9:80', []), {
    code: 'PEER_IDENTITY_MISMATCH',
    message: new RegExp(`${sleep.uri}\\), got ${web.uri}`),
  });
  await t.rejects(pool.connect(targetAt(address, { expected: [] }), '10.0.0.9:80', []), {
    code: 'PEER_IDENTITY_MISMATCH',
  });
});

t.test('a client of another trust domain is refused by the server and told why it may be', async (t) => {
  const { address, log } = await startServer(t, echo);
  const source = identityOf({ trustDomain: 'away.example', namespace: 'a', serviceAccount: 'b' });
  const away = await createCertificateAuthority({ trustDomain: 'away.example', restored: authority.rootPem });
  const pool = startPool(
    t,
    {},
    certificateSource((identity) => away.issue(identity)),
  );
  await t.rejects(pool.connect(targetAt(address, { source }), '10.0.0.9:80', []), {
    code: 'TLS_FAILED',
    message: /trust domain may differ/,
  });
  await until(() => log.lines.length > 0);
  t.match(log.lines, [{ code: 'PEER_IDENTITY_MISMATCH', msg: 'tunnel refused' }]);
});

t.test('failures to reach the next hop keep their codes', async (t) => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as { port: number };
  closed.close();
  await t.rejects(startPool(t).connect(targetAt({ ip: loopback, port }), '10.0.0.9:80', []), {
    code: 'UPSTREAM_REFUSED',
  });
});

t.test('a next hop that never speaks TLS is given up at the deadline', async (t) => {
  const held: Socket[] = [];
  const server = createServer((socket) => held.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const pool = startPool(t, { handshakeTimeoutMs: 30 });
  await t.rejects(pool.connect(targetAt({ ip: loopback, port }), '10.0.0.9:80', []), {
    code: 'TUNNEL_CONNECT_TIMEOUT',
  });
});

t.test('a failed dial is told to all who waited, and the next connection dials anew', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  let failures = 1;
  const source = certificateSource();
  const flaky = {
    ...source,
    get: (identity: Identity) => (failures-- > 0 ? Promise.reject(new Error('the CA is away')) : source.get(identity)),
  };
  const pool = startPool(t, {}, flaky);
  const results = await Promise.allSettled([1, 2, 3].map(() => pool.connect(targetAt(address), '10.0.0.9:80', [])));
  t.same(
    results.map((result) => result.status),
    ['rejected', 'rejected', 'rejected'],
  );
  t.ok(await pool.connect(targetAt(address), '10.0.0.9:80', []));
  t.equal(accepted.length, 1);
});

t.test('a broken tunnel loses its streams, and is replaced', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  const pool = startPool(t);
  const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
  const sink = record(stream);
  accepted[0]?.socket.destroy();
  await sink.closed();
  t.match(sink.closeError, { code: 'TUNNEL_LOST' });
  t.ok(await pool.connect(targetAt(address), '10.0.0.9:80', []));
  t.equal(accepted.length, 2);
});

t.test('a tunnel that dies while it is asked is replaced, and nobody notices', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  const pool = startPool(t);
  for (let round = 1; round <= 5; round++) {
    const first = await pool.connect(targetAt(address), '10.0.0.9:80', []);
    accepted.at(-1)?.socket.resetAndDestroy();
    // In the same turn: the pool cannot know yet.
    const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
    t.equal(accepted.length, 2 * round);
    stream.write(Buffer.from('alive'));
    const sink = record(stream);
    await sink.until(() => sink.text === 'alive');
    record(first.stream);
    accepted.at(-1)?.socket.resetAndDestroy();
    await sink.closed();
  }
});

t.test('a stream that GOAWAY says was not looked at moves to another tunnel', async (t) => {
  const peers: RawPeer[] = [];
  const address = await startRawServer(t, async (peer) => {
    peers.push(peer);
    await peer.say(emptySettings);
    await peer.heard(frameTypes.HEADERS);
    if (peers.length === 1) await peer.say(encodeGoAway(0, 0, ''));
    else await peer.say(encodeHeaders(1, Buffer.from('88', 'hex'), 'more', 16_384));
  });
  t.ok(await startPool(t).connect(targetAt(address), '10.0.0.9:80', []));
  t.equal(peers.length, 2);
});

t.test(
  'an address that another pod has taken over leads to that pod, and streams of the first stay there',
  async (t) => {
    const named = (name: string) => (request: ConnectRequest) => {
      request.accept([['x-pod', name]]);
    };
    const first = await startServer(t, named('first'));
    const pool = startPool(t);
    const connect = (uid: string) => pool.connect(targetAt(first.address, { nextHopUid: uid }), '10.0.0.9:80', []);
    t.same((await connect('first')).responseHeaders, [['x-pod', 'first']]);
    // The first pod answers nobody new, but what it has goes on: the tunnel to it is still there.
    await first.listener.close();
    await startServer(t, named('second'), {}, first.address.port);
    t.same((await connect('second')).responseHeaders, [['x-pod', 'second']]);
    t.same((await connect('first')).responseHeaders, [['x-pod', 'first']]);
    t.equal(first.accepted.length, 1);
  },
);

t.test('new certificates are for new tunnels, and cut none', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  const issued: string[] = [];
  const source = {
    ...certificateSource(),
    get: async (identity: Identity) => {
      const certificate = await authority.issue(identity);
      issued.push(identity.uri);
      return certificate;
    },
  };
  const pool = startPool(t, {}, source);
  const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
  const sink = record(stream);
  await pool.connect(targetAt(address, { nextHopUid: 'another' }), '10.0.0.9:80', []);
  t.equal(issued.length, 2);
  stream.write(Buffer.from('under the old one'));
  await sink.until(() => sink.text === 'under the old one');
  await pool.connect(targetAt(address), '10.0.0.9:80', []);
  t.equal(accepted.length, 2, 'and the old one still takes streams');
});

t.test('a tunnel whose certificate has ended is replaced, and its streams go on', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  let nowMs = Date.now();
  const pool = startPool(t, { now: () => nowMs });
  const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
  const sink = record(stream);
  nowMs += 25 * 3_600_000;
  await pool.connect(targetAt(address), '10.0.0.9:80', []);
  t.equal(accepted.length, 2);
  stream.write(Buffer.from('still here'));
  stream.end();
  await sink.closed();
  t.equal(sink.text, 'still here');
});

t.test('an idle tunnel is released', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  const pool = startPool(t, { idleTimeoutMs: 5 });
  const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
  const sink = record(stream);
  stream.end();
  await sink.closed();
  const [first] = accepted;
  await until(() => first?.socket.destroyed === true);
  await pool.connect(targetAt(address), '10.0.0.9:80', []);
  t.equal(accepted.length, 2);
});

t.test('beyond the bound of tunnels an idle one is released at once', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  const pool = startPool(t, { maxTunnels: 2 });
  for (const nextHopUid of ['a', 'b', 'c']) {
    const { stream } = await pool.connect(targetAt(address, { nextHopUid }), '10.0.0.9:80', []);
    const sink = record(stream);
    stream.end();
    await sink.closed();
  }
  await until(() => accepted[0]?.socket.destroyed === true);
  t.equal(accepted[1]?.socket.destroyed, false);
});

t.test('a server that drains finishes its streams while new connections move to a new tunnel', async (t) => {
  const requests: ConnectRequest[] = [];
  const first = await startServer(t, (request) => {
    requests.push(request);
    echo(request);
  });
  const pool = startPool(t);
  const { stream } = await pool.connect(targetAt(first.address), '10.0.0.9:80', []);
  const sink = record(stream);
  const drained = first.server.drain(30_000);
  await until(() => first.accepted.length === 1);
  stream.write(Buffer.from('served to the end'));
  stream.end();
  await sink.closed();
  t.equal(sink.text, 'served to the end');
  await drained;
  await t.rejects(pool.connect(targetAt(first.address), '10.0.0.9:80', []), { code: 'TLS_FAILED' });
});

t.test('drain lets busy tunnels finish, closes the idle ones, and takes nothing new', async (t) => {
  const { address } = await startServer(t, echo);
  const pool = startPool(t);
  const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
  const sink = record(stream);
  const drained = pool.drain(30_000);
  await t.rejects(pool.connect(targetAt(address), '10.0.0.9:80', []), { code: 'DRAINED' });
  stream.write(Buffer.from('late'));
  stream.end();
  await sink.closed();
  t.equal(sink.text, 'late');
  await drained;
});

t.test('at the deadline a drain cuts what is left', async (t) => {
  const { address } = await startServer(t, echo);
  const pool = startPool(t);
  const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
  const sink = record(stream);
  await pool.drain(5);
  await sink.closed();
  t.match(sink.closeError, { code: 'DRAINED' });
});

t.test('slow readers stop their own streams only', async (t) => {
  const { address } = await startServer(t, flood);
  const pool = startPool(t);
  const slowSinks = [];
  // Six full windows of 4 MiB are more than the 16 MiB of the connection's.
  for (let index = 0; index < 6; index++) {
    const { stream } = await pool.connect(targetAt(address), 'flood:80', []);
    slowSinks.push(record(stream));
    stream.pause();
  }
  for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve));
  const quick = await pool.connect(targetAt(address), '10.0.0.9:81', []);
  const sink = record(quick.stream);
  const payload = Buffer.alloc(200_000, 7);
  quick.stream.write(payload);
  quick.stream.end();
  await sink.closed();
  t.ok(Buffer.concat(sink.chunks).equals(payload));
  t.same(
    slowSinks.map((slow) => slow.bytes),
    [0, 0, 0, 0, 0, 0],
  );
});

t.test('streams aborted in mid-transfer leave the tunnel fit for a whole one', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  const pool = startPool(t);
  for (let round = 0; round < 10; round++) {
    const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
    const sink = record(stream);
    stream.write(Buffer.alloc(6 << 20));
    await sink.until(() => sink.bytes > 0);
    stream.pause();
    await new Promise((resolve) => setImmediate(resolve));
    stream.reset();
    await sink.closed();
  }
  const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
  const sink = record(stream);
  stream.write(Buffer.alloc(40 << 20));
  stream.end();
  await sink.closed();
  t.equal(sink.bytes, 40 << 20);
  t.equal(accepted.length, 1);
});
