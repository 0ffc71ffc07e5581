// What stands behind a service.
import t from 'tap';
import type { KubernetesObject } from '../../../../deploy/local/materialize/kubernetes-object.ts';
import { serviceTargets } from '../../../../deploy/local/materialize/service-endpoints.ts';

const pod = (name: string, ip: string, ready: 'True' | 'False', namespace = 'shop'): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels: { app: 'web', extra: 'x' } },
  spec: {
    containers: [
      {
        ports: [
          { name: 'http', containerPort: 8080 },
          { name: 'dns', containerPort: 53, protocol: 'UDP' },
        ],
      },
    ],
  },
  status: { podIP: ip, conditions: [{ type: 'Ready', status: ready }] },
});

const service = (spec: object): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec,
});

const pods = [pod('a', '10.0.0.1', 'True'), pod('b', '10.0.0.2', 'False'), pod('c', '10.0.0.3', 'True', 'other')];

t.test('ready pods of its namespace, at numbered and named ports', async (t) => {
  const ports = [
    { port: 80, targetPort: 'http' },
    { port: 81 },
    { port: 82, targetPort: 'nope' },
    { port: 53, targetPort: 'dns', protocol: 'UDP' },
  ];
  const [target] = serviceTargets([...pods, service({ clusterIP: '10.96.0.1', selector: { app: 'web' }, ports })]);
  t.same(target, {
    namespace: 'shop',
    name: 'web',
    clusterIp: '10.96.0.1',
    pods: [{ name: 'a', ip: '10.0.0.1' }],
    ports: [
      { port: 80, protocol: 'tcp', endpoints: [{ ip: '10.0.0.1', port: 8080 }] },
      { port: 81, protocol: 'tcp', endpoints: [{ ip: '10.0.0.1', port: 81 }] },
      { port: 82, protocol: 'tcp', endpoints: [] },
      { port: 53, protocol: 'udp', endpoints: [{ ip: '10.0.0.1', port: 53 }] },
    ],
  });
});

t.test('pods that are not ready too, where the service says so; headless ones have no address', async (t) => {
  const spec = { clusterIP: 'None', selector: { app: 'web' }, publishNotReadyAddresses: true, ports: [] };
  const [target] = serviceTargets([...pods, service(spec)]);
  t.equal(target?.clusterIp, undefined);
  t.same(
    target?.pods.map((each) => each.name),
    ['a', 'b'],
  );
});

t.test('a service without selector, and an external name, stand for nothing here', async (t) => {
  t.same(serviceTargets([...pods, service({ clusterIP: '10.96.0.1' })])[0]?.pods, []);
  t.same(serviceTargets([service({ type: 'ExternalName' })]), []);
});
