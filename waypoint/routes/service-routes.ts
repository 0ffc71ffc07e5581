// The routes of one port of a service, out of all that there are: those that apply, in the order in which they are tried; and the subsets of a
// service. In: resources, a service, who the waypoint is. Out: rules. Source: istio-control.md §6.2, waypoint-telemetry.md §8.1, §8.5.
import type { Service } from '../../common/mesh/service.ts';
import { fullHost, hostCovers, isExportedTo } from '../resources/route-hosts.ts';
import type { DestinationRule, HttpRule, RouteAction, RouteResource, Subset } from '../resources/route-rules.ts';

export interface RouteScope {
  /** Of the waypoint. */
  readonly namespace: string;
  readonly rootNamespace: string;
  readonly clusterDomain: string;
}

export interface ServiceRoutes {
  /** Empty: every request goes to the service itself. */
  readonly http: readonly HttpRule[];
  /** Undefined: connections go to the service itself. */
  readonly tcp: RouteAction | undefined;
}

type NamedService = Pick<Service, 'namespace' | 'hostname'>;

/** VirtualServices by age, then the rules of Gateway API by their rank. */
export function routesOf(
  routes: readonly RouteResource[],
  service: NamedService,
  port: number,
  scope: RouteScope,
): ServiceRoutes {
  const applicable = [...routes].sort(byAge).filter((route) => appliesTo(route, service, port, scope));
  const virtual = applicable.filter(({ kind }) => kind === 'VirtualService').flatMap(({ http }) => http);
  const ranked = applicable.filter(({ kind }) => kind === 'HTTPRoute').flatMap(({ http }) => http);
  const tcp = applicable.flatMap((route) => route.tcp).find(({ ports }) => ports === undefined || ports.includes(port));
  return { http: [...virtual, ...ranked.toSorted((a, b) => compareRanks(b.rank, a.rank))], tcp: tcp?.action };
}

/** Of the rules of one namespace those count whose host is the most exact; the waypoint's namespace is asked first. */
export function subsetsOf(
  rules: readonly DestinationRule[],
  service: NamedService,
  scope: RouteScope,
): ReadonlyMap<string, Subset> {
  const covering = [...rules].sort(byAge).filter((rule) => {
    return hostCovers(hostOf(rule, scope), service.hostname) && isExportedTo(rule, scope.namespace);
  });
  for (const namespace of new Set([scope.namespace, service.namespace, scope.rootNamespace])) {
    const here = covering.filter((rule) => rule.namespace === namespace);
    const exact = here.map((rule) => hostOf(rule, scope)).sort(mostExactFirst)[0];
    if (exact === undefined) continue;
    const subsets = here.filter((rule) => hostOf(rule, scope) === exact).flatMap((rule) => rule.subsets);
    // Of two subsets with one name the older counts.
    return new Map(subsets.toReversed().map((subset) => [subset.name, subset]));
  }
  return new Map();
}

function appliesTo(route: RouteResource, service: NamedService, port: number, scope: RouteScope): boolean {
  if (route.namespace !== scope.namespace && route.namespace !== service.namespace) return false;
  if (!isExportedTo(route, scope.namespace)) return false;
  return route.targets.some((target) => {
    if (target.port !== undefined && target.port !== port) return false;
    return hostCovers(fullHost(target.host, target.namespace, scope.clusterDomain), service.hostname);
  });
}

function hostOf(rule: DestinationRule, { clusterDomain }: RouteScope): string {
  return fullHost(rule.host, rule.namespace, clusterDomain);
}

function mostExactFirst(a: string, b: string): number {
  return Number(a.startsWith('*')) - Number(b.startsWith('*')) || b.length - a.length;
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

type Dated = Pick<RouteResource, 'creationTimestamp' | 'namespace' | 'name'>;

function byAge(a: Dated, b: Dated): number {
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
  const [left, right] = [`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`];
  return left < right ? -1 : Number(left > right);
}
