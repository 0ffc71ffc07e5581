// What a cluster would hold for some manifests.
import t from 'tap';
import { parseManifest } from '../../../../common/sources/manifests/manifest-parser.ts';
import {
  type Cluster,
  type ClusterSettings,
  emptyClusterAllocation,
  materialize,
  type PodState,
} from '../../../../deploy/local/materialize/materialize.ts';

const settings: ClusterSettings = {
  podRange: { prefix: '10.244', firstHost: 2 },
  serviceRange: { prefix: '10.96', firstHost: 1 },
  nodeName: 'node',
  nodeIp: '10.244.0.1',
  clusterDomain: 'cluster.local',
  addressPrefix: '',
};

function cluster(yaml: string, previous?: Cluster, states: ReadonlyMap<string, PodState> = new Map()): Cluster {
  const { objects } = parseManifest(yaml, 'test.yaml');
  return materialize(objects, states, previous?.allocation ?? emptyClusterAllocation, settings);
}

const deployment = (image: string, replicas = 2) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: ${replicas}
  template:
    metadata: { labels: { app: web } }
    spec:
      serviceAccountName: seller
      containers:
        - { name: web, image: "${image}", ports: [{ containerPort: 80 }, { containerPort: 53, protocol: UDP }] }
---
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
`;

t.test('a Deployment has pods by way of a ReplicaSet, with addresses, owner, and the mark of enrolment', async (t) => {
  const { objects, pods, problems } = cluster(deployment('nginx:1'));
  t.same(problems, []);
  t.equal(pods.length, 2);
  const pod = objects.find((object) => object.kind === 'Pod');
  const hash = pod?.metadata.labels?.['pod-template-hash'] ?? '';
  t.match(hash, /^[a-z0-9]{10}$/);
  t.match(pod?.metadata.name, new RegExp(`^web-${hash}-[a-z0-9]{5}$`));
  t.match(pod, {
    metadata: {
      generateName: `web-${hash}-`,
      namespace: 'shop',
      labels: { app: 'web' },
      annotations: { 'ambient.istio.io/redirection': 'enabled' },
      ownerReferences: [{ kind: 'ReplicaSet', name: `web-${hash}`, controller: true }],
    },
    spec: { nodeName: 'node', serviceAccountName: 'seller' },
    status: { phase: 'Pending', podIP: '10.244.0.2', conditions: [{ type: 'Ready', status: 'False' }] },
  });
  t.match(pods[0], { workload: 'web', serviceAccount: 'seller', containers: [{ image: 'nginx:1', ports: [80] }] });
});

t.test('the same manifests give the same pods; another template gives others', async (t) => {
  const first = cluster(deployment('nginx:1'));
  const again = cluster(deployment('nginx:1'), first);
  t.same(again.objects, first.objects);
  const scaled = cluster(deployment('nginx:1', 3), first);
  t.same(
    scaled.pods.slice(0, 2).map((pod) => pod.uid),
    first.pods.map((pod) => pod.uid),
  );
  const edited = cluster(deployment('nginx:2'), first);
  t.notOk(edited.pods.some((pod) => first.pods.some((before) => before.uid === pod.uid || before.ip === pod.ip)));
});

t.test('a pod is Ready when it is told so', async (t) => {
  const first = cluster(deployment('nginx:1', 1));
  const states = new Map<string, PodState>([[first.pods[0]?.uid ?? '', 'ready']]);
  const { objects } = cluster(deployment('nginx:1', 1), first, states);
  const pod = objects.find((object) => object.kind === 'Pod');
  t.match(pod, { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } });
});

t.test('StatefulSets count, DaemonSets have one pod, Jobs know their name, bare pods stay as they are', async (t) => {
  const template = '{ metadata: { labels: { a: b } }, spec: { containers: [] } }';
  const { pods, objects } = cluster(`
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db }
spec: { replicas: 2, template: ${template} }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent }
spec: { template: ${template} }
---
apiVersion: batch/v1
kind: Job
metadata: { name: once }
spec: { template: { spec: { restartPolicy: Never, containers: [] } } }
---
apiVersion: v1
kind: Pod
metadata: { name: alone }
spec: { containers: [] }
`);
  const names = pods.map((pod) => pod.name);
  t.match(names, ['db-0', 'db-1', /^agent-.{5}$/, /^once-.{5}$/, 'alone']);
  t.same(
    pods.map((pod) => pod.workload),
    ['db', 'db', 'agent', 'once', 'alone'],
  );
  t.equal(pods[3]?.restartPolicy, 'Never');
  t.match(
    objects.find((object) => object.metadata.name === 'db-0'),
    { metadata: { labels: { 'apps.kubernetes.io/pod-index': '0' } } },
  );
});

t.test('what one object of the manifests would make is not made twice', async (t) => {
  const { pods } = cluster(`${deployment('nginx:1', 1)}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: { name: web-abc, namespace: shop, ownerReferences: [{ kind: Deployment, name: web, controller: true }] }
spec: { template: { spec: { containers: [] } } }
---
apiVersion: v1
kind: Pod
metadata: { name: web-abc-x, namespace: shop, ownerReferences: [{ kind: ReplicaSet, name: web-abc, controller: true }] }
spec: { containers: [] }
`);
  t.equal(pods.length, 1);
});

t.test('services get cluster IPs, except headless ones and external names', async (t) => {
  const { objects } = cluster(`
apiVersion: v1
kind: Service
metadata: { name: a }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: b }
spec: { clusterIP: 10.96.7.7 }
---
apiVersion: v1
kind: Service
metadata: { name: c }
spec: { clusterIP: None }
---
apiVersion: v1
kind: Service
metadata: { name: d }
spec: { type: ExternalName, externalName: example.com }
`);
  const ips = objects
    .filter(({ kind }) => kind === 'Service')
    .map((service) => Reflect.get(Object(service['spec']), 'clusterIP'));
  t.same(ips, ['10.96.0.1', '10.96.7.7', 'None', undefined]);
});

t.test('a namespace that is used but not declared is there, without labels', async (t) => {
  const { objects } = cluster('{ apiVersion: v1, kind: Service, metadata: { name: a, namespace: late } }');
  t.same(
    objects.filter(({ kind }) => kind === 'Namespace'),
    [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'late' } }],
  );
});

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: way, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
`;

t.test('a Gateway of class istio-waypoint has account, service, pod and address', async (t) => {
  const { objects, pods } = cluster(gateway);
  const of = (kind: string) => objects.find((object) => object.kind === kind);
  t.match(of('ServiceAccount'), { metadata: { name: 'way', namespace: 'shop' } });
  t.match(of('Service'), {
    metadata: { name: 'way', labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller' } },
    spec: { clusterIP: '10.96.0.1', selector: { 'gateway.networking.k8s.io/gateway-name': 'way' } },
  });
  t.match(of('Gateway'), {
    status: {
      addresses: [
        { type: 'IPAddress', value: '10.96.0.1' },
        { type: 'Hostname', value: 'way.shop.svc.cluster.local' },
      ],
    },
  });
  t.match(of('Pod'), {
    metadata: {
      name: /^way-.{10}-.{5}$/,
      labels: { 'istio.io/dataplane-mode': 'none', 'gateway.networking.k8s.io/gateway-name': 'way' },
    },
    spec: {
      serviceAccountName: 'way',
      containers: [{ ports: [{}, {}, { name: 'http-envoy-prom', containerPort: 15090 }] }],
    },
  });
  t.match(pods, [
    { role: { kind: 'waypoint', gateway: 'way' }, workload: 'way', enrollment: { kind: 'not-enrolled' } },
  ]);
});

t.test('a Gateway of another class is left alone', async (t) => {
  const { pods, objects } = cluster(gateway.replace('istio-waypoint', 'istio'));
  t.same(pods, []);
  t.equal(objects.find(({ kind }) => kind === 'Gateway')?.['status'], undefined);
});

t.test('two pods with one address: the later one is not started, and told where it stands', async (t) => {
  const pod = (name: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec: { containers: [] }
status: { podIP: 10.244.3.3 }
`;
  const { pods, problems } = cluster(`${pod('one')}---${pod('two')}`);
  t.same(
    pods.map(({ name, ip }) => [name, ip]),
    [['one', '10.244.3.3']],
  );
  t.match(problems, [{ file: 'test.yaml', line: /^\d+$/, object: 'Pod default/two', severity: 'error' }]);
});
