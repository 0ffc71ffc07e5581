// Kubernetes Service → the mesh's service. ExternalName services are left to DNS. Source: istio-control.md §3.7.
import type { Service } from '../../mesh/service.ts';
import type { KubernetesService } from '../kinds/service.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import { appProtocolOf } from './app-protocol.ts';
import { parseBooleanText } from './boolean-text.ts';
import type { Derivation } from './derivation.ts';
import { loadBalancingOfService } from './load-balancing.ts';
import { bindWaypoint, type WaypointBinding } from './waypoint-binding.ts';
import { weightedWaypointsOf } from './weighted-waypoints.ts';

export function serviceFromService(service: KubernetesService, derivation: Derivation): Service {
  const meta = service.object.metadata;
  const { name, namespace } = meta;
  const binding = bindWaypointOfService(meta, derivation);
  return {
    name,
    namespace,
    hostname: hostnameOfService(meta, derivation),
    addresses: service.clusterIps.map((ip) => ({ network: derivation.network, ip })),
    ports: service.ports.map((port) => ({
      servicePort: port.port,
      targetPort: port.targetPort.kind === 'number' ? port.targetPort.port : 0,
      appProtocol: appProtocolOf(port),
    })),
    subjectAltNames: [],
    waypoint: binding.kind === 'bound' ? binding.waypoint.address : undefined,
    weightedWaypoints: weightedWaypointsOf(binding, meta, derivation),
    loadBalancing: loadBalancingOfService(service, derivation.namespaces.get(namespace)?.annotations),
    ipFamilies: ipFamiliesOf(service),
    canonical: true,
    ingressUseWaypoint: usesWaypointFromIngress(meta, binding, derivation),
    visibility: 'public',
  };
}

export function hostnameOfService(
  meta: { readonly name: string; readonly namespace: string },
  derivation: Derivation,
): string {
  return `${meta.name}.${meta.namespace}.svc.${derivation.settings.domainSuffix}`;
}

/** The Services of waypoints and east-west gateways themselves never get one. */
export function bindWaypointOfService(meta: ObjectMeta, derivation: Derivation): WaypointBinding {
  const manager = meta.labels['gateway.istio.io/managed'];
  const isGatewayItself = manager === 'istio.io-mesh-controller' || manager === 'istio.io-eastwest-controller';
  return isGatewayItself ? { kind: 'none' } : bindWaypoint(meta, 'service', derivation);
}

/** The object's own label wins even where it is no boolean, which counts as false (fixture 24). */
export function usesWaypointFromIngress(meta: ObjectMeta, binding: WaypointBinding, derivation: Derivation): boolean {
  return binding.kind === 'bound' && parseBooleanText(ingressLabelOf(meta, derivation)) === true;
}

export function ingressLabelOf(meta: ObjectMeta, { namespaces }: Pick<Derivation, 'namespaces'>): string | undefined {
  const label = 'istio.io/ingress-use-waypoint';
  return meta.labels[label] ?? namespaces.get(meta.namespace)?.labels[label];
}

function ipFamiliesOf(service: KubernetesService): Service['ipFamilies'] {
  const [first, second] = service.ipFamilies;
  if (second !== undefined) return 'dual';
  if (first === 'IPv4') return 'ipv4';
  return first === 'IPv6' ? 'ipv6' : 'automatic';
}
