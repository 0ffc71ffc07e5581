// The routing of a waypoint: the resources of now, and for each request or connection the route that they give it. What is worked out of the
// resources is kept per service until either changes. In: resources, the mesh, targets. Out: choices.
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { Subset } from '../resources/route-rules.ts';
import type { WaypointResources } from '../resources/waypoint-resources.ts';
import type { ServedTarget } from '../served-target.ts';
import { type BackendLookup, chooseHttpRoute, chooseTcpRoute, type RouteChoice } from './choose-route.ts';
import type { MatchedHead } from './match-request.ts';
import { type RouteScope, routesOf, type ServiceRoutes, subsetsOf } from './service-routes.ts';

export interface Routing {
  /** Takes effect for requests and connections from now on. */
  useResources(resources: Pick<WaypointResources, 'routes' | 'destinationRules'>): void;
  forRequest(target: ServedTarget, request: MatchedHead, random: number): RouteChoice;
  forConnection(target: ServedTarget, random: number): RouteChoice;
}

interface WorkedOut {
  readonly byPort: Map<number, ServiceRoutes>;
  subsets: ReadonlyMap<string, Subset> | undefined;
}

export function createRouting(mesh: Pick<MeshView, 'serviceByHostname'>, scope: RouteScope): Routing {
  let resources: Pick<WaypointResources, 'routes' | 'destinationRules'> = { routes: [], destinationRules: [] };
  /** A service that changes is another value. */
  let known = new WeakMap<Service, WorkedOut>();

  function workedOut(service: Service): WorkedOut {
    const found = known.get(service) ?? { byPort: new Map(), subsets: undefined };
    known.set(service, found);
    return found;
  }

  function routes(service: Service, port: number): ServiceRoutes {
    const { byPort } = workedOut(service);
    const found = byPort.get(port) ?? routesOf(resources.routes, service, port, scope);
    byPort.set(port, found);
    return found;
  }

  function subsets(service: Service): ReadonlyMap<string, Subset> {
    const entry = workedOut(service);
    entry.subsets ??= subsetsOf(resources.destinationRules, service, scope);
    return entry.subsets;
  }

  function lookupFrom(asked: Service): BackendLookup {
    return {
      clusterDomain: scope.clusterDomain,
      serviceNamed: (hostname) =>
        hostname === asked.hostname ? asked : mesh.serviceByHostname(hostname, scope.namespace),
      subsetsOf: subsets,
    };
  }

  return {
    useResources(changed) {
      resources = changed;
      known = new WeakMap();
    },
    forRequest(target, request, random) {
      // Pod addresses are not routed.
      if (target.kind === 'workload') return direct(random);
      const { service, servicePort } = target;
      return chooseHttpRoute(routes(service, servicePort), request, servicePort, lookupFrom(service), random);
    },
    forConnection(target, random) {
      if (target.kind === 'workload') return direct(random);
      const { service, servicePort } = target;
      return chooseTcpRoute(routes(service, servicePort), servicePort, lookupFrom(service), random);
    },
  };
}

function direct(random: number): RouteChoice {
  return { kind: 'forward', routeName: 'default', backend: undefined, random };
}
