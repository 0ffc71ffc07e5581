// Explicit mode: which pods this process must serve, by the mesh alone: every enrolled workload of this node that has an
// address. Pure: the mesh in, pods by uid out.
import type { MeshView, WorkloadName } from '../../common/mesh/mesh-view.ts';
import type { IpAddress } from '../../common/net/address.ts';

export interface ExplicitPod {
  readonly name: WorkloadName;
  readonly address: IpAddress;
}

/** Workloads that speak HBONE themselves (a waypoint, say) are not served by us. */
export function findExplicitPods(mesh: MeshView, nodeName: string | undefined): ReadonlyMap<string, ExplicitPod> {
  const pods = new Map<string, ExplicitPod>();
  for (const workload of mesh.workloads()) {
    const { name, namespace, serviceAccount } = workload;
    const [address] = workload.addresses;
    if (address === undefined || workload.tunnelProtocol !== 'hbone' || workload.nativeTunnel) continue;
    if (workload.networkMode === 'host-network') continue;
    if (nodeName !== undefined && workload.node !== nodeName) continue;
    pods.set(workload.uid, { name: { name, namespace, serviceAccount }, address });
  }
  return pods;
}
