// Opens one connection to an endpoint: an HBONE stream to the ztunnel on its pod, Istio's mutual TLS to its sidecar, or plain TCP where it
// is outside the mesh.
// In: the chosen endpoint. Out: a byte stream, or a MeshError that names the endpoint. Source: ztunnel.md §3.3, §4.4 step 8.
import type { ConnectHeaders, TunnelDialer } from '../../common/hbone/hbone.ts';
import type { Identity } from '../../common/identity/identity.ts';
import { formatSocketAddress, type IpAddress } from '../../common/net/address.ts';
import type { ByteStream } from '../../common/net/byte-stream.ts';
import type { PeerClaims } from '../../common/peer/peer-claims.ts';
import type { ToldPeer } from '../../common/peer/peer-exchange-codec.ts';
import { dialSidecar, type SidecarDialing } from '../../common/peer/sidecar-dialer.ts';
import { httpProtocolsToSidecar, protocolsToSidecar } from '../../common/peer/sidecar-protocols.ts';
import type { HttpProtocol } from '../http/http-exchange.ts';
import type { UpstreamEndpoint } from './choose-upstream.ts';

export interface EndpointDialerOptions extends SidecarDialing {
  readonly tunnels: TunnelDialer;
  readonly peerClaims: Pick<PeerClaims, 'judgeExchange'>;
  /** What we tell of ourselves. */
  readonly self: () => ToldPeer;
  readonly identity: Identity;
  readonly sourceIp: IpAddress | undefined;
  /** Sent with each CONNECT: the waypoint's own baggage. */
  readonly headers: () => ConnectHeaders;
  readonly hbonePort: number;
}

/** @param http what is spoken on the connection; absent: something else */
export type EndpointDialer = (endpoint: UpstreamEndpoint, http?: HttpProtocol) => Promise<ByteStream>;

export function createEndpointDialer(options: EndpointDialerOptions): EndpointDialer {
  return async (endpoint, http) => {
    const { via, address, workload, expected } = endpoint;
    if (via === 'plain') return options.sockets.connectStream({ to: address });
    if (via === 'sidecar') return await dialSidecarOf(options, endpoint, http);
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

async function dialSidecarOf(
  options: EndpointDialerOptions,
  { address, expected }: UpstreamEndpoint,
  http: HttpProtocol | undefined,
): Promise<ByteStream> {
  const protocols = http === undefined ? protocolsToSidecar : httpProtocolsToSidecar[http];
  const call = { to: address, source: options.identity, expected, own: options.self(), protocols };
  const { stream, peer, outcome } = await dialSidecar(options, call);
  // With HTTP, metadata goes in its headers.
  if (http === undefined) {
    void outcome.then((told) => options.peerClaims.judgeExchange(told, { address, identity: peer }));
  }
  return stream;
}
