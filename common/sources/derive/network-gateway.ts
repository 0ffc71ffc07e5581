// Gateways of class istio-remote: how workloads of other networks are reached, and the workloads that stand for them.
// Sent with and without the multi-network feature (fixture 60).

import type { GatewayAddress, Workload, WorkloadUid } from '../../mesh/workload.ts';
import { parseIp } from '../../net/address.ts';
import type { Gateway } from '../kinds/gateway.ts';
import { emptyWorkload } from './empty-workload.ts';

export interface NetworkGateway {
  readonly network: string;
  readonly name: string;
  readonly namespace: string;
  readonly address: GatewayAddress;
}

/** In the order of their names: of two for one network the first is used. */
export function networkGatewaysOf(gateways: readonly Gateway[]): readonly NetworkGateway[] {
  const name = (gateway: NetworkGateway): string => `${gateway.namespace}/${gateway.name}`;
  return gateways.flatMap(networkGatewaysIn).sort((a, b) => (name(a) < name(b) ? -1 : Number(name(a) > name(b))));
}

/** One an address; none for other gateways, and for those without an address, an HBONE listener or a network. */
export function networkGatewaysIn(gateway: Gateway): readonly NetworkGateway[] {
  const { name, namespace, labels } = gateway.object.metadata;
  const network = labels['topology.istio.io/network'];
  const listener = gateway.listeners.find(({ protocol }) => protocol === 'HBONE');
  if (gateway.className !== 'istio-remote' || !network || !listener) return [];
  const addresses = gateway.statusAddresses.length > 0 ? gateway.statusAddresses : gateway.specAddresses;
  return addresses.map(({ value }) => {
    const ip = parseIp(value);
    const hboneMtlsPort = listener.port;
    const address: GatewayAddress =
      ip === undefined
        ? { kind: 'hostname', hostname: { namespace, hostname: value }, hboneMtlsPort }
        : { kind: 'address', address: { network, ip }, hboneMtlsPort };
    return { network, name, namespace, address };
  });
}

export function workloadOfNetworkGateway(gateway: NetworkGateway, trustDomain: string): Workload {
  const { address } = gateway;
  const text = address.kind === 'address' ? address.address.ip : address.hostname.hostname;
  const uid = `NetworkGateway/${gateway.network}/${text}/${address.hboneMtlsPort}`;
  return {
    ...emptyWorkload,
    uid: uid as WorkloadUid,
    name: uid,
    namespace: gateway.namespace,
    network: gateway.network,
    addresses: address.kind === 'address' ? [address.address.ip] : [],
    hostname: address.kind === 'hostname' ? address.hostname.hostname : '',
    serviceAccount: `${gateway.name}-istio-remote`,
    trustDomain,
  };
}
