// Notes what a decision looked up in the mesh and did not find. In: a mesh. Out: the same mesh to decide with, and the names
// under which a control plane would be asked for what was missed: `network/ip` or `namespace/hostname`.
import type { IpAddress } from '../net/address.ts';
import type { MeshView } from './mesh-view.ts';
import { serviceKey } from './service.ts';
import type { NamespacedHostname } from './workload.ts';

export interface NotedMesh {
  readonly mesh: MeshView;
  /** So far, each once. */
  missed(): readonly string[];
}

/** A name is missed when neither a service nor a workload was found under it, in whichever order they were looked for. */
export function noteMissedNames(mesh: MeshView): NotedMesh {
  const looked = new Map<string, 'found' | 'missed'>();
  const note = <T>(name: string, value: T | undefined): T | undefined => {
    if (value !== undefined) looked.set(name, 'found');
    else if (!looked.has(name)) looked.set(name, 'missed');
    return value;
  };
  const addressName = (network: string, ip: IpAddress): string => `${network}/${ip}`;
  const noted: MeshView = {
    workloadByUid: (uid) => mesh.workloadByUid(uid),
    workloadByAddress: (network, ip) => note(addressName(network, ip), mesh.workloadByAddress(network, ip)),
    workloadByName: (name, node) => mesh.workloadByName(name, node),
    workloadByHostname: (reference) => note(serviceKey(reference), mesh.workloadByHostname(reference)),
    serviceByAddress: (network, ip, namespace) =>
      note(addressName(network, ip), mesh.serviceByAddress(network, ip, namespace)),
    serviceByHostname(hostname, namespace) {
      const reference = referenceOf(hostname, namespace);
      const service = mesh.serviceByHostname(hostname, namespace);
      return reference === undefined ? service : note(serviceKey(reference), service);
    },
    servicesByHostname: (hostname) => mesh.servicesByHostname(hostname),
    serviceByKey: (reference) => note(serviceKey(reference), mesh.serviceByKey(reference)),
    endpointsOf: (service) => mesh.endpointsOf(service),
    policiesFor: (workload) => mesh.policiesFor(workload),
    workloads: () => mesh.workloads(),
    services: () => mesh.services(),
    policies: () => mesh.policies(),
    get revision() {
      return mesh.revision;
    },
    onChange: (listener) => mesh.onChange(listener),
  };
  return {
    mesh: noted,
    missed: () => [...looked].flatMap(([name, state]) => (state === 'missed' ? [name] : [])),
  };
}

/** The namespace that a cluster's own name holds, else the client's. */
function referenceOf(hostname: string, clientNamespace: string | undefined): NamespacedHostname | undefined {
  const [, second, third] = hostname.split('.');
  const namespace = third === 'svc' ? second : clientNamespace;
  return namespace === undefined || namespace === '' ? undefined : { namespace, hostname };
}
