// A small name server, UDP and TCP on one port: what it answers is the test's business. And a client that asks over either.
import type { Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Test } from 'tap';
import type { SocketAddress } from '../../common/net/address.ts';
import { createPlainSocketFactory } from '../../common/net/plain-socket-factory-socket.ts';
import type { AcceptedSocket, SocketFactory } from '../../common/net/socket-factory.ts';
import { frameMessage, MessageFrames } from '../../ztunnel/dns/message-frames.ts';
import { at } from './mesh-objects.ts';

export type Transport = 'udp' | 'tcp';

export interface NameServer {
  readonly address: SocketAddress;
  /** `udp` or `tcp` of each query, in their order. */
  readonly asked: readonly Transport[];
}

/** @param answer undefined for silence; several messages are sent one after the other */
export async function startNameServer(
  t: Test,
  answer: (query: Buffer, transport: Transport) => Buffer | readonly Buffer[] | undefined,
  { sockets = createPlainSocketFactory(), port = 0, ip = at('127.0.0.1') } = {},
): Promise<NameServer> {
  const asked: Transport[] = [];
  const answersTo = (query: Buffer, transport: Transport): readonly Buffer[] => {
    asked.push(transport);
    return [answer(query, transport) ?? []].flat();
  };
  const serve = ({ socket }: AcceptedSocket): void => {
    const frames = new MessageFrames(65_535);
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('data', (chunk: Buffer) => {
      const step = frames.feed(chunk);
      for (const query of step.kind === 'messages' ? step.messages : []) {
        for (const message of answersTo(query, 'tcp')) socket.write(frameMessage(message));
      }
    });
    socket.resume();
  };
  const { streams, datagrams } = await listenOnBoth(sockets, { ip, port }, serve);
  datagrams.on('message', (query, from) => {
    for (const message of answersTo(query, 'udp')) datagrams.send(message, from.port, from.address);
  });
  t.teardown(async () => {
    datagrams.close();
    await streams.close();
  });
  return { address: { ip, port: streams.address.port }, asked };
}

const portsTried = 20;

/** A port that is free for TCP may be taken for UDP: then another one is asked for, unless it has to be this one. */
async function listenOnBoth(
  sockets: SocketFactory,
  { ip, port }: SocketAddress,
  serve: (accepted: AcceptedSocket) => void,
) {
  for (let tried = 1; ; tried += 1) {
    const streams = await sockets.listenSockets({ host: ip, port }, serve);
    try {
      return { streams, datagrams: await sockets.bindDatagrams({ ip, port: streams.address.port }) };
    } catch (error) {
      await streams.close();
      if (port !== 0 || tried === portsTried) throw error;
    }
  }
}

/** @throws when nothing came for so long */
export async function askByDatagram(to: SocketAddress, query: Buffer, waitMs = 3_000): Promise<Buffer> {
  return await answerOf(await createPlainSocketFactory().connectDatagrams(to), query, waitMs);
}

/** @param socket connected; it is closed */
export async function answerOf(socket: DatagramSocket, query: Buffer, waitMs = 3_000): Promise<Buffer> {
  try {
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(waitMs) });
    socket.send(query);
    const [message] = await answered;
    return message;
  } finally {
    socket.close();
  }
}

/** All on one connection; the answers in the order in which they came, until there are as many. */
export async function askByStream(to: SocketAddress, ...queries: readonly Buffer[]): Promise<readonly Buffer[]> {
  return await answersOf(connect({ host: to.ip, port: to.port }), queries);
}

export async function answersOf(
  socket: Awaited<ReturnType<SocketFactory['connectSocket']>>,
  queries: readonly Buffer[],
): Promise<readonly Buffer[]> {
  const frames = new MessageFrames(65_535);
  const answers: Buffer[] = [];
  socket.write(Buffer.concat(queries.map(frameMessage)));
  try {
    for await (const chunk of socket) {
      const step = frames.feed(chunk);
      if (step.kind === 'messages') answers.push(...step.messages);
      if (answers.length >= queries.length) break;
    }
  } finally {
    socket.destroy();
  }
  return answers;
}
