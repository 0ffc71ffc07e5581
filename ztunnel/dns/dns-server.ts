// The DNS proxy's sockets in a pod: UDP and TCP on loopback, where the redirect rules send every query. Bounded: datagrams that
// wait for name servers, and connections. Source: ztunnel.md §1, §9.
import type { Socket } from 'node:dgram';
import { MeshError } from '../../common/errors.ts';
import { parseIp, type SocketAddress } from '../../common/net/address.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import type { Listener, SocketFactory } from '../../common/net/socket-factory.ts';
import { errnoOf } from '../../common/net/socket-failure.ts';
import { DnsConnection } from './dns-connection.ts';
import type { DnsTransport } from './dns-metrics.ts';

export type ListenAddress =
  /** 127.0.0.1, and ::1 where there is IPv6. */
  { readonly kind: 'loopback'; readonly port: number } | { readonly kind: 'address'; readonly address: SocketAddress };

export interface DnsServer extends Pick<Listener, 'close'> {
  /** The first of them, for both UDP and TCP. */
  readonly address: SocketAddress;
}

export interface DnsServerOptions {
  readonly sockets: SocketFactory;
  readonly listen: ListenAddress;
  readonly ipv6: 'on' | 'off';
  /** Never rejects. */
  readonly answer: (message: Buffer, transport: DnsTransport) => Promise<Buffer | undefined>;
}

/** At one time, of all clients of a pod. */
const maxDatagrams = 512;
const maxConnections = 256;

/** All sockets are bound when it resolves. @throws MeshError as `SocketFactory.listenStreams` */
export async function listenDns(options: DnsServerOptions): Promise<DnsServer> {
  const { sockets, listen, ipv6, answer } = options;
  const closes: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(closes.splice(0).map((each) => each()));
  };
  const open = new Set<DnsConnection>();
  closes.push(async () => {
    for (const connection of open) connection.reset();
  });
  const serve = (stream: ByteStream): void => {
    const onClose = (): void => void open.delete(connection);
    const connection = new DnsConnection(stream, { answer: (message) => answer(message, 'tcp'), onClose });
    open.add(connection);
    connection.open();
    if (open.size > maxConnections) connection.reset();
  };
  const bind = async (wanted: SocketAddress): Promise<SocketAddress> => {
    const { ip } = wanted;
    const listener = await sockets.listenStreams({ port: wanted.port, host: ip }, ({ stream }) => serve(stream));
    closes.push(() => listener.close());
    const { port } = listener.address;
    const socket = await sockets.bindDatagrams({ ip, port });
    closes.push(() => new Promise((resolve) => void socket.close(resolve)));
    answerDatagrams(socket, answer);
    return { ip, port };
  };
  try {
    const [first, second] = addressesOf(listen);
    const address = await bind(first);
    if (second !== undefined && ipv6 === 'on') await bind(second).catch(unlessAbsent);
    return { address, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function addressesOf(listen: ListenAddress): readonly [SocketAddress, SocketAddress?] {
  if (listen.kind === 'address') return [listen.address];
  const { port } = listen;
  return [
    { ip: loopback('127.0.0.1'), port },
    { ip: loopback('::1'), port },
  ];
}

function loopback(text: string): SocketAddress['ip'] {
  const ip = parseIp(text);
  if (ip === undefined) throw new TypeError(`${text} is no address`);
  return ip;
}

/** A pod may have no IPv6, not even on loopback. */
function unlessAbsent(error: unknown): void {
  const errno = error instanceof MeshError ? errnoOf(error.cause) : undefined;
  if (errno !== 'EADDRNOTAVAIL' && errno !== 'EAFNOSUPPORT') throw error;
}

function answerDatagrams(socket: Socket, answer: DnsServerOptions['answer']): void {
  let waiting = 0;
  // Of single datagrams, whose clients ask again.
  const ignore = (): void => {};
  socket.on('error', ignore);
  socket.on('message', (message, from) => {
    // Clients ask again, and by then there may be room.
    if (waiting >= maxDatagrams) return;
    waiting++;
    void answer(message, 'udp').then((response) => {
      waiting--;
      try {
        if (response !== undefined) socket.send(response, from.port, from.address, ignore);
      } catch {
        // Closed meanwhile.
      }
    });
  });
}
