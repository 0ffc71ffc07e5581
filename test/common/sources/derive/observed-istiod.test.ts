// Facts seen on a real istiod (istio/istio 86c9f01fd735) where it is easily got wrong, one a test, in small form: what it derived
// for these objects. The last tests say where the mesh is deliberately another, and why.
import t from 'tap';
import { wdsJson } from '../../../../common/sources/derive/wds-json.ts';
import { meshOf } from '../from-yaml.ts';

type Json = Readonly<Record<string, unknown>>;

/** What is sent of the name: a workload, service or policy, as in `wds.json`. */
function sent(name: string, ...documents: readonly string[]): Json {
  const json = wdsJson(meshOf(documents.join('\n---\n')).snapshot);
  const resources = [...json['istio.workload.Address'], ...json['istio.security.Authorization']];
  const found = resources.find((resource) => resource.name === name)?.resource as Json | undefined;
  return ((found?.['workload'] ?? found?.['service'] ?? found) as Json | undefined) ?? {};
}

const pod = (namespace: string, metadata: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: ${namespace}, ${metadata} }
status: { phase: Running, podIP: 10.0.0.1 }`;
const service = (more = ''): string => `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: a${more} }
spec: { ports: [{ name: http, port: 80 }] }`;
const slice = (target: string): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: a, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints: [{ addresses: [10.0.0.1], targetRef: { kind: Pod, ${target} } }]`;
const waypoint = (name: string, traffic = 'all'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: a, labels: { istio.io/waypoint-for: ${traffic} } }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: IPAddress, value: 10.96.0.${name.length} }] }`;
const entry = (kind: string, name: string, spec: string, metadata = ''): string => `
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: a${metadata} }
spec: { ${spec} }`;
const policy = (spec: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: a }
spec: { ${spec} }`;
const external = (more: string): string =>
  `hosts: [x.example], resolution: STATIC, ports: [{ number: 80, name: http }], ${more}`;

t.test('a slice names a pod by namespace, name and uid together, in any namespace', async (t) => {
  const inOther = 'Kubernetes//Pod/b/web';
  const services = (target: string) => sent(inOther, pod('b', 'uid: one'), service(), slice(target))['services'];
  t.ok(services('namespace: b, name: web, uid: one'));
  t.notOk(services('namespace: b, name: web, uid: another'), 'of a pod before it');
  t.notOk(services('namespace: b, name: web'));
  t.notOk(services('name: web, uid: one'), "the slice's namespace is not meant");
});

t.test('an entry that is an instance of a waypoint stands behind none', async (t) => {
  const labels = 'labels: { gateway.networking.k8s.io/gateway-name: wp, istio.io/use-waypoint: wp }';
  const vm = entry('WorkloadEntry', 'vm', `address: 192.0.2.1, ${labels}`);
  t.notOk(sent('Kubernetes/networking.istio.io/WorkloadEntry/a/vm', waypoint('wp'), vm)['waypoint']);
  const out = entry('ServiceEntry', 'out', external(`endpoints: [{ address: 192.0.2.2, ${labels} }]`));
  t.notOk(sent('Kubernetes/networking.istio.io/ServiceEntry/a/out/192.0.2.2', waypoint('wp'), out)['waypoint']);
});

t.test('an entry without an address is sent, for its network', async (t) => {
  const vm = entry('WorkloadEntry', 'vm', 'network: other');
  const workload = sent('Kubernetes/networking.istio.io/WorkloadEntry/a/vm', vm);
  t.match(workload, { network: 'other' });
  t.notOk(workload['addresses'] ?? workload['hostname']);
  const out = entry('ServiceEntry', 'out', external('endpoints: [{ network: other }]'));
  t.match(sent('Kubernetes/networking.istio.io/ServiceEntry/a/out/', out), { network: 'other' });
});

t.test('a range of one address is that address; a range of all keeps its length of nought', async (t) => {
  const out = entry('ServiceEntry', 'out', external('addresses: [203.0.113.1/32, 10.1.2.3/8, 0.0.0.0/0]'));
  t.strictSame(sent('a/x.example', out)['addresses'], [
    { address: '203.0.113.1' },
    { address: '10.0.0.0', length: 8 },
    { address: '0.0.0.0', length: 0 },
  ]);
});

t.test('a range of a policy is sent as it is written', async (t) => {
  const { groups } = sent('a/p', policy('rules: [{ from: [{ source: { ipBlocks: [10.1.2.3/8, "::/0"] } }] }]'));
  const sourceIps = [{ address: '10.1.2.3', length: 8 }, { address: '::' }];
  t.strictSame(groups, [{ rules: [{ matches: [{ sourceIps }] }] }]);
});

t.test('an empty traffic distribution leaves the word to the namespace', async (t) => {
  const namespace =
    '{ apiVersion: v1, kind: Namespace, metadata: { name: a, annotations: { networking.istio.io/traffic-distribution: PreferClose } } }';
  const empty = service(', annotations: { networking.istio.io/traffic-distribution: "" }');
  t.match(sent('a/web.a.svc.cluster.local', namespace, empty)['loadBalancing'], { mode: 'FAILOVER' });
});

t.test('each address of a gateway to another network is a workload', async (t) => {
  const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: far, namespace: a, labels: { topology.istio.io/network: n2 } }
spec:
  gatewayClassName: istio-remote
  addresses: [{ type: IPAddress, value: 203.0.113.1 }, { type: IPAddress, value: 203.0.113.2 }]
  listeners: [{ name: x, port: 15008, protocol: HBONE }]`;
  for (const ip of ['203.0.113.1', '203.0.113.2']) {
    t.match(sent(`NetworkGateway/n2/${ip}/15008`, gateway), { addresses: [ip] });
  }
});

t.test("a canary and its weight are the object's own, else the namespace's whose waypoint it has", async (t) => {
  const canary = 'istio.io/use-waypoint-canary';
  const namespace = `{ apiVersion: v1, kind: Namespace, metadata: { name: a, labels: { istio.io/use-waypoint: wp, ${canary}: one }, annotations: { ${canary}-weight: "30" } } }`;
  const waypoints = [waypoint('wp'), waypoint('one'), waypoint('three')];
  const weights = (metadata: string) => {
    const sentService = sent('a/web.a.svc.cluster.local', namespace, ...waypoints, service(`, ${metadata}`));
    const list = (sentService['weightedWaypoints'] ?? []) as readonly {
      destination: { address: { address: string } };
      weight?: number;
    }[];
    return list.map(({ destination, weight }) => [destination.address.address, weight]);
  };
  const [wp, one, three] = ['10.96.0.2', '10.96.0.3', '10.96.0.5'];
  const inherited = [
    [wp, 70],
    [one, 30],
  ];
  t.strictSame(weights('labels: {}'), inherited);
  t.strictSame(weights(`labels: { ${canary}: three }`), [
    [wp, 70],
    [three, 30],
  ]);
  t.strictSame(weights(`annotations: { ${canary}-weight: "+07" }`), [
    [wp, 93],
    [one, 7],
  ]);
  t.strictSame(weights(`annotations: { ${canary}-weight: "0" }`), [
    [wp, 100],
    [one, undefined],
  ]);
  t.strictSame(weights(`labels: { ${canary}: none }`), []);
  t.strictSame(weights(`annotations: { ${canary}-weight: "" }`), []);
  t.strictSame(weights('labels: { istio.io/use-waypoint: wp }'), [], 'whoever names a waypoint inherits no canary');
});

t.test('trust domains of a source are not seen by a ztunnel', async (t) => {
  const deny = policy('action: DENY, rules: [{ from: [{ source: { trustDomains: [x], namespaces: [b] } }] }]');
  t.strictSame(sent('a/p', deny)['groups'], [{ rules: [{ matches: [{ namespaces: [{ exact: 'b' }] }] }] }]);
  const only = policy('rules: [{ from: [{ source: { trustDomains: [x] } }] }]');
  t.strictSame(sent('a/p', only)['groups'], [{ rules: [{ matches: [{}] }] }]);
});

t.test(
  'in ALLOW a source with trust domains matches nothing: istiod leaves them out, which lets others in',
  async (t) => {
    const allow = policy('rules: [{ from: [{ source: { notTrustDomains: [x], namespaces: [b] } }] }]');
    t.strictSame(sent('a/p', allow)['groups'], [{ rules: [{ matches: [{}] }] }]);
  },
);

t.test('a pod without labels is selected by no policy: for istiod, by every one', async (t) => {
  const selecting = policy('selector: { matchLabels: { app: web } }, rules: []');
  t.notOk(sent('Kubernetes//Pod/a/web', pod('a', 'uid: one'), selecting)['authorizationPolicies']);
});
