// What is written into a status is what differs, with the time of the last change kept.
import t from 'tap';
import type { KubernetesObject } from '../../../../common/sources/kubernetes-object.ts';
import type { Condition } from '../../../../deploy/controller/conditions/condition.ts';
import { planStatusWrites } from '../../../../deploy/controller/conditions/plan-status-writes.ts';
import { objectsOf } from '../../../common/sources/from-yaml.ts';

const now = '2026-03-01T00:00:00Z';
const bound: Condition = {
  type: 'istio.io/WaypointBound',
  status: 'True',
  reason: 'WaypointAccepted',
  message: 'Successfully attached to waypoint a/b',
  observedGeneration: undefined,
};
const present = (conditions: string): KubernetesObject => {
  const [object] = objectsOf(
    `{ apiVersion: v1, kind: Service, metadata: { name: s }, spec: {}, status: { conditions: [${conditions}] } }`,
  );
  if (object === undefined) throw new Error('no object');
  return object;
};
const before = (more: string): string =>
  `{ type: istio.io/WaypointBound, reason: WaypointAccepted, lastTransitionTime: "2026-01-01T00:00:00Z", ${more} }`;
const writes = (conditions: string, wanted: readonly Condition[]) =>
  planStatusWrites(
    [{ object: present(conditions), types: ['istio.io/WaypointBound'], fieldManager: 'm', conditions: wanted }],
    now,
  ).map((write) => write.conditions);

t.test('what is so already is not written', async (t) => {
  t.same(writes(before(`status: "True", message: ${bound.message}`), [bound]), []);
  t.same(writes('{ type: Other, status: "True" }', []), []);
});

t.test('another message keeps the time of the last change, another status does not', async (t) => {
  const { observedGeneration: _, ...written } = bound;
  t.strictSame(writes(before('status: "True", message: other'), [bound]), [
    [{ ...written, lastTransitionTime: '2026-01-01T00:00:00Z' }],
  ]);
  t.strictSame(writes(before('status: "False", message: other'), [bound]), [[{ ...written, lastTransitionTime: now }]]);
  t.strictSame(writes('', [bound]), [[{ ...written, lastTransitionTime: now }]]);
});

t.test('what holds no more is taken away', async (t) => {
  t.strictSame(writes(before('status: "True", message: x'), []), [[]]);
});

t.test('a generation is written as a text, and an empty message not at all where none is needed', async (t) => {
  const [policy] = objectsOf(
    '{ apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: { name: p }, spec: {} }',
  );
  if (policy === undefined) throw new Error('no object');
  const condition = { ...bound, type: 'WaypointAccepted', message: '', observedGeneration: 3 };
  const [write] = planStatusWrites([{ object: policy, types: [], fieldManager: 'm', conditions: [condition] }], now);
  t.strictSame(write?.conditions, [
    {
      type: 'WaypointAccepted',
      status: 'True',
      reason: 'WaypointAccepted',
      lastTransitionTime: now,
      observedGeneration: '3',
    },
  ]);
});
