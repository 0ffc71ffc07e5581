import t from 'tap';
import { workloadNameOf } from '../../../../common/sources/derive/workload-name.ts';
import { objectsOf } from '../from-yaml.ts';

function nameOf(metadata: string): string | undefined {
  const [pod] = objectsOf(`{ apiVersion: v1, kind: Pod, metadata: { name: pod-x, ${metadata} } }`);
  return pod && workloadNameOf(pod.metadata);
}

const owned = (kind: string, name: string, more = ''): string =>
  `generateName: x-, ownerReferences: [{ kind: ${kind}, name: ${name}, controller: true }], ${more}`;

t.test('a pod is named after what made it', async (t) => {
  t.equal(nameOf(''), 'pod-x');
  t.equal(nameOf(owned('ReplicaSet', 'web-5d4f', 'labels: { pod-template-hash: 5d4f }')), 'web');
  t.equal(nameOf(owned('ReplicaSet', 'web-5d4f', 'labels: { rollouts-pod-template-hash: 5d4f }')), 'web');
  t.equal(nameOf(owned('ReplicaSet', 'bare')), 'bare');
  t.equal(nameOf(owned('StatefulSet', 'db')), 'db');
  t.equal(nameOf(owned('Job', 'backup-29012345')), 'backup');
  t.equal(nameOf(owned('Job', 'once')), 'once');
  t.equal(nameOf(owned('ReplicationController', 'web-3', 'labels: { deploymentconfig: web }')), 'web');
});

t.test('a label names it otherwise', async (t) => {
  t.equal(nameOf(owned('StatefulSet', 'db', 'labels: { service.istio.io/workload-name: chosen }')), 'chosen');
});

t.test('an owner that does not control it, or a pod with a name of its own, counts for nothing', async (t) => {
  t.equal(nameOf('generateName: x-, ownerReferences: [{ kind: StatefulSet, name: db }]'), 'pod-x');
  t.equal(nameOf('ownerReferences: [{ kind: StatefulSet, name: db, controller: true }]'), 'pod-x');
});
