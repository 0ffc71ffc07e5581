import t from 'tap';
import { validateManifests } from '../../../../common/sources/manifests/validate-manifests.ts';
import { formatResourceProblem } from '../../../../common/sources/resource-problem.ts';
import { readResources } from '../../../../common/sources/resources.ts';
import { objectsOf } from '../from-yaml.ts';

function problemsOf(...documents: readonly string[]): readonly string[] {
  const objects = objectsOf(documents.join('\n---\n'));
  return validateManifests(objects, readResources(objects, 'istio-system').resources).map(formatResourceProblem);
}

const gateway =
  '{ apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: { name: wp, namespace: shop }, spec: { gatewayClassName: istio-waypoint } }';
const pod = (name: string, more = '', status = 'podIP: 10.0.0.1'): string =>
  `{ apiVersion: v1, kind: Pod, metadata: { name: ${name}, namespace: shop, labels: { app: web } }, spec: { ${more} containers: [{ ports: [{ name: http, containerPort: 8080 }] }] }, status: { ${status} } }`;
const service = (selector: string, targetPort: string): string =>
  `{ apiVersion: v1, kind: Service, metadata: { name: web, namespace: shop }, spec: { selector: { app: ${selector} }, ports: [{ port: 80, targetPort: ${targetPort} }] } }`;

t.test('nothing is said of manifests that fit together', async (t) => {
  const namespace =
    '{ apiVersion: v1, kind: Namespace, metadata: { name: shop, labels: { istio.io/use-waypoint: wp } } }';
  t.same(problemsOf(namespace, gateway, pod('a'), service('web', 'http')), []);
});

t.test('a waypoint that is no Gateway is told, with the name it should have', async (t) => {
  const [problem, ...more] = problemsOf(
    '{ apiVersion: v1, kind: Namespace, metadata: { name: shop, labels: { istio.io/use-waypoint: pw } } }',
    gateway,
  );
  t.match(
    problem,
    /^test\.yaml:1: Namespace shop: .*names the waypoint shop\/pw, and there is no such Gateway, so that traffic goes on without a waypoint; add a Gateway/,
  );
  t.same(more, []);
  t.same(
    problemsOf('{ apiVersion: v1, kind: Service, metadata: { name: s, labels: { istio.io/use-waypoint: none } } }'),
    [],
  );
});

t.test('a waypoint that does not take what names it is told, for the traffic goes past it', async (t) => {
  const gatewayWith = (labels: string, from: string): string =>
    `{ apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: { name: wp, namespace: shop, labels: { ${labels} } }, spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE, allowedRoutes: { namespaces: { from: ${from} } } }] } }`;
  const labels = '{ istio.io/use-waypoint: wp, istio.io/use-waypoint-namespace: shop }';
  const namespace = `{ apiVersion: v1, kind: Namespace, metadata: { name: other, labels: ${labels} } }`;
  t.match(problemsOf(gatewayWith('', 'Same'), namespace), [
    /Namespace other: .*waypoint shop\/wp, which does not admit namespace other, so that traffic goes on without a waypoint; let allowedRoutes/,
  ]);
  t.same(problemsOf(gatewayWith('', 'All'), namespace), []);

  const ofService = service('web', 'http').replace('namespace: shop }', `namespace: shop, labels: ${labels} }`);
  t.match(problemsOf(gatewayWith('istio.io/waypoint-for: workload', 'Same'), pod('a'), ofService), [
    /Service shop\/web: .*waypoint shop\/wp, which is for "workload" and not for services, so that traffic/,
  ]);
  t.same(problemsOf(gatewayWith('istio.io/waypoint-for: all', 'Same'), pod('a'), ofService), []);
});

t.test('two pods with one address are told, the second by name', async (t) => {
  t.match(problemsOf(pod('a'), pod('b')), [
    /Pod shop\/b: status\.podIPs has the address 10\.0\.0\.1, which Pod shop\/a has already/,
  ]);
  t.same(problemsOf(pod('a', 'hostNetwork: true,'), pod('b', 'hostNetwork: true,')), []);
  t.same(problemsOf(pod('a', '', 'podIP: 10.0.0.1, phase: Succeeded'), pod('b')), []);
});

t.test('a service that selects no pod is told', async (t) => {
  t.match(problemsOf(pod('a'), service('wbe', 'http')), [
    /Service shop\/web: spec\.selector selects no pod \(app=wbe\)/,
  ]);
});

t.test('a named target port that no container has is told, also where pods are still templates', async (t) => {
  t.match(problemsOf(pod('a'), service('web', 'htpp')), [/spec\.ports\[0\]\.targetPort is "htpp", and no container/]);
  const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec: { template: { metadata: { labels: { app: web } }, spec: { containers: [{ ports: [{ name: http, containerPort: 1 }] }] } } }`;
  t.same(problemsOf(deployment, service('web', 'http')), []);
  t.match(problemsOf(deployment, service('web', 'grpc')), [/is "grpc"/]);
  t.match(problemsOf(deployment.replace('containerPort: 1', 'containerPort: x')), [
    /Deployment shop\/web: .*containerPort is "x"/,
  ]);
});

t.test('targetRefs to a Gateway that is not there are told', async (t) => {
  const plugin = (kind: string, name: string): string =>
    `{ apiVersion: extensions.istio.io/v1alpha1, kind: ${kind}, metadata: { name: p, namespace: shop }, spec: { targetRefs: [{ kind: Gateway, name: ${name} }] } }`;
  for (const kind of ['WasmPlugin', 'Telemetry', 'AuthorizationPolicy']) {
    t.match(problemsOf(gateway, plugin(kind, 'pw')), [
      /spec\.targetRefs\[0\] is for the Gateway shop\/pw, which does not exist/,
    ]);
    t.same(problemsOf(gateway, plugin(kind, 'wp')), []);
  }
});
