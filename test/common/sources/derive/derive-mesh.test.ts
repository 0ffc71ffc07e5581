import t from 'tap';
import { meshOf } from '../from-yaml.ts';

const podAndService = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Node
metadata: { name: n1, labels: { topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z1 } }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web, version: v2 }, annotations: { ambient.istio.io/redirection: enabled } }
spec:
  nodeName: n1
  serviceAccountName: shopkeeper
  containers: [{ name: c, ports: [{ name: http, containerPort: 8080 }, { name: dns, containerPort: 53, protocol: UDP }] }]
status: { phase: Running, podIPs: [{ ip: 10.0.0.1 }, { ip: "fd00::1" }], conditions: [{ type: Ready, status: "True" }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  selector: { app: web }
  clusterIP: 10.96.0.10
  ports: [{ name: http-web, port: 80, targetPort: http }, { name: dns, port: 53, targetPort: dns }, { port: 90 }]
`;

t.test('a pod is a workload with addresses, identity, names and place', async (t) => {
  t.match(meshOf(podAndService).snapshot.workloads, [
    {
      uid: 'Kubernetes//Pod/shop/web',
      addresses: ['10.0.0.1', 'fd00::1'],
      tunnelProtocol: 'hbone',
      trustDomain: 'cluster.local',
      serviceAccount: 'shopkeeper',
      node: 'n1',
      canonicalName: 'web',
      canonicalRevision: 'v2',
      workloadType: 'pod',
      status: 'healthy',
      locality: { region: 'r1', zone: 'z1', subzone: '' },
    },
  ]);
});

t.test('a named target port is found for each workload, or left out for it', async (t) => {
  const { workloads, services } = meshOf(podAndService).snapshot;
  t.strictSame(workloads[0]?.services.get('shop/web.shop.svc.cluster.local'), [
    { servicePort: 80, targetPort: 8080, appProtocol: 'unknown' },
    { servicePort: 90, targetPort: 90, appProtocol: 'unknown' },
  ]);
  t.strictSame(services[0]?.ports, [
    { servicePort: 80, targetPort: 0, appProtocol: 'http11' },
    { servicePort: 53, targetPort: 0, appProtocol: 'tcp' },
    { servicePort: 90, targetPort: 90, appProtocol: 'unknown' },
  ]);
});

t.test('pods that have ended or have no address are no workloads', async (t) => {
  for (const status of ['phase: Succeeded', 'phase: Failed']) {
    t.same(meshOf(podAndService.replace('phase: Running', status)).snapshot.workloads, []);
  }
  t.same(meshOf(podAndService.replace(/podIPs: \[.*?\}\], /, '')).snapshot.workloads, []);
});

t.test('names of trust domain, cluster and domain come from the settings', async (t) => {
  const settings = { trustDomain: 'example.org', clusterId: 'laptop', domainSuffix: 'example.local' };
  const { workloads, services } = meshOf(podAndService, settings).snapshot;
  t.match(workloads[0], { uid: 'laptop//Pod/shop/web', clusterId: 'laptop', trustDomain: 'example.org' });
  t.equal(services[0]?.hostname, 'web.shop.svc.example.local');
});

t.test('an endpoint slice gives a service without selector its endpoints, pods among them', async (t) => {
  const { workloads } = meshOf(`
${podAndService}
---
{ apiVersion: v1, kind: Service, metadata: { name: manual, namespace: shop }, spec: { ports: [{ name: http, port: 80 }] } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: manual-1, namespace: shop, labels: { kubernetes.io/service-name: manual } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints:
  - { addresses: [192.0.2.1], conditions: { ready: false } }
  - { addresses: [10.0.0.1], targetRef: { kind: Pod, name: web, namespace: shop } }
`).snapshot;
  const key = 'shop/manual.shop.svc.cluster.local';
  t.match(workloads, [
    { uid: 'Kubernetes//Pod/shop/web' },
    {
      uid: 'Kubernetes/discovery.k8s.io/EndpointSlice/shop/manual-1/192.0.2.1',
      status: 'unhealthy',
      networkMode: 'host-network',
    },
  ]);
  t.strictSame(
    workloads.map((workload) => workload.services.get(key)?.[0]?.targetPort),
    [80, 8080],
  );
});

t.test('one selecting policy is named by the workloads it selects', async (t) => {
  const policy = (namespace: string, labels: string): string => `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: gate, namespace: ${namespace} }
spec: { selector: { matchLabels: { ${labels} } } }
`;
  const named = (text: string): unknown => meshOf(podAndService + text).snapshot.workloads[0]?.authorizationPolicies;
  t.same(named(policy('shop', 'app: web')), ['shop/gate']);
  t.same(named(policy('istio-system', 'app: web')), ['istio-system/gate']);
  t.same(named(policy('other', 'app: web')), []);
  t.same(named(policy('shop', 'app: web, tier: gold')), []);
});
