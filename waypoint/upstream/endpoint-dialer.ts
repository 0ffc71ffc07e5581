// Opens one connection to an endpoint: an HBONE stream to the ztunnel on its pod, or plain TCP where it is outside the mesh.
// In: the chosen endpoint. Out: a byte stream, or a MeshError that names the endpoint. Source: ztunnel.md §3.3, §4.4 step 8.
import type { ConnectHeaders, TunnelDialer } from '../../common/hbone/hbone.ts';
import type { Identity } from '../../common/identity/identity.ts';
import { formatSocketAddress, type IpAddress } from '../../common/net/address.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';
import type { UpstreamEndpoint } from './choose-upstream.ts';

export interface EndpointDialerOptions {
  readonly tunnels: TunnelDialer;
  readonly sockets: SocketFactory;
  readonly identity: Identity;
  readonly sourceIp: IpAddress | undefined;
  /** Sent with each CONNECT: the waypoint's own baggage. */
  readonly headers: () => ConnectHeaders;
  readonly hbonePort: number;
}

export type EndpointDialer = (endpoint: UpstreamEndpoint) => Promise<ByteStream>;

export function createEndpointDialer(options: EndpointDialerOptions): EndpointDialer {
  return async ({ via, address, workload, expected }) => {
    if (via === 'plain') return options.sockets.connectStream({ to: address });
    const target = {
      nextHop: { ip: address.ip, port: options.hbonePort },
      source: options.identity,
      expected,
      sourceIp: options.sourceIp,
      nextHopUid: workload.uid,
    };
    const { stream } = await options.tunnels.connect(target, formatSocketAddress(address), options.headers());
    return stream;
  };
}
