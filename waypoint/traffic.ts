// Where the features meet for one accepted stream: HTTP goes through the engine request by request, everything else is copied.
// In: a stream, what it speaks, whose it is. Out: nothing; the upstream is chosen anew for each request.
import { MeshError } from '../common/errors.ts';
import type { Logger } from '../common/log.ts';
import type { MeshView } from '../common/mesh/mesh-view.ts';
import type { AppProtocol, Workload } from '../common/mesh/workload.ts';
import { formatSocketAddress } from '../common/net/address.ts';
import type { ByteStream } from '../common/net/byte-stream.ts';
import type { Authorization, Denial } from './filters/authorization.ts';
import { type ConnectionHandling, handleConnection } from './handle-connection.ts';
import { handleRequest, type RequestHandling } from './handle-request.ts';
import type { ServerExchange } from './http/http-exchange.ts';
import type { HttpServer } from './http/http-server.ts';
import { IntroducedCaller, type IntroductionParts } from './introduced-caller.ts';
import type { SniffedProtocol } from './listener/protocol-sniff.ts';
import type { Backend, RouteChoice } from './routes/choose-route.ts';
import type { Routing } from './routes/routing.ts';
import type { Downstream, ServedTarget } from './served-target.ts';
import type { WaypointTelemetry } from './telemetry/waypoint-telemetry.ts';
import { chooseProtocol } from './upstream/choose-protocol.ts';
import { chooseUpstream, type UpstreamEndpoint } from './upstream/choose-upstream.ts';
import type { ClientPool } from './upstream/client-pool.ts';
import type { EndpointDialer } from './upstream/endpoint-dialer.ts';

export interface TrafficParts extends IntroductionParts {
  readonly mesh: MeshView;
  readonly self: () => Workload;
  readonly http: HttpServer;
  readonly clients: ClientPool;
  readonly dial: EndpointDialer;
  readonly routing: Routing;
  readonly authorization: Authorization;
  readonly telemetry: WaypointTelemetry;
  readonly log: Logger;
}

type Chosen =
  | { readonly kind: 'endpoint'; readonly endpoint: UpstreamEndpoint; readonly backend: Backend | undefined }
  | (Extract<RouteChoice, { kind: 'refused' }> & { readonly failure: MeshError })
  | { readonly kind: 'none'; readonly failure: MeshError };

const noHealthyUpstream = {
  status: 503,
  flag: 'UH',
  details: 'no_healthy_upstream',
  text: 'no healthy upstream',
} as const;

/** Of what a client sent, in a reason. */
const longestShown = 300;

/** As Envoy answers it. */
function denied({ details, reason }: Denial) {
  return {
    refusal: { status: 403, flag: undefined, details, text: 'RBAC: access denied' },
    failure: new MeshError('AUTHORIZATION_DENIED', reason),
  };
}

/** As Envoy answers it. No rule by path would mean it, and an application might take it for the path that it nearly is. */
function malformed(path: string) {
  const reason = `the path "${path.slice(0, longestShown)}" does not begin with a slash`;
  return {
    refusal: { status: 404, flag: undefined, details: 'absolute_path_rejected', text: '' },
    failure: new MeshError('TARGET_MALFORMED', reason),
  };
}

export interface Traffic {
  carry(stream: ByteStream, protocol: SniffedProtocol, downstream: Downstream): void;
}

export function createTraffic(parts: TrafficParts): Traffic {
  const { mesh, self, http, clients, dial, routing, authorization, telemetry, log } = parts;
  const now = (): number => performance.now();
  const choose = createChoice({ mesh, self });
  const requests: RequestHandling = {
    now,
    chooseUpstream(downstream, { request }) {
      if (!request.path.startsWith('/')) return { kind: 'refused', routeName: '', ...malformed(request.path) };
      const route = routing.forRequest(downstream.target, request, Math.random());
      const { routeName } = route;
      const denial = authorization.ofRequest(downstream, request);
      if (denial !== undefined) return { kind: 'refused', routeName, ...denied(denial) };
      const chosen = choose(downstream, route);
      if (chosen.kind !== 'endpoint') {
        const refusal = chosen.kind === 'none' ? noHealthyUpstream : { ...chosen.refusal, text: '' };
        return { kind: 'refused', routeName, refusal, failure: chosen.failure };
      }
      const { endpoint, backend } = chosen;
      const protocol = chooseProtocol(appProtocolOf(downstream.target, backend), request.protocol, request.upgrade);
      const client = clients.clientFor(endpoint, protocol);
      return { kind: 'upstream', routeName, upstream: { ...endpoint, backend, protocol, client } };
    },
    callStarted: telemetry.callStarted,
    ended: telemetry.requestEnded,
  };

  const connections: ConnectionHandling = {
    now,
    chooseUpstream(downstream) {
      const denial = authorization.ofConnection(downstream);
      if (denial !== undefined) return { kind: 'refused', flags: [], failure: denied(denial).failure };
      const chosen = choose(downstream, routing.forConnection(downstream.target, Math.random()));
      if (chosen.kind === 'none') return { kind: 'refused', flags: ['UH'], failure: chosen.failure };
      if (chosen.kind === 'refused') return { kind: 'refused', flags: ['NC'], failure: chosen.failure };
      const { endpoint, backend } = chosen;
      return { kind: 'upstream', upstream: { ...endpoint, backend, dial: () => dial(endpoint) } };
    },
    opened: telemetry.connectionOpened,
    ended: telemetry.connectionEnded,
  };

  return {
    carry(stream, protocol, downstream) {
      if (protocol === 'opaque') {
        void handleConnection(stream, downstream, connections);
        return;
      }
      const caller = new IntroducedCaller(parts, downstream, telemetry.forget);
      const forget = (): void => telemetry.forget(caller.downstream);
      const handler = (received: ServerExchange): void => {
        const exchange = caller.received(received);
        handleRequest(exchange, caller.downstream, requests).catch((error: unknown) => {
          log.error({ target: formatSocketAddress(downstream.target.address), error }, 'request failed');
          exchange.reset();
        });
      };
      http.serve(stream, protocol, handler, forget);
    },
  };
}

/** What a route comes to: an endpoint, or why there is none. */
function createChoice({ mesh, self }: Pick<TrafficParts, 'mesh' | 'self'>) {
  return ({ target }: Downstream, route: RouteChoice): Chosen => {
    if (route.kind === 'refused') return { ...route, failure: new MeshError('NO_ROUTE', route.refusal.reason) };
    const { backend, random } = route;
    const choice = chooseUpstream(mesh, target, self(), random, backend);
    if (choice.kind === 'endpoint') return { ...choice, backend };
    return { kind: 'none', failure: new MeshError('NO_HEALTHY_UPSTREAM', choice.detail) };
  };
}

/** What the port that takes the request declares. */
function appProtocolOf(target: ServedTarget, backend: Backend | undefined): AppProtocol {
  if (backend === undefined) return target.appProtocol;
  const port = backend.service.ports.find(({ servicePort }) => servicePort === backend.servicePort);
  return port?.appProtocol ?? 'unknown';
}
