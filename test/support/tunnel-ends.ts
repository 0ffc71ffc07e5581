// Two ends of a mesh on loopback for tests: a CA, identities, a tunnel server with an echo of streams, a tunnel pool.
import type { Test } from 'tap';
import type { ConnectRequest, TunnelDialer, TunnelTarget } from '../../common/hbone/hbone.ts';
import { createTunnelPool, type TunnelPoolSettings } from '../../common/hbone/tunnel-pool.ts';
import { createTunnelServer, type TunnelServer } from '../../common/hbone/tunnel-server.ts';
import type { CertificateSource, WorkloadCertificate } from '../../common/identity/certificate.ts';
import { createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import { type Identity, identityOf } from '../../common/identity/identity.ts';
import { parseIp, type SocketAddress } from '../../common/net/address.ts';
import { createPlainSocketFactory } from '../../common/net/plain-socket-factory-socket.ts';
import type { AcceptedSocket, Listener } from '../../common/net/socket-factory.ts';
import { collectLog } from './collected-log.ts';

export const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
export const sleep = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'sleep' });
export const web = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' });

/** Issues once for each identity. */
export function certificateSource(issue = (identity: Identity) => authority.issue(identity)): CertificateSource {
  const certificates = new Map<string, Promise<WorkloadCertificate>>();
  return {
    get(identity) {
      const known = certificates.get(identity.uri) ?? issue(identity);
      certificates.set(identity.uri, known);
      return known;
    },
    list: () => [],
    close: () => certificates.clear(),
  };
}

export const certificates = certificateSource();
export const sockets = createPlainSocketFactory();
export const loopback = ipOf('127.0.0.1');

function ipOf(text: string): SocketAddress['ip'] {
  const ip = parseIp(text);
  if (!ip) throw new Error(`${text} is no address`);
  return ip;
}

export interface ServerEnd {
  readonly server: TunnelServer;
  readonly listener: Listener;
  readonly address: SocketAddress;
  /** Sockets accepted so far. */
  readonly accepted: AcceptedSocket[];
  readonly log: ReturnType<typeof collectLog>;
}

export async function startServer(
  t: Test,
  onRequest: (request: ConnectRequest) => void,
  options: Partial<Parameters<typeof createTunnelServer>[0]> = {},
  port = 0,
): Promise<ServerEnd> {
  const log = collectLog();
  const server = createTunnelServer({ certificates, identity: () => web, onRequest, log: log.log, ...options });
  const accepted: AcceptedSocket[] = [];
  const listener = await sockets.listenSockets({ port, host: 'loopback' }, (socket) => {
    accepted.push(socket);
    server.serve(socket);
  });
  t.teardown(async () => {
    server.close();
    await listener.close();
  });
  return { server, listener, address: listener.address, accepted, log };
}

export function startPool(t: Test, settings: Partial<TunnelPoolSettings> = {}, source = certificates): TunnelDialer {
  const pool = createTunnelPool({ sockets, certificates: source, log: collectLog().log, settings });
  t.teardown(() => pool.close());
  return pool;
}

export function targetAt(nextHop: SocketAddress, change: Partial<TunnelTarget> = {}): TunnelTarget {
  return {
    nextHop,
    source: sleep,
    expected: [web],
    sourceIp: undefined,
    nextHopUid: 'cluster//Pod/shop/web-1',
    ...change,
  };
}

/** Answers every CONNECT with what it sends, and ends when it ends. */
export function echo(request: ConnectRequest): void {
  const stream = request.accept([]);
  stream.open({
    onData(chunk) {
      if (!stream.write(Buffer.from(chunk))) stream.pause();
    },
    onEnd: () => stream.end(),
    onWritable: () => stream.resume(),
    onClose() {},
  });
}
