// A proxy made of the HTTP engine alone, over plain TCP on loopback: each request goes to one upstream port.
// For tests of waypoint/http: what comes in goes out, without routing, policy or telemetry.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { streamOfSocket } from '../../common/net/tcp-stream-socket.ts';
import { ByteStreamDuplex } from '../../waypoint/http/byte-stream-duplex.ts';
import type { ExchangeEnd, HttpClient, RequestHead, ServerExchange } from '../../waypoint/http/http-exchange.ts';
import { createHttpServer } from '../../waypoint/http/http-server.ts';
import { createHttp1Client } from '../../waypoint/http/http1-client.ts';
import { createHttp2Client } from '../../waypoint/http/http2-client.ts';

export interface Relay {
  readonly port: number;
  readonly ends: { request: RequestHead; status: number; end: ExchangeEnd }[];
  close(): Promise<void>;
}

export async function startRelay(
  downstream: 'http1' | 'http2',
  upstream: 'http1' | 'http2',
  to: number,
): Promise<Relay> {
  const ends: Relay['ends'] = [];
  const dial = async (): Promise<ByteStreamDuplex> => {
    const socket = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    socket.pause();
    return new ByteStreamDuplex(streamOfSocket(socket));
  };
  const create = upstream === 'http2' ? createHttp2Client : createHttp1Client;
  const client = create(`127.0.0.1:${to}`, dial);
  const server = createHttpServer();
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    server.serve(streamOfSocket(socket), downstream, (exchange) => relay(exchange, client, ends));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    ends,
    async close() {
      server.close();
      client.close();
      listener.close();
      await once(listener, 'close');
    },
  };
}

async function relay(exchange: ServerExchange, client: HttpClient, ends: Relay['ends']): Promise<void> {
  const { request, body } = exchange;
  const call = client.send({ ...request, body });
  let status = 0;
  exchange.onEnd((end) => {
    ends.push({ request, status, end });
    if (end.kind === 'aborted') call.abort();
  });
  const answer = await call.answer;
  status = answer.kind === 'failed' ? 503 : answer.head.status;
  if (answer.kind === 'response') exchange.respond(answer.head, answer.body);
  else if (answer.kind === 'switched') exchange.switchProtocols(answer.head, answer.stream);
  else exchange.respond({ status: 503, headers: ['x-stage', answer.stage] }, Buffer.from(answer.error.message));
}
