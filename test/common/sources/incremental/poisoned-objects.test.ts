// Objects with anything at all in any field: the good ones count as ever, the bad ones are told, and nothing breaks.
import t from 'tap';
import { createMeshIndex } from '../../../../common/mesh/mesh-index.ts';
import { deriveMesh } from '../../../../common/sources/derive/derive-mesh.ts';
import { defaultMeshSettings } from '../../../../common/sources/derive/mesh-settings.ts';
import { MalformedField } from '../../../../common/sources/field.ts';
import { IncrementalMesh } from '../../../../common/sources/incremental/incremental-mesh.ts';
import { slimObject } from '../../../../common/sources/kubernetes/slim-object.ts';
import { type KubernetesObject, parseKubernetesObject } from '../../../../common/sources/kubernetes-object.ts';
import { readResources } from '../../../../common/sources/resources.ts';
import { randomFrom } from '../../../support/random-from.ts';
import { objectsOf } from '../from-yaml.ts';
import { applyChanges } from './apply-changes.ts';
import { pick, type Random, randomObject } from './random-objects.ts';

const poisons: readonly unknown[] = [
  null,
  true,
  -1,
  1e300,
  '',
  '\u0000',
  'x'.repeat(100_000),
  [],
  [null],
  [[[]]],
  {},
  { __proto__: null },
  JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1, "toString": 2}'),
  Array.from({ length: 5_000 }, (_, index) => ({ name: `n${index}` })),
  '2026-13-45',
  '::ffff:999.1.1.1/129',
];

/** The same object with something else in one place. */
function poison(random: Random, value: unknown, depth = 0): unknown {
  const isEnd = typeof value !== 'object' || value === null || (depth > 1 && random() < 0.2);
  if (isEnd) return pick(random, poisons);
  if (Array.isArray(value)) {
    if (value.length === 0) return [pick(random, poisons)];
    const at = Math.floor(random() * value.length);
    return value.map((entry: unknown, index) => (index === at ? poison(random, entry, depth + 1) : entry));
  }
  const names = Object.keys(value).filter((name) => depth > 0 || !['apiVersion', 'kind'].includes(name));
  if (names.length === 0) return pick(random, poisons);
  const at = pick(random, names);
  return { ...value, [at]: poison(random, (value as Record<string, unknown>)[at], depth + 1) };
}

/** As it comes from the API; undefined for what is no object at all. */
function read(value: unknown, kind: string): KubernetesObject | undefined {
  try {
    return parseKubernetesObject(slimObject(kind, value), undefined);
  } catch (error) {
    if (error instanceof MalformedField) return undefined;
    throw error;
  }
}

const good = objectsOf(`
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: '{}' }
---
apiVersion: v1
kind: Pod
metadata: { name: good, namespace: good, labels: { app: good } }
status: { podIP: 10.9.9.9, phase: Running }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: good, namespace: good }
spec: { selector: { matchLabels: { app: good } }, action: DENY, rules: [{ to: [{ operation: { ports: ["81"] } }] }] }
`);

t.test('whatever an object holds, the others count, and it is told or harmless', async (t) => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const random = randomFrom(seed);
    const mesh = new IncrementalMesh(defaultMeshSettings);
    const index = createMeshIndex();
    const present = new Map<string, KubernetesObject>();
    for (let step = 0; step < 40; step += 1) {
      const { raw, kind } = randomObject(random);
      const object = read(random() < 0.7 ? poison(random, raw) : raw, kind);
      if (object === undefined) continue;
      index.apply(applyChanges(mesh, [{ kind: 'put', object }]));
      present.set(`${kind}/${object.metadata.namespace}/${object.metadata.name}`, object);
    }
    index.apply(
      applyChanges(
        mesh,
        good.map((object) => ({ kind: 'put', object })),
      ),
    );
    const workload = [...index.workloads()].find(({ name }) => name === 'good');
    if (workload === undefined) throw new Error(`seed ${seed}: the good pod is missing`);
    const { policies, unknown } = index.policiesFor(workload);
    t.ok(policies.some(({ name }) => name === 'good'));
    t.same(unknown, []);
    const { resources } = readResources([...present.values()], 'istio-system');
    t.doesNotThrow(() => deriveMesh(resources, defaultMeshSettings), `seed ${seed}`);
  }
  t.notOk('polluted' in {});
});
