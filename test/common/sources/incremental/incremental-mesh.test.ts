// The mesh that follows changes is the mesh derived from what there is, after any sequence of changes.
import t, { type Test } from 'tap';
import { createMeshIndex } from '../../../../common/mesh/mesh-index.ts';
import { type MeshSnapshot, nothing } from '../../../../common/mesh/mesh-source.ts';
import { deriveMesh } from '../../../../common/sources/derive/derive-mesh.ts';
import { defaultMeshSettings, type MeshSettings } from '../../../../common/sources/derive/mesh-settings.ts';
import { wdsJson } from '../../../../common/sources/derive/wds-json.ts';
import { IncrementalMesh } from '../../../../common/sources/incremental/incremental-mesh.ts';
import type { ObjectChange } from '../../../../common/sources/incremental/resource-store.ts';
import { type KubernetesObject, objectKey } from '../../../../common/sources/kubernetes-object.ts';
import { formatResourceProblem } from '../../../../common/sources/resource-problem.ts';
import { type LastGood, readResources } from '../../../../common/sources/resources.ts';
import { randomFrom } from '../../../support/random-from.ts';
import { objectsOf } from '../from-yaml.ts';
import { applyChanges } from './apply-changes.ts';
import { pick, type Random, randomObject } from './random-objects.ts';

const put = (object: KubernetesObject): ObjectChange => ({ kind: 'put', object });

/** Of two with one name the later counts, as it does in the index. */
function comparable(snapshot: MeshSnapshot): unknown {
  const json = wdsJson(snapshot);
  const ordered = (list: readonly { readonly name: string; readonly resource: unknown }[]) =>
    [...new Map(list.map(({ name, resource }) => [name, resource]))].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    addresses: ordered(json['istio.workload.Address']),
    policies: ordered(json['istio.security.Authorization']),
  };
}

function randomChanges(random: Random, present: ReadonlyMap<string, KubernetesObject>): readonly ObjectChange[] {
  return Array.from({ length: 1 + Math.floor(random() * 3) }, (): ObjectChange => {
    if (present.size > 0 && random() < 0.3) return { kind: 'gone', key: pick(random, [...present.keys()]) };
    return put(randomObject(random));
  });
}

/** The same changes to the incremental mesh, to an index that it writes, and to a list that is derived whole. */
function compareAfterEachStep(t: Test, seed: number, settings: MeshSettings): void {
  const random = randomFrom(seed);
  const mesh = new IncrementalMesh(settings);
  const written = createMeshIndex();
  const present = new Map<string, KubernetesObject>();
  let lastGood: LastGood = new Map();
  for (let step = 0; step < 60; step += 1) {
    for (const change of step === 0 ? [] : randomChanges(random, present)) {
      if (change.kind === 'gone') present.delete(change.key);
      else present.set(objectKey(change.object), change.object);
      written.apply(applyChanges(mesh, [change]));
      // An object that goes bad twice in one batch would otherwise be seen by one side only.
      lastGood = readResources([...present.values()], settings.systemNamespace, lastGood).lastGood;
    }
    const read = readResources([...present.values()], settings.systemNamespace, lastGood);
    const whole = deriveMesh(read.resources, settings);
    const expected = comparable(whole.snapshot);
    const place = `seed ${seed}, step ${step}`;
    const problems = [...read.problems, ...whole.problems].map(formatResourceProblem).sort();
    const isSame =
      t.strictSame(comparable(mesh.snapshot()), expected, `${place}: incremental`) &&
      t.strictSame(
        comparable({
          workloads: [...written.workloads()],
          services: [...written.services()],
          policies: [...written.policies()],
        }),
        expected,
        `${place}: as written`,
      ) &&
      t.strictSame(mesh.problems().map(formatResourceProblem).sort(), problems, `${place}: problems`);
    if (!isSame) return;
  }
}

t.test('after any sequence of changes it is the mesh that is derived from what there is', async (t) => {
  for (let seed = 1; seed <= 40; seed += 1) compareAfterEachStep(t, seed, defaultMeshSettings);
});

t.test('also where waypoints are admitted automatically', async (t) => {
  for (let seed = 101; seed <= 110; seed += 1) {
    compareAfterEachStep(t, seed, { ...defaultMeshSettings, waypointAdmission: 'automatic' });
  }
});

t.test('a batch gives what its changes give one by one', async (t) => {
  const random = randomFrom(7);
  const single = new IncrementalMesh(defaultMeshSettings);
  const batched = new IncrementalMesh(defaultMeshSettings);
  for (let round = 0; round < 100; round += 1) {
    const objects = Array.from({ length: 5 }, () => put(randomObject(random)));
    for (const change of objects) applyChanges(single, [change]);
    applyChanges(batched, objects);
    t.strictSame(comparable(batched.snapshot()), comparable(single.snapshot()), `round ${round}`);
  }
});

const three = objectsOf(`
apiVersion: v1
kind: Service
metadata: { name: web, namespace: a }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }], clusterIP: 10.96.0.1 }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: a, labels: { app: web } }
status: { podIP: 10.0.0.1, phase: Running }
---
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: a, labels: { app: db } }
status: { podIP: 10.0.0.2, phase: Running }
`);

t.test('a change touches only what differs by it', async (t) => {
  const mesh = new IncrementalMesh(defaultMeshSettings);
  applyChanges(mesh, three.map(put));
  const change = (yaml: string) => applyChanges(mesh, objectsOf(yaml).map(put));
  t.same(applyChanges(mesh, three.map(put)), nothing, 'the same objects again are no change');

  const ready = change(`
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: a, labels: { app: db } }
status: { podIP: 10.0.0.2, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`);
  t.same(
    ready.workloads.map(({ name }) => name),
    ['db'],
  );
  t.same({ ...ready, workloads: [] }, nothing);

  const ports = change(`
apiVersion: v1
kind: Service
metadata: { name: web, namespace: a }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 9090 }], clusterIP: 10.96.0.1 }
`);
  t.same(
    ports.workloads.map(({ name }) => name),
    ['web'],
  );
  t.same(
    ports.services.map(({ name }) => name),
    ['web'],
  );
});

t.test('a policy and the workloads that name it change in one update, when it comes and when it goes', async (t) => {
  const mesh = new IncrementalMesh(defaultMeshSettings);
  applyChanges(mesh, three.map(put));
  const [policy] = objectsOf(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: gate, namespace: a }
spec: { selector: { matchLabels: { app: web } }, action: DENY, rules: [{}] }
`);
  if (policy === undefined) throw new Error('no policy');
  const came = applyChanges(mesh, [put(policy)]);
  t.same(
    came.policies.map(({ name }) => name),
    ['gate'],
  );
  t.same(
    came.workloads.map(({ name, authorizationPolicies }) => [name, authorizationPolicies]),
    [['web', ['a/gate']]],
  );
  const went = applyChanges(mesh, [{ kind: 'gone', key: objectKey(policy) }]);
  t.same(went.removedPolicies, ['a/gate']);
  t.same(
    went.workloads.map(({ name, authorizationPolicies }) => [name, authorizationPolicies]),
    [['web', []]],
  );
});
