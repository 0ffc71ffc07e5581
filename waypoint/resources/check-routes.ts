// What is wrong with routes as a whole, told before a request finds out: hosts that are no service or have no waypoint, backends and subsets that
// do not exist. In: all objects, the routes read of them. Out: problems that name object and host.
import { waypointRequestOf } from '../../common/sources/derive/waypoint-binding.ts';
import { Field, MalformedField } from '../../common/sources/field.ts';
import { type KubernetesObject, problemWith } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import { fullHost, hostCovers } from './route-hosts.ts';
import type { DestinationRule, RouteAction, RouteBackend, RouteResource } from './route-rules.ts';

export interface RouteObjects {
  readonly objects: readonly KubernetesObject[];
  readonly routes: readonly RouteResource[];
  readonly destinationRules: readonly DestinationRule[];
  readonly clusterDomain: string;
}

interface Host {
  readonly waypoint: 'named' | 'none';
}

export function checkRoutes({
  objects,
  routes,
  destinationRules,
  clusterDomain,
}: RouteObjects): readonly ResourceProblem[] {
  const hosts = hostsOf(objects, clusterDomain);
  return routes.flatMap((route) => {
    const object = objects.find(({ kind, metadata: { name, namespace } }) => {
      return kind === route.kind && name === route.name && namespace === route.namespace;
    });
    if (object === undefined) return [];
    const tell = (message: string, remedy: string): ResourceProblem =>
      problemWith(object, { severity: 'warning', field: undefined, message, remedy });
    const targets = route.targets.flatMap(({ host, namespace }) => {
      const hostname = fullHost(host, namespace, clusterDomain);
      return hostname.startsWith('*') ? [] : (targetProblem(hostname, hosts.get(hostname), tell) ?? []);
    });
    const backends = backendsOf(route).flatMap((backend) => {
      const hostname = fullHost(backend.host, backend.namespace, clusterDomain);
      if (!hosts.has(hostname)) {
        return [tell(`sends requests to ${hostname}, which is no service`, refusedWith(`a Service ${hostname}`))];
      }
      const { subset } = backend;
      if (subset === undefined || hasSubset(destinationRules, hostname, subset, clusterDomain)) return [];
      const message = `sends requests to subset ${subset} of ${hostname}, which no DestinationRule has`;
      return [tell(message, refusedWith(`a DestinationRule with that subset`))];
    });
    return [...targets, ...backends];
  });
}

function targetProblem(
  hostname: string,
  host: Host | undefined,
  tell: (message: string, remedy: string) => ResourceProblem,
): ResourceProblem | undefined {
  if (host === undefined)
    return tell(`routes ${hostname}, which is no service`, 'correct the host, or add the Service');
  if (host.waypoint === 'named') return undefined;
  const remedy =
    'label the Service or its namespace istio.io/use-waypoint, and add that Gateway of class istio-waypoint';
  return tell(`routes ${hostname}, which is reached through no waypoint, so it changes nothing`, remedy);
}

function refusedWith(what: string): string {
  return `add ${what} (until then these requests are refused)`;
}

/** Services, and the hosts of ServiceEntries, by full name. */
function hostsOf(objects: readonly KubernetesObject[], clusterDomain: string): ReadonlyMap<string, Host> {
  const namespaces = new Map(
    objects.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => [metadata.name, metadata.labels]),
  );
  const waypointOf = ({ metadata }: KubernetesObject): Host => {
    const own = waypointRequestOf(metadata.labels, metadata.namespace);
    const inherited = waypointRequestOf(namespaces.get(metadata.namespace) ?? {}, metadata.namespace);
    const request = own.kind === 'unset' ? inherited : own;
    return { waypoint: request.kind === 'named' ? 'named' : 'none' };
  };
  const hosts = new Map<string, Host>();
  for (const object of objects) {
    const { name, namespace } = object.metadata;
    if (object.kind === 'Service') hosts.set(fullHost(name, namespace, clusterDomain), waypointOf(object));
    if (object.kind === 'ServiceEntry') for (const host of entryHosts(object)) hosts.set(host, waypointOf(object));
  }
  return hosts;
}

/** Malformed ones are told by their own reader. */
function entryHosts(entry: KubernetesObject): readonly string[] {
  try {
    return new Field('spec', entry.spec).at('hosts').texts();
  } catch (error) {
    if (error instanceof MalformedField) return [];
    throw error;
  }
}

function backendsOf({ http, tcp }: RouteResource): readonly Extract<RouteBackend, { kind: 'service' }>[] {
  const actions: readonly RouteAction[] = [...http, ...tcp].map(({ action }) => action);
  const all = actions.flatMap((action) => (action.kind === 'forward' ? action.backends : []));
  const found = all.flatMap((backend) => (backend.kind === 'service' ? [backend] : []));
  return [...new Map(found.map((each) => [`${each.host}/${each.subset ?? ''}`, each])).values()];
}

function hasSubset(
  rules: readonly DestinationRule[],
  hostname: string,
  subset: string,
  clusterDomain: string,
): boolean {
  return rules.some(({ host, namespace, subsets }) => {
    return (
      hostCovers(fullHost(host, namespace, clusterDomain), hostname) && subsets.some(({ name }) => name === subset)
    );
  });
}
