// Who stands behind a tunnel stream: the workload of its address, else what its baggage says of itself, labels only; who it is, is
// its certificate's word alone. In: a CONNECT request and the mesh. Out: the client's workload. Source: waypoint-telemetry.md §1.8, §5.5.
import { parseBaggage } from '../../common/hbone/baggage.ts';
import type { ConnectRequest } from '../../common/hbone/hbone.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import { describedWorkload } from '../described-workload.ts';

export function describeClient(
  mesh: MeshView,
  network: string,
  request: Pick<ConnectRequest, 'headers' | 'peerAddress' | 'peerIdentity'>,
): Workload | undefined {
  const valuesOf = (name: string): string[] =>
    request.headers.flatMap(([header, value]) => (header === name ? [value] : []));
  const origin = valuesOf('x-forwarded-network')[0];
  // Addresses of another network may be the same as ours.
  const isLocal = origin === undefined || origin.toLowerCase() === network.toLowerCase();
  const known = isLocal ? mesh.workloadByAddress(network, request.peerAddress.ip) : undefined;
  if (known !== undefined) return known;
  const { peerIdentity } = request;
  const baggage = parseBaggage(valuesOf('baggage'));
  if (baggage.workloadName === '' && baggage.canonicalName === '') return undefined;
  return describedWorkload({
    ...baggage,
    name: '',
    namespace: peerIdentity?.namespace ?? baggage.namespace,
    serviceAccount: peerIdentity?.serviceAccount ?? 'default',
    trustDomain: peerIdentity?.trustDomain ?? 'cluster.local',
    network: origin ?? network,
    node: '',
  });
}
