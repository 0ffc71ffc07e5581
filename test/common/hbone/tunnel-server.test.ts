import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import type { ConnectRequest } from '../../../common/hbone/hbone.ts';
import type { WorkloadCertificate } from '../../../common/identity/certificate.ts';
import { readRevocationLists } from '../../../common/identity/crl-codec.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { createPeerRevocations } from '../../../common/tls/peer-revocations-socket.ts';
import { secureAsClient } from '../../../common/tls/tls-client.ts';
import { createCrl } from '../../support/certificate-chains.ts';
import { collectLog } from '../../support/collected-log.ts';
import { record } from '../../support/recording-sink.ts';
import {
  authority,
  certificates,
  echo,
  sleep,
  startPool,
  startServer,
  targetAt,
  web,
} from '../../support/tunnel-ends.ts';

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

t.test('a connection is closed with one log line while the workload has no identity', async (t) => {
  const { address, log } = await startServer(t, echo, { identity: () => undefined });
  const socket = connect(address.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  await new Promise((resolve) => socket.on('close', resolve));
  t.match(log.lines, [{ code: 'IDENTITY_UNAVAILABLE', msg: 'tunnel refused', level: 'error' }]);
});

t.test('a certificate that does not come in time closes the connection', async (t) => {
  const { address, log } = await startServer(t, echo, {
    certificates: { get: () => new Promise<WorkloadCertificate>(() => {}), list: () => [], close() {} },
    settings: { handshakeTimeoutMs: 20 },
  });
  const socket = connect(address.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  await new Promise((resolve) => socket.on('close', resolve));
  t.match(log.lines, [{ code: 'IDENTITY_UNAVAILABLE', error: /is the CA reachable/ }]);
});

t.test('a peer that speaks no HTTP/2 inside its TLS is told of once', async (t) => {
  const { address, log } = await startServer(t, echo);
  const transport = connect(address.port, '127.0.0.1');
  const certificate = await certificates.get(sleep);
  const { socket } = await secureAsClient({
    socket: transport,
    certificate,
    expected: [web],
    timeoutMs: 10_000,
    peerName: 'the server',
  });
  socket.on('error', () => {});
  socket.resume();
  socket.write('GET / HTTP/1.1\r\nhost: nobody\r\n\r\n');
  await new Promise((resolve) => socket.on('close', resolve));
  const told = (): object[] => log.lines.filter(({ msg }) => msg === 'tunnel refused');
  await until(() => told().length > 0);
  t.match(told(), [{ code: 'TUNNEL_PROTOCOL', error: /broke HTTP\/2/ }]);
});

t.test('what is not TLS, or goes before the handshake is over, is one log line and nothing else', async (t) => {
  const { address, log } = await startServer(t, echo);
  const plain = connect(address.port, '127.0.0.1');
  plain.on('error', () => {});
  plain.end('GET / HTTP/1.1\r\n\r\n');
  await until(() => log.lines.length === 1);
  const gone = connect(address.port, '127.0.0.1');
  await once(gone, 'connect');
  gone.resetAndDestroy();
  await until(() => log.lines.length === 2);
  t.match(log.lines, [{ code: 'TLS_FAILED' }, { code: 'TLS_FAILED' }]);
  t.ok(await startPool(t).connect(targetAt(address), '10.0.0.9:80', []));
});

t.test('a new certificate applies to the next handshake', async (t) => {
  let issued = 0;
  const rotating = {
    get: () => {
      issued += 1;
      return authority.issue(web);
    },
    list: () => [],
    close() {},
  };
  const { address } = await startServer(t, echo, { certificates: rotating });
  const pool = startPool(t);
  await pool.connect(targetAt(address), '10.0.0.9:80', []);
  await pool.connect(targetAt(address), '10.0.0.9:80', []);
  await pool.connect(targetAt(address, { nextHopUid: 'other' }), '10.0.0.9:80', []);
  t.equal(issued, 2);
});

t.test('a decision that throws is answered with 503 and logged', async (t) => {
  const { address, log } = await startServer(t, () => {
    throw new Error('a mistake');
  });
  await t.rejects(startPool(t).connect(targetAt(address), '10.0.0.9:80', []), {
    code: 'TUNNEL_REFUSED',
    message: /503/,
  });
  t.match(log.lines, [{ msg: 'request failed', err: { message: 'a mistake' } }]);
});

t.test('who asks is told once when the peer goes before the answer', async (t) => {
  const requests: ConnectRequest[] = [];
  const { address } = await startServer(t, (request) => requests.push(request));
  const pool = startPool(t);
  const connecting = pool.connect(targetAt(address), '10.0.0.9:80', []);
  connecting.catch(() => {});
  await until(() => requests.length === 1);
  const [request] = requests;
  if (!request) throw new Error('no request');
  let aborted = 0;
  let tunnelLoss: unknown;
  request.onAbort((reason) => {
    aborted++;
    tunnelLoss = reason;
  });
  pool.close();
  await until(() => aborted > 0);
  request.reject(503);
  const sink = record(request.accept([]));
  await sink.closed();
  t.match(sink.closeError, { code: 'TUNNEL_LOST' });
  t.equal(aborted, 1);
  t.match(tunnelLoss, { code: 'TUNNEL_LOST' });
  await t.rejects(connecting);
});

t.test('who asks is told that the peer is revoked when that is why its tunnel has gone', async (t) => {
  const metrics = createMetricsRegistry();
  const revocations = createPeerRevocations({ recorder: metrics.recorder, log: collectLog().log });
  const requests: ConnectRequest[] = [];
  const { address } = await startServer(t, (request) => requests.push(request), { revocations });
  const connecting = startPool(t).connect(targetAt(address), '10.0.0.9:80', []);
  connecting.catch(() => {});
  await until(() => requests.length === 1);
  const reason = new Promise((resolve) => requests[0]?.onAbort(resolve));
  const { chainPem } = await certificates.get(sleep);
  revocations.use(readRevocationLists(await createCrl({ issuer: authority.rootPem, revoked: [chainPem] })));
  t.match(await reason, { code: 'CERTIFICATE_REVOKED' });
  await t.rejects(connecting);
});

t.test('bytes that come before the answer are kept for it', async (t) => {
  let request: ConnectRequest | undefined;
  const { address } = await startServer(t, (asked) => {
    request = asked;
  });
  const pool = startPool(t);
  const connecting = pool.connect(targetAt(address), '10.0.0.9:80', []);
  await until(() => request !== undefined);
  const stream = request?.accept([]);
  if (!stream) throw new Error('no stream');
  const connected = await connecting;
  connected.stream.write(Buffer.from('early'));
  connected.stream.end();
  await until(() => true);
  const sink = record(stream);
  await sink.ended();
  t.equal(sink.text, 'early');
});

t.test('close ends every tunnel, and nothing is served afterwards', async (t) => {
  const { address, server, log } = await startServer(t, echo);
  const pool = startPool(t);
  const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
  const sink = record(stream);
  server.close();
  await sink.closed();
  t.match(sink.closeError, { code: 'TUNNEL_LOST' });
  await t.rejects(pool.connect(targetAt(address), '10.0.0.9:80', []));
  t.match(log.lines.at(-1), { code: 'DRAINED' });
});

t.test('a drain ends at its deadline though streams are left', async (t) => {
  const { address, server } = await startServer(t, echo);
  const { stream } = await startPool(t).connect(targetAt(address), '10.0.0.9:80', []);
  const sink = record(stream);
  await server.drain(5);
  await sink.closed();
  t.match(sink.closeError, { code: 'TUNNEL_LOST' });
});

t.test('a drain without tunnels is over at once', async (t) => {
  const { server } = await startServer(t, echo);
  const late = new Promise((resolve) => setTimeout(resolve, 10_000, 'late').unref());
  t.equal(await Promise.race([server.drain(30_000).then(() => 'over'), late]), 'over');
});
