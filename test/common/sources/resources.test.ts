import t from 'tap';
import { formatResourceProblem } from '../../../common/sources/resource-problem.ts';
import { readResources } from '../../../common/sources/resources.ts';
import { meshOf, objectsOf } from './from-yaml.ts';

const service = (port: string): string => `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { ports: [{ port: ${port} }] }
`;
const other = `
---
apiVersion: v1
kind: Service
metadata: { name: other, namespace: shop }
spec: { ports: [{ port: 81 }] }
`;

t.test(
  'an object with a malformed field is left out, alone, and told with file, line, object, field and remedy',
  async (t) => {
    const { resources, problems } = readResources(objectsOf(service('http') + other), 'istio-system');
    t.same(
      resources.services.map(({ object }) => object.metadata.name),
      ['other'],
    );
    t.same(problems.map(formatResourceProblem), [
      'test.yaml:2: Service shop/web: spec.ports[0].port is "http", not a whole number from 1 to 65535; ' +
        'write such a number without quotes (it is left out until then)',
    ]);
  },
);

t.test('its last good version is used where there is one', async (t) => {
  const before = readResources(objectsOf(service('80')), 'istio-system');
  const after = readResources(objectsOf(service('http')), 'istio-system', before.lastGood);
  t.equal(after.resources.services[0]?.ports[0]?.port, 80);
  t.match(after.problems[0]?.remedy, /last good version/);
  const later = readResources(objectsOf(service('many')), 'istio-system', after.lastGood);
  t.equal(later.resources.services[0]?.ports[0]?.port, 80, 'however often it goes bad');
});

t.test('an object that was removed is not remembered', async (t) => {
  const before = readResources(objectsOf(service('80')), 'istio-system');
  const without = readResources([], 'istio-system', before.lastGood);
  t.equal(without.resources.services.length, 0);
  t.equal(without.lastGood.size, 0);
});

t.test('kinds of another API group are not read', async (t) => {
  const objects = objectsOf('{ apiVersion: serving.knative.dev/v1, kind: Service, metadata: { name: web } }');
  t.equal(readResources(objects, 'istio-system').resources.services.length, 0);
});

t.test('the mesh configuration is read from its ConfigMap, and an unreadable one changes nothing', async (t) => {
  const configMap = (mesh: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: ${JSON.stringify(mesh)} }
---
{ apiVersion: v1, kind: Pod, metadata: { name: web }, status: { podIP: 10.0.0.1 } }
`;
  t.equal(meshOf(configMap('trustDomain: example.org')).snapshot.workloads[0]?.trustDomain, 'example.org');
  const broken = meshOf(configMap('trustDomain: [oops'));
  t.equal(broken.snapshot.workloads[0]?.trustDomain, 'cluster.local');
  t.equal(broken.problems[0]?.object, 'ConfigMap istio-system/istio');
});
