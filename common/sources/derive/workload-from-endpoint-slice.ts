// EndpointSlice → workloads for those of its endpoints that are no pods (pods stand for themselves).
// They have no account, hence no identity, and are found through their service only. Source: istio-control.md §3.6.
import type { ServicePort, Workload, WorkloadUid } from '../../mesh/workload.ts';
import type { EndpointSlice } from '../kinds/endpoint-slice.ts';
import { type Derivation, networkGatewayFor } from './derivation.ts';
import { emptyWorkload } from './empty-workload.ts';
import type { SelectingService } from './membership.ts';

export function workloadsFromEndpointSlice(
  slice: EndpointSlice,
  service: SelectingService,
  derivation: Derivation,
): readonly Workload[] {
  if (slice.addressType !== 'IPv4' && slice.addressType !== 'IPv6') return [];
  const { name, namespace } = slice.object.metadata;
  const { settings, network } = derivation;
  const services = new Map([[service.key, portsOf(slice, service)]]);
  return slice.endpoints
    .filter((endpoint) => endpoint.target?.kind !== 'Pod')
    .flatMap((endpoint) =>
      endpoint.addresses.map((ip) => ({
        ...emptyWorkload,
        uid: `${settings.clusterId}/discovery.k8s.io/EndpointSlice/${namespace}/${name}/${ip}` as WorkloadUid,
        name,
        namespace,
        addresses: [ip],
        network,
        networkGateway: networkGatewayFor(network, derivation),
        trustDomain: settings.trustDomain,
        services,
        status: endpoint.ready ? 'healthy' : 'unhealthy',
        clusterId: settings.clusterId,
        networkMode: 'host-network',
      })),
    );
}

/** Ports of the slice and of the service meet by name, TCP only. */
function portsOf(slice: EndpointSlice, service: SelectingService): readonly ServicePort[] {
  return slice.ports.flatMap(({ name, port, protocol }): ServicePort[] => {
    const servicePort = service.ports.find((candidate) => candidate.name === name)?.servicePort;
    if (protocol !== 'TCP' || port === undefined || servicePort === undefined) return [];
    return [{ servicePort, targetPort: port, appProtocol: 'unknown' }];
  });
}
