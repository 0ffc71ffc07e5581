// Where the features meet for one accepted stream: HTTP goes through the engine request by request, everything else is copied.
// In: a stream, what it speaks, whose it is. Out: nothing; the upstream is chosen anew for each request.
import type { Logger } from '../common/log.ts';
import type { MeshView } from '../common/mesh/mesh-view.ts';
import type { Workload } from '../common/mesh/workload.ts';
import { formatSocketAddress } from '../common/net/address.ts';
import type { ByteStream } from '../common/net/byte-stream.ts';
import { type ConnectionHandling, handleConnection } from './handle-connection.ts';
import { handleRequest, type RequestHandling } from './handle-request.ts';
import type { HttpServer } from './http/http-server.ts';
import type { SniffedProtocol } from './listener/protocol-sniff.ts';
import type { Downstream } from './served-target.ts';
import type { WaypointTelemetry } from './telemetry/waypoint-telemetry.ts';
import { chooseProtocol } from './upstream/choose-protocol.ts';
import { chooseUpstream, type UpstreamEndpoint } from './upstream/choose-upstream.ts';
import type { ClientPool } from './upstream/client-pool.ts';
import type { EndpointDialer } from './upstream/endpoint-dialer.ts';

export interface TrafficParts {
  readonly mesh: MeshView;
  readonly self: () => Workload;
  readonly http: HttpServer;
  readonly clients: ClientPool;
  readonly dial: EndpointDialer;
  readonly telemetry: WaypointTelemetry;
  readonly log: Logger;
}

export interface Traffic {
  carry(stream: ByteStream, protocol: SniffedProtocol, downstream: Downstream): void;
}

export function createTraffic({ mesh, self, http, clients, dial, telemetry, log }: TrafficParts): Traffic {
  const now = (): number => performance.now();

  function choose(downstream: Downstream): UpstreamEndpoint | undefined {
    const choice = chooseUpstream(mesh, downstream.target, self(), Math.random());
    if (choice.kind === 'endpoint') return choice.endpoint;
    const target = formatSocketAddress(downstream.target.address);
    log.warn({ code: 'NO_HEALTHY_UPSTREAM', target, error: choice.detail }, 'no healthy upstream');
    return undefined;
  }

  const requests: RequestHandling = {
    now,
    chooseUpstream(downstream, { request }) {
      const endpoint = choose(downstream);
      if (endpoint === undefined) return undefined;
      const protocol = chooseProtocol(downstream.target.appProtocol, request.protocol, request.upgrade);
      return { ...endpoint, client: clients.clientFor(endpoint, protocol) };
    },
    ended: telemetry.requestEnded,
  };

  const connections: ConnectionHandling = {
    now,
    chooseUpstream(downstream) {
      const endpoint = choose(downstream);
      return endpoint && { ...endpoint, dial: () => dial(endpoint) };
    },
    opened: telemetry.connectionOpened,
    ended(facts, error) {
      telemetry.connectionEnded(facts);
      if (error === undefined) return;
      const target = formatSocketAddress(facts.downstream.target.address);
      log.debug({ target, error: error.message }, 'connection failed');
    },
  };

  return {
    carry(stream, protocol, downstream) {
      if (protocol === 'opaque') {
        void handleConnection(stream, downstream, connections);
        return;
      }
      const forget = (): void => telemetry.forget(downstream);
      const handler = (exchange: Parameters<typeof handleRequest>[0]): void => {
        handleRequest(exchange, downstream, requests).catch((error: unknown) => {
          log.error({ target: formatSocketAddress(downstream.target.address), error }, 'request failed');
          exchange.reset();
        });
      };
      http.serve(stream, protocol, handler, forget);
    },
  };
}
