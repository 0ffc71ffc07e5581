// A TLS connection to a gRPC server, on node:http2: kept alive by pings while there are calls on it. In: where to and how to be
// believed. Out: the connection, on which streams begin. Source: ztunnel.md §6.1.
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import { MeshError } from '../errors.ts';
import { parseIp } from '../net/address.ts';
import { acceptedServer } from '../tls/accepted-server.ts';

export interface GrpcServer {
  /** `https://host:port`. */
  readonly address: string;
  /** A second name under which the server's certificate is accepted. */
  readonly alternativeHostname?: string | undefined;
  /** PEM; "" for the roots of the machine. */
  readonly rootPem: string;
  readonly connectTimeoutMs: number;
}

export interface GrpcConnection {
  /** Whether a stream can begin on it: not once it is broken, closed, or told to go away. */
  isOpen(): boolean;
  /** @throws what node:http2 holds against the headers, or when it is not open */
  begin(headers: OutgoingHttpHeaders): ClientHttp2Stream;
  /** What broke it; undefined while it stands, and when it was closed in order. */
  failure(): Error | undefined;
  onClose(heard: () => void): void;
  /** Ends it, and what is on it. */
  close(): void;
}

/** A hundred thousand workloads come at once: not by round trips of 64 KiB. */
const windowBytes = 4 * 1_048_576;
const connectionWindowBytes = 2 * windowBytes;
const pingEveryMs = 30_000;
const pingTimeoutMs = 10_000;

/** Resolves when the connection stands. @throws what kept it from standing */
export async function openGrpcConnection(server: GrpcServer, signal: AbortSignal): Promise<GrpcConnection> {
  const session = await openSession(server, signal);
  session.setLocalWindowSize(connectionWindowBytes);
  let streams = 0;
  let failure: Error | undefined;
  session.on('error', (error) => {
    failure ??= error;
  });
  const stopPings = keepAlive(session, () => streams > 0);
  session.once('close', stopPings);
  return {
    isOpen: () => !session.closed && !session.destroyed,
    begin(headers) {
      const stream = session.request(headers);
      streams += 1;
      stream.once('close', () => {
        streams -= 1;
      });
      return stream;
    },
    failure: () => failure,
    onClose: (heard) => void session.once('close', heard),
    close: () => session.destroy(),
  };
}

async function openSession(server: GrpcServer, signal: AbortSignal): Promise<ClientHttp2Session> {
  const session = dial(server);
  const timeout = AbortSignal.timeout(server.connectTimeoutMs);
  try {
    await once(session, 'connect', { signal: AbortSignal.any([signal, timeout]) });
    return session;
  } catch (error) {
    session.destroy();
    if (!timeout.aborted) throw error;
    throw new MeshError('UPSTREAM_CONNECT_TIMEOUT', `no connection within ${server.connectTimeoutMs} ms`);
  }
}

function dial({ address, alternativeHostname, rootPem }: GrpcServer): ClientHttp2Session {
  const { host, checkServerIdentity } = acceptedServer(address, alternativeHostname);
  const session = connect(address, {
    ...(rootPem !== '' && { ca: rootPem }),
    // An address is no server name (RFC 6066 §3); which names are accepted is checked below.
    servername: parseIp(host) === undefined ? host : (alternativeHostname ?? ''),
    checkServerIdentity,
    settings: { initialWindowSize: windowBytes, enablePush: false },
  });
  // What is wrong with it is told by whoever waits for it; a late error must not end the process.
  session.on('error', () => {});
  return session;
}

/** @param isUsed servers take pings on a connection without calls for abuse. @returns how to stop it */
function keepAlive(session: ClientHttp2Session, isUsed: () => boolean): () => void {
  let deadline: NodeJS.Timeout | undefined;
  const interval = setInterval(() => {
    if (session.destroyed || !isUsed()) return;
    deadline = setTimeout(() => session.destroy(new Error('keepalive: no answer to a ping')), pingTimeoutMs);
    session.ping(() => clearTimeout(deadline));
  }, pingEveryMs);
  return () => {
    clearInterval(interval);
    clearTimeout(deadline);
  };
}
