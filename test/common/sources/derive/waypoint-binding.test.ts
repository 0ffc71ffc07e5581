import t from 'tap';
import type { MeshSnapshot } from '../../../../common/mesh/mesh-source.ts';
import { meshOf } from '../from-yaml.ts';

interface Case {
  readonly namespaceLabels?: string;
  readonly serviceLabels?: string;
  readonly podLabels?: string;
  readonly gatewayLabels?: string;
  readonly from?: string;
}

/** Namespace `shop` with a service, a pod and a waypoint; namespace `edge` with a waypoint of its own. */
function meshWith(parts: Case): MeshSnapshot {
  const gateway = (namespace: string, name: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: ${namespace}, labels: { ${parts.gatewayLabels ?? ''} } }
spec:
  gatewayClassName: istio-waypoint
  listeners: [{ name: mesh, port: 15008, protocol: HBONE, allowedRoutes: { namespaces: { from: ${parts.from ?? 'Same'} } } }]
status: { addresses: [{ type: IPAddress, value: 10.96.0.1 }, { type: Hostname, value: ${name}.${namespace}.svc.cluster.local }] }
`;
  return meshOf(
    [
      `{ apiVersion: v1, kind: Namespace, metadata: { name: shop, labels: { ${parts.namespaceLabels ?? ''} } } }`,
      gateway('shop', 'waypoint'),
      gateway('shop', 'canary'),
      gateway('edge', 'waypoint'),
      `{ apiVersion: v1, kind: Service, metadata: { name: web, namespace: shop, labels: { ${parts.serviceLabels ?? ''} },
         annotations: { istio.io/use-waypoint-canary-weight: "20" } }, spec: { selector: { app: web }, ports: [{ port: 80 }] } }`,
      `{ apiVersion: v1, kind: Pod, metadata: { name: web, namespace: shop, labels: { app: web, ${parts.podLabels ?? ''} } }, status: { podIP: 10.0.0.1 } }`,
    ].join('\n---\n'),
  ).snapshot;
}

/** Hostnames of the waypoints before the service and before the pod. */
function waypoints(parts: Case): readonly (string | undefined)[] {
  const { services, workloads } = meshWith(parts);
  return [services[0]?.waypoint, workloads[0]?.waypoint].map((address) =>
    address?.kind === 'hostname' ? address.hostname.hostname.replace('.svc.cluster.local', '') : undefined,
  );
}

const use = 'istio.io/use-waypoint: waypoint';

t.test("a service has its own label's waypoint, else its namespace's", async (t) => {
  t.same(waypoints({}), [undefined, undefined]);
  t.same(waypoints({ serviceLabels: use }), ['waypoint.shop', undefined]);
  t.same(waypoints({ namespaceLabels: use }), ['waypoint.shop', undefined]);
  t.same(waypoints({ namespaceLabels: use, serviceLabels: 'istio.io/use-waypoint: none' }), [undefined, undefined]);
});

t.test('a name that leads nowhere does not fall back to the namespace', async (t) => {
  t.same(waypoints({ namespaceLabels: use, serviceLabels: 'istio.io/use-waypoint: absent' }), [undefined, undefined]);
  t.same(waypoints({ namespaceLabels: use, serviceLabels: 'istio.io/use-waypoint: ""' }), [undefined, undefined]);
});

t.test('a waypoint is before what it is for', async (t) => {
  const labels = { namespaceLabels: use, gatewayLabels: 'istio.io/waypoint-for: workload' };
  t.same(waypoints(labels), [undefined, 'waypoint.shop']);
  t.same(waypoints({ ...labels, gatewayLabels: 'istio.io/waypoint-for: all' }), ['waypoint.shop', 'waypoint.shop']);
  t.same(waypoints({ ...labels, gatewayLabels: 'istio.io/waypoint-for: none' }), [undefined, undefined]);
  t.same(waypoints({ podLabels: use }), [undefined, undefined]);
});

t.test('a waypoint of another namespace is used only where it admits this one', async (t) => {
  const serviceLabels = `${use}, istio.io/use-waypoint-namespace: edge`;
  t.same(waypoints({ serviceLabels }), [undefined, undefined]);
  t.same(waypoints({ serviceLabels, from: 'All' }), ['waypoint.edge', undefined]);
});

t.test('an instance of the waypoint stands behind none', async (t) => {
  const gatewayLabels = 'istio.io/waypoint-for: all';
  const podLabels = 'gateway.networking.k8s.io/gateway-name: waypoint';
  t.same(waypoints({ namespaceLabels: use, gatewayLabels, podLabels }), ['waypoint.shop', undefined]);
});

t.test('a canary shares the traffic by its weight', async (t) => {
  const canary = 'istio.io/use-waypoint-canary: canary';
  const shares = (serviceLabels: string): unknown =>
    meshWith({ serviceLabels }).services[0]?.weightedWaypoints.map(({ weight }) => weight);
  t.same(shares(`${use}, ${canary}`), [80, 20]);
  t.same(shares(`${use}, istio.io/use-waypoint-canary: absent`), []);
  t.same(shares(`${use}, istio.io/use-waypoint-canary: waypoint`), [], 'a waypoint is no canary of itself');
});
