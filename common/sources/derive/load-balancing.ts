// Which endpoints of a service are preferred, and whether unhealthy ones may be picked.
// Order: internalTrafficPolicy Local, the Service's own distribution, its annotation, its namespace's (fixture 14).
import type { LoadBalancing, LoadBalancingScope } from '../../mesh/service.ts';
import type { Labels } from '../kinds/label-selector.ts';
import type { KubernetesService } from '../kinds/service.ts';

const annotation = 'networking.istio.io/traffic-distribution';
const sameZone: readonly LoadBalancingScope[] = ['network', 'region', 'zone'];
const sameNode: readonly LoadBalancingScope[] = ['network', 'region', 'zone', 'subzone', 'node'];

export function loadBalancingOfService(
  service: KubernetesService,
  namespaceAnnotations: Labels | undefined,
): LoadBalancing | undefined {
  const healthPolicy = service.publishNotReadyAddresses ? 'allow-all' : 'only-healthy';
  if (service.internalTrafficPolicy === 'Local') return { mode: 'strict', routingPreference: ['node'], healthPolicy };
  const routingPreference =
    service.trafficDistribution === undefined
      ? preferenceFromAnnotations(service.object.metadata.annotations, namespaceAnnotations)
      : preferenceFrom(service.trafficDistribution);
  if (routingPreference !== undefined) return { mode: 'failover', routingPreference, healthPolicy };
  return healthPolicy === 'allow-all' ? { mode: 'standard', routingPreference: [], healthPolicy } : undefined;
}

export function loadBalancingOfServiceEntry(
  resolution: string,
  annotations: Labels,
  namespaceAnnotations: Labels | undefined,
): LoadBalancing | undefined {
  if (resolution === 'NONE') return { mode: 'passthrough', routingPreference: [], healthPolicy: 'allow-all' };
  const routingPreference = preferenceFromAnnotations(annotations, namespaceAnnotations);
  return routingPreference && { mode: 'failover', routingPreference, healthPolicy: 'only-healthy' };
}

/** A value that is not known counts as Any, and hides the namespace's. */
function preferenceFromAnnotations(
  own: Labels,
  ofNamespace: Labels | undefined,
): readonly LoadBalancingScope[] | undefined {
  return preferenceFrom(own[annotation] || ofNamespace?.[annotation] || '');
}

function preferenceFrom(distribution: string): readonly LoadBalancingScope[] | undefined {
  const name = distribution.toLowerCase();
  if (name === 'preferclose' || name === 'prefersamezone') return sameZone;
  return name === 'prefersamenode' ? sameNode : undefined;
}
