// Decides where one request or connection goes: the first rule that means it, then one of its backends by weight. In: the routes of the
// service port, what asks, a number in [0, 1). Out: a backend, nothing said (the service itself), or a refusal. Source: waypoint-telemetry.md §8.1, §8.3.
import { pickWeighted } from '../../common/mesh/pick-weighted.ts';
import type { Service } from '../../common/mesh/service.ts';
import { fullHost } from '../resources/route-hosts.ts';
import type { RouteAction, RouteBackend, Subset } from '../resources/route-rules.ts';
import { type MatchedHead, matchesRequest } from './match-request.ts';
import type { ServiceRoutes } from './service-routes.ts';

/** A port of a service, all its endpoints or a part of them. */
export interface Backend {
  readonly service: Service;
  readonly servicePort: number;
  readonly subset: Subset | undefined;
}

export type RouteChoice =
  /** `backend` undefined: what the client asked for. `random` is independent of the choice. */
  | {
      readonly kind: 'forward';
      readonly routeName: string;
      readonly backend: Backend | undefined;
      readonly random: number;
    }
  | { readonly kind: 'refused'; readonly routeName: string; readonly refusal: RouteRefusal };

export interface RouteRefusal {
  readonly status: 404 | 500 | 503;
  /** Undefined: refused by configuration, with no flag of its own. */
  readonly flag: 'NR' | 'NC' | undefined;
  /** Envoy's response_code_details. */
  readonly details: string;
  /** For the log. */
  readonly reason: string;
}

/** What the choice needs to know of services by name. */
export interface BackendLookup {
  readonly clusterDomain: string;
  serviceNamed(hostname: string): Service | undefined;
  subsetsOf(service: Service): ReadonlyMap<string, Subset>;
}

export function chooseHttpRoute(
  routes: ServiceRoutes,
  request: MatchedHead,
  port: number,
  lookup: BackendLookup,
  random: number,
): RouteChoice {
  if (routes.http.length === 0) return { kind: 'forward', routeName: 'default', backend: undefined, random };
  const rule = routes.http.find((candidate) => matchesRequest(candidate, request, port));
  if (rule !== undefined) return follow(rule.action, rule.name, port, lookup, random);
  const reason = `no route of the service matches ${request.method} ${request.path.slice(0, 200)}`;
  return refused('-', { status: 404, flag: 'NR', details: 'route_not_found', reason });
}

export function chooseTcpRoute(
  { tcp }: ServiceRoutes,
  port: number,
  lookup: BackendLookup,
  random: number,
): RouteChoice {
  if (tcp === undefined) return { kind: 'forward', routeName: 'default', backend: undefined, random };
  return follow(tcp, 'default', port, lookup, random);
}

function follow(
  action: RouteAction,
  routeName: string,
  port: number,
  lookup: BackendLookup,
  random: number,
): RouteChoice {
  const byConfiguration = { status: 500, flag: undefined, details: 'direct_response' } as const;
  if (action.kind === 'refuse') return refused(routeName, { ...byConfiguration, reason: action.detail });
  const pick = pickWeighted(action.backends, ({ weight }) => weight, random);
  if (pick === undefined) return refused(routeName, { ...byConfiguration, reason: 'all its weights are 0' });
  if (pick.item.kind === 'invalid') return refused(routeName, { ...byConfiguration, reason: pick.item.detail });
  const backend = findBackend(pick.item, port, lookup);
  if (typeof backend !== 'string') return { kind: 'forward', routeName, backend, random: pick.random };
  const status = pick.item.statusWhenMissing;
  return refused(routeName, { status, flag: 'NC', details: 'cluster_not_found', reason: backend });
}

/** @returns why there is none, else the backend */
function findBackend(
  { host, namespace, port, subset: subsetName }: Extract<RouteBackend, { kind: 'service' }>,
  asked: number,
  lookup: BackendLookup,
): Backend | string {
  const hostname = fullHost(host, namespace, lookup.clusterDomain);
  const service = lookup.serviceNamed(hostname);
  if (service === undefined) return `there is no service ${hostname}`;
  const [first, ...others] = service.ports;
  const only = others.length === 0 ? first?.servicePort : undefined;
  const servicePort = port ?? only ?? asked;
  if (subsetName === undefined) return { service, servicePort, subset: undefined };
  const subset = lookup.subsetsOf(service).get(subsetName);
  if (subset === undefined) return `no DestinationRule for ${hostname} has the subset ${subsetName}`;
  return { service, servicePort, subset };
}

function refused(routeName: string, refusal: RouteRefusal): RouteChoice {
  return { kind: 'refused', routeName, refusal };
}
