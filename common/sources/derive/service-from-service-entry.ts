// ServiceEntry → one service of the mesh for each of its hosts. Source: istio-control.md §3.8, fixtures 30 to 35, 63.

import type { Service } from '../../mesh/service.ts';
import type { NetworkAddress } from '../../mesh/workload.ts';
import { parseIp } from '../../net/address.ts';
import { bitsOf } from '../../net/cidr.ts';
import { matchesSelector } from '../kinds/label-selector.ts';
import type { ServiceEntry } from '../kinds/service-entry.ts';
import { protocolFromText } from './app-protocol.ts';
import type { Derivation } from './derivation.ts';
import { loadBalancingOfServiceEntry } from './load-balancing.ts';
import { bindWaypointOfService, usesWaypointFromIngress } from './service-from-service.ts';
import type { WaypointBinding } from './waypoint-binding.ts';
import { weightedWaypointsOf } from './weighted-waypoints.ts';

/** Not yet canonical: that is decided among all who claim the same host. */
export function servicesFromServiceEntry(entry: ServiceEntry, derivation: Derivation): readonly Service[] {
  const meta = entry.object.metadata;
  const { name, namespace, annotations } = meta;
  const visibility = visibilityOf(entry, derivation);
  if (visibility === 'none') return [];
  const binding = withinNamespace(bindWaypointOfService(meta, derivation), namespace, visibility);
  const shared = {
    name,
    namespace,
    ports: entry.ports.map((port) => ({
      servicePort: port.number,
      targetPort: port.targetPort ?? port.number,
      appProtocol: protocolFromText(port.protocol),
    })),
    subjectAltNames: entry.subjectAltNames,
    waypoint: binding.kind === 'bound' ? binding.waypoint.address : undefined,
    weightedWaypoints: weightedWaypointsOf(binding, meta, derivation),
    loadBalancing: loadBalancingOfServiceEntry(
      entry.resolution,
      annotations,
      derivation.namespaces.get(namespace)?.annotations,
    ),
    ipFamilies: 'automatic',
    canonical: false,
    ingressUseWaypoint: usesWaypointFromIngress(meta, binding, derivation),
    visibility,
  } as const;
  return entry.hosts.map((hostname) => ({ ...shared, hostname, addresses: addressesOf(entry, hostname, derivation) }));
}

/** Of the rules of the mesh configuration, the first that is for this namespace. */
function visibilityOf(entry: ServiceEntry, derivation: Derivation): 'none' | 'namespace' | 'public' {
  const labels = derivation.namespaces.get(entry.object.metadata.namespace)?.labels ?? {};
  const rule = derivation.settings.serviceEntryVisibility.find(({ namespaceSelectors }) =>
    namespaceSelectors.some((selector) => matchesSelector(selector, labels)),
  );
  if (rule?.visibility === 'NONE') return 'none';
  return rule?.visibility === 'NAMESPACE' ? 'namespace' : 'public';
}

/** What only its own namespace may use must not leave it through another namespace's waypoint. */
function withinNamespace(
  binding: WaypointBinding,
  namespace: string,
  visibility: 'namespace' | 'public',
): WaypointBinding {
  const leaves = binding.kind === 'bound' && binding.waypoint.namespace !== namespace;
  return visibility === 'namespace' && leaves ? { kind: 'none' } : binding;
}

function addressesOf(entry: ServiceEntry, hostname: string, derivation: Derivation): readonly NetworkAddress[] {
  const { network } = derivation;
  if (entry.addresses.length > 0) {
    return entry.addresses.map(({ range, isRange }) =>
      isRange && range.prefixLength < bitsOf(range.ip)
        ? { network, ip: range.ip, prefixLength: range.prefixLength }
        : { network, ip: range.ip },
    );
  }
  if (entry.resolution === 'NONE') return [];
  if (hostname.startsWith('*') && entry.resolution !== 'DYNAMIC_DNS') return [];
  return entry.allocated
    .filter(({ host }) => host === hostname)
    .flatMap(({ value }) => parseIp(value) ?? [])
    .map((ip) => ({ network, ip }));
}
