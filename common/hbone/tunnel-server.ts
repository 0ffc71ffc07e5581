// The receiving end of tunnels (ztunnel.md §3, §4.6 step 1): mutual TLS on accepted sockets, then CONNECT requests.
// In: accepted sockets. Out: one `onRequest` for each stream that a verified peer opens.
import { asError, codeOf, MeshError, onTheWire } from '../errors.ts';
import { Http2Connection } from '../http2/connection-socket.ts';
import { type FlowSettings, serverSettings } from '../http2/settings.ts';
import type { CertificateSource, WorkloadCertificate } from '../identity/certificate.ts';
import { certificateInTime } from '../identity/certificate-in-time.ts';
import type { Identity } from '../identity/identity.ts';
import { createLastOut } from '../last-out.ts';
import type { Logger } from '../log.ts';
import { formatSocketAddress } from '../net/address.ts';
import type { AcceptedSocket } from '../net/socket-factory.ts';
import { handshakePace } from '../tls/handshake-pace.ts';
import type { PeerRevocations } from '../tls/peer-revocations-socket.ts';
import type { SecuredSocket } from '../tls/tls-client.ts';
import { secureAsServer } from '../tls/tls-server.ts';
import { PendingRequest } from './connect-request.ts';
import type { ConnectRequest } from './hbone.ts';
import { defaultTunnelTimes, type TunnelTimes } from './tunnel-client.ts';

export interface TunnelServerOptions {
  readonly certificates: CertificateSource;
  /** Peers are held to them, where there are any. */
  readonly revocations?: PeerRevocations | undefined;
  /** Whose certificate answers, asked for each connection; undefined while the workload is not known. */
  readonly identity: () => Identity | undefined;
  readonly onRequest: (request: ConnectRequest) => void;
  /** Told once of each socket that came to nothing: no TLS, no HTTP/2, no certificate to answer with, shutdown. Default: a line in the log. */
  readonly onRefused?: (accepted: Pick<AcceptedSocket, 'peer' | 'local'>, error: Error) => void;
  readonly log: Logger;
  readonly settings?: Partial<Omit<TunnelTimes, 'connectTimeoutMs'>>;
  /** Default: `defaultFlow`. */
  readonly flow?: FlowSettings;
}

export interface TunnelServer {
  /** Takes over the socket; what goes wrong with it is logged. */
  serve(accepted: AcceptedSocket): void;
  /** Refuses new connections and streams, lets the open streams finish until the deadline (milliseconds from now). */
  drain(deadlineMs: number): Promise<void>;
  /** Ends every tunnel now. */
  close(): void;
}

export function createTunnelServer(options: TunnelServerOptions): TunnelServer {
  return new AcceptingServer(options);
}

class AcceptingServer implements TunnelServer {
  private readonly options: TunnelServerOptions;
  private readonly times: TunnelTimes;
  private readonly connections = new Set<Http2Connection>();
  private state: 'open' | 'draining' = 'open';
  private readonly lastOut = createLastOut(() => this.connections.size === 0);

  constructor(options: TunnelServerOptions) {
    this.options = options;
    this.times = { ...defaultTunnelTimes, ...options.settings };
  }

  serve(accepted: AcceptedSocket): void {
    // Until TLS has taken over, an error without a listener would end the process.
    accepted.socket.on('error', () => {});
    this.secure(accepted).then(
      ({ secured, certificate }) => this.carry(accepted, secured, certificate),
      (error: unknown) => this.refuse(accepted, error),
    );
  }

  async drain(deadlineMs: number): Promise<void> {
    this.state = 'draining';
    for (const connection of this.connections) connection.drain();
    if (!(await this.lastOut.wait(deadlineMs))) this.close();
  }

  close(): void {
    this.state = 'draining';
    const reason = new MeshError('DRAINED', 'this proxy has ended its tunnels');
    for (const connection of [...this.connections]) connection.destroy(reason);
  }

  private async secure(accepted: AcceptedSocket) {
    const identity = this.options.identity();
    const peerName = formatSocketAddress(accepted.peer);
    if (this.state !== 'open') throw new MeshError('DRAINED', `a tunnel from ${peerName} came during shutdown`);
    if (!identity) {
      const local = formatSocketAddress(accepted.local);
      throw new MeshError(
        'IDENTITY_UNAVAILABLE',
        `no identity is known for ${local}, so ${peerName} cannot be answered`,
      );
    }
    const timeoutMs = this.times.handshakeTimeoutMs;
    const certificate = await certificateInTime(this.options.certificates, identity, timeoutMs);
    await handshakePace.begin();
    if (accepted.socket.destroyed)
      throw new MeshError('CONNECTION_RESET', `${peerName} gave up before its TLS handshake`);
    const { socket } = accepted;
    const { revocations } = this.options;
    const secured = await secureAsServer({ socket, certificate, timeoutMs, peerName, revocations });
    return { secured, certificate };
  }

  /** An error in the decision is ours: it ends this request, not the process. */
  private decide(request: ConnectRequest): void {
    try {
      this.options.onRequest(request);
    } catch (error) {
      this.options.log.error({ err: error, authority: request.authority }, 'request failed');
      request.reject(503);
    }
  }

  private refuse(accepted: AcceptedSocket, cause: unknown): void {
    accepted.socket.destroy();
    const error = asError(cause);
    const { onRefused, log } = this.options;
    if (onRefused === undefined) {
      const code = codeOf(error);
      const facts = { 'src.addr': formatSocketAddress(accepted.peer), code, error: error.message };
      log[onTheWire[code].level](facts, 'tunnel refused');
    } else onRefused(accepted, error);
  }

  private carry(accepted: AcceptedSocket, secured: SecuredSocket, certificate: WorkloadCertificate): void {
    const { peer: peerAddress, local: localAddress } = accepted;
    const facts = { peerIdentity: secured.peer, localIdentity: certificate.identity, peerAddress, localAddress };
    let requests: 'none' | 'some' = 'none';
    const connection = new Http2Connection({
      socket: secured.socket,
      own: { ...serverSettings, ...this.options.flow },
      peerName: formatSocketAddress(peerAddress),
      pingIntervalMs: this.times.pingIntervalMs,
      pingTimeoutMs: this.times.pingTimeoutMs,
      handlers: {
        onRequest: (stream, head) => {
          const request = new PendingRequest(connection.session, stream, head, facts);
          requests = 'some';
          this.decide(request);
          return request.events;
        },
        onStreamClosed() {},
        onGoAway() {},
        onClosed: (reason) => {
          this.connections.delete(connection);
          this.options.log.debug(
            { 'src.addr': formatSocketAddress(peerAddress), reason: reason.message },
            'tunnel closed',
          );
          if (requests === 'none' && reason.code === 'TUNNEL_PROTOCOL') this.refuse(accepted, reason);
          this.lastOut.left();
        },
      },
    });
    this.connections.add(connection);
    if (this.state !== 'open') connection.drain();
  }
}
