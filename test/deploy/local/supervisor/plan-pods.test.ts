// What changes when the manifests have changed.
import t from 'tap';
import type { PodSpec } from '../../../../deploy/local/materialize/pod-spec.ts';
import { planPods } from '../../../../deploy/local/supervisor/plan-pods.ts';

const pod = (uid: string): PodSpec => ({
  key: `a/${uid}`,
  uid,
  namespace: 'a',
  name: uid,
  workload: uid,
  ip: '',
  serviceAccount: 'default',
  enrollment: { kind: 'enrolled' },
  network: 'own',
  role: { kind: 'application' },
  restartPolicy: 'Always',
  containers: [],
});

t.test('new ones start, old ones stop, the others live on', async (t) => {
  const plan = planPods(['1', '2'], [pod('2'), pod('3')]);
  t.same(
    plan.start.map(({ uid }) => uid),
    ['3'],
  );
  t.same(plan.stop, ['1']);
  t.same(
    plan.update.map(({ uid }) => uid),
    ['2'],
  );
});
