// Workloads, services and policies with every field drawn at random from few values, so that names, addresses and keys
// collide as they do in a mesh that changes. In: randomness in [0, 1). Out: objects and updates.
import type { AuthorizationPolicy } from '../../common/mesh/authorization-policy.ts';
import type { MeshUpdate } from '../../common/mesh/mesh-source.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { GatewayAddress, ServicePort, Workload, WorkloadUid } from '../../common/mesh/workload.ts';
import type { IpAddress } from '../../common/net/address.ts';
import { at } from './mesh-objects.ts';

export interface RandomMesh {
  workload(): Workload;
  service(): Service;
  policy(): AuthorizationPolicy;
  update(): MeshUpdate;
  one<T>(values: readonly T[]): T;
}

export const networks = ['', 'other'] as const;
export const namespaces = ['default', 'shop', 'größe'] as const;
export const hostnames = ['', 'a.example', 'b.example', 'c.example'] as const;
export const names = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
export const nodes = ['', 'one', 'two'] as const;
export const addresses: readonly IpAddress[] = [
  '10.0.0.1',
  '10.0.0.2',
  '10.0.1.3',
  '10.9.0.4',
  'fd00::1',
  'fd00:1::2',
].map(at);
const prefixes = [8, 16, 24, 32, 64, 128] as const;
const keys = namespaces.flatMap((namespace) => hostnames.slice(1).map((hostname) => `${namespace}/${hostname}`));
const policyKeys = namespaces.flatMap((namespace) => names.slice(0, 3).map((name) => `${namespace}/${name}`));

export function randomMesh(random: () => number): RandomMesh {
  const one = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const some = <T>(values: readonly T[], most: number): T[] =>
    Array.from({ length: Math.floor(random() * (most + 1)) }, () => one(values));
  const either = (): boolean => random() < 0.5;
  const portList = (): ServicePort[] =>
    some([80, 443, 65_535], 2).map((servicePort) => ({
      servicePort,
      targetPort: one([0, 8080, servicePort]),
      appProtocol: one(['unknown', 'http11', 'http2', 'grpc', 'tcp', 'tls']),
    }));
  const gateway = (): GatewayAddress | undefined => {
    if (either()) return undefined;
    if (either())
      return { kind: 'address', address: { network: one(networks), ip: one(addresses) }, hboneMtlsPort: 15_008 };
    return {
      kind: 'hostname',
      hostname: { namespace: one(namespaces), hostname: one(hostnames) },
      hboneMtlsPort: 15_008,
    };
  };
  const uid = (): WorkloadUid =>
    (either() ? `cluster//Pod/${one(namespaces)}/${one(names)}` : `other/${one(names)}`) as WorkloadUid;

  function workload(): Workload {
    const whole: Required<Workload> = {
      uid: uid(),
      name: one(names),
      namespace: one(namespaces),
      addresses: some(addresses, 2),
      hostname: one(hostnames),
      network: one(networks),
      tunnelProtocol: one(['none', 'hbone', 'istio-mtls']),
      plaintextPorts: some([80, 9090], 2),
      trustDomain: one(['cluster.local', 'other.example']),
      serviceAccount: one(names),
      waypoint: gateway(),
      networkGateway: gateway(),
      node: one(nodes),
      canonicalName: one(names),
      canonicalRevision: one(['v1', 'v2', '']),
      workloadType: one(['deployment', 'cronjob', 'pod', 'job']),
      workloadName: one(names),
      nativeTunnel: either(),
      applicationTunnel: either() ? undefined : { protocol: one(['none', 'proxy']), port: one([0, 15_088]) },
      services: new Map(some(keys, 3).map((key) => [key, portList()])),
      authorizationPolicies: [...new Set(some(policyKeys, 2))],
      status: one(['healthy', 'unhealthy']),
      clusterId: one(['cluster', 'far']),
      locality: either() ? undefined : { region: one(['r', '']), zone: one(['z1', 'z2']), subzone: '' },
      networkMode: one(['standard', 'standard', 'host-network']),
      capacity: one([0, 1, 4_000_000_000]),
      labels: Object.fromEntries(some(names, 2).map((name) => [name, one(['', 'yes', 'ü'])])),
    };
    if (either()) return whole;
    const { labels: _, ...without } = whole;
    return without;
  }

  function service(): Service {
    const whole: Required<Service> = {
      name: one(names),
      namespace: one(namespaces),
      hostname: one(hostnames.slice(1)),
      addresses: some(addresses, 3).map((ip) => ({
        network: one(networks),
        ip,
        ...(either() ? {} : { prefixLength: one(prefixes) }),
      })),
      ports: portList(),
      subjectAltNames: some(['spiffe://a/b', 'dns'], 2),
      waypoint: gateway(),
      weightedWaypoints: some([1, 99], 2).flatMap((weight) => {
        const destination = gateway();
        return destination === undefined ? [] : [{ destination, weight }];
      }),
      loadBalancing: either()
        ? undefined
        : {
            mode: one(['standard', 'strict', 'failover', 'passthrough']),
            routingPreference: some(['region', 'zone', 'subzone', 'node', 'cluster', 'network'], 3),
            healthPolicy: one(['only-healthy', 'allow-all']),
          },
      ipFamilies: one(['automatic', 'ipv4', 'ipv6', 'dual']),
      canonical: either(),
      ingressUseWaypoint: either(),
      visibility: one(['public', 'namespace']),
    };
    return whole;
  }

  function policy(): AuthorizationPolicy {
    return {
      name: one(names.slice(0, 3)),
      namespace: one(namespaces),
      scope: one(['global', 'namespace', 'workload-selector']),
      action: one(['allow', 'deny']),
      rules: some([[[{ destinationPorts: [80] }]], [[{ principals: [{ kind: 'exact', value: 'ü' }] }]], [[]]], 2),
      dryRun: either(),
    };
  }

  return {
    workload,
    service,
    policy,
    one,
    update: () => ({
      workloads: Array.from({ length: Math.floor(random() * 4) }, workload),
      services: Array.from({ length: Math.floor(random() * 3) }, service),
      policies: Array.from({ length: Math.floor(random() * 2) }, policy),
      removedWorkloads: Array.from({ length: Math.floor(random() * 3) }, uid),
      removedServices: some(keys, 1),
      removedPolicies: some(policyKeys, 1),
    }),
  };
}
