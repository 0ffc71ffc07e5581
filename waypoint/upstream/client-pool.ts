// HTTP clients by endpoint and protocol, made on first use, dropped when idle for long or when there are too many.
// In: an endpoint and a protocol. Out: the client that holds its connections.

import { formatSocketAddress } from '../../common/net/address.ts';
import type { ToldPeer } from '../../common/peer/peer-exchange-codec.ts';
import { ByteStreamDuplex } from '../http/byte-stream-duplex.ts';
import type { HttpClient, HttpProtocol } from '../http/http-exchange.ts';
import { createHttp1Client } from '../http/http1-client.ts';
import { createHttp2Client } from '../http/http2-client.ts';
import { introducingClient } from '../http/introduce.ts';
import type { UpstreamEndpoint } from './choose-upstream.ts';
import type { EndpointDialer } from './endpoint-dialer.ts';

export interface ClientPool {
  clientFor(endpoint: UpstreamEndpoint, protocol: HttpProtocol): HttpClient;
  close(): void;
}

/** More endpoints than this at once are served too, but the idlest clients give way. */
const maxIdleClients = 500;
const sweepMs = 60_000;

/** @param self who sends the requests: sidecars are told */
export function createClientPool(dial: EndpointDialer, self: () => ToldPeer): ClientPool {
  const clients = new Map<string, HttpClient>();
  const sweep = (): void => {
    for (const [key, client] of clients) {
      if (!client.isIdle) continue;
      clients.delete(key);
      client.close();
    }
  };
  const timer = setInterval(sweep, sweepMs).unref();
  return {
    clientFor(endpoint, protocol) {
      const key = `${protocol}|${endpoint.key}`;
      const known = clients.get(key);
      if (known !== undefined) return known;
      if (clients.size >= maxIdleClients) sweep();
      const connect = async (): Promise<ByteStreamDuplex> => new ByteStreamDuplex(await dial(endpoint, protocol));
      const create = protocol === 'HTTP/2' ? createHttp2Client : createHttp1Client;
      const created = create(formatSocketAddress(endpoint.address), connect);
      const client = endpoint.via === 'sidecar' ? introducingClient(created, self) : created;
      clients.set(key, client);
      return client;
    },
    close() {
      clearInterval(timer);
      for (const client of clients.values()) client.close();
      clients.clear();
    },
  };
}
