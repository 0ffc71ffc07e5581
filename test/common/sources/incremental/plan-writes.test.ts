// A large difference is written in steps: whatever runs between them sees every workload under the policies it had or under those
// that it comes to have, never under others.
import t, { type Test } from 'tap';
import { createMeshIndex, type MeshIndex } from '../../../../common/mesh/mesh-index.ts';
import { defaultMeshSettings } from '../../../../common/sources/derive/mesh-settings.ts';
import { IncrementalMesh } from '../../../../common/sources/incremental/incremental-mesh.ts';
import type { ObjectChange } from '../../../../common/sources/incremental/resource-store.ts';
import { type KubernetesObject, objectKey } from '../../../../common/sources/kubernetes-object.ts';
import { effectivePolicies } from '../../../support/effective-policies.ts';
import { randomFrom } from '../../../support/random-from.ts';
import { objectsOf } from '../from-yaml.ts';
import { randomChange } from './random-objects.ts';

const oneByOne = { wholeObjects: 0, stepObjects: 1 };

/** Applies the change step by step, and then looks at each step in the light of what it led to. */
function checkSteps(t: Test, mesh: IncrementalMesh, index: MeshIndex, change: ObjectChange, place: string): boolean {
  const seen = [effectivePolicies(index)];
  for (const update of mesh.apply([change])) {
    if (update === undefined) continue;
    index.apply(update);
    seen.push(effectivePolicies(index));
  }
  const [before, after] = [seen[0], seen.at(-1)];
  for (const [step, between] of seen.entries()) {
    for (const [uid, policies] of between) {
      if ([before?.get(uid), after?.get(uid)].includes(policies)) continue;
      t.fail(`${place}: ${uid} has other policies after step ${step}`, {
        was: before?.get(uid),
        between: policies,
        is: after?.get(uid),
      });
      return false;
    }
  }
  return true;
}

t.test('between any two steps a workload has its policies from before or from after', async (t) => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = randomFrom(seed);
    const present = new Map<string, KubernetesObject>();
    const mesh = new IncrementalMesh(defaultMeshSettings, oneByOne);
    const index = createMeshIndex();
    for (let step = 0; step < 60; step += 1) {
      if (!checkSteps(t, mesh, index, randomChange(random, present), `seed ${seed}, change ${step}`)) return;
    }
  }
  t.pass();
});

const inTwoNamespaces = ['a', 'b'].map(
  (namespace) => `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: ${namespace}, labels: { app: web } }
status: { podIP: 10.0.0.1, phase: Running }
---
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: ${namespace}, labels: { app: db } }
status: { podIP: 10.0.0.2, phase: Running }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: all, namespace: ${namespace} }
spec: { mtls: { mode: STRICT } }`,
);
const authorization = (spec: string): string =>
  `{ apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: { name: p, namespace: a }, spec: { ${spec} } }`;
const peers = (spec: string): string =>
  `{ apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: { name: p, namespace: a }, spec: { ${spec} } }`;
const rules = (port: number): string => `rules: [{ to: [{ operation: { ports: ["${port}"] } }] }]`;
const selector = (app: string): string => `selector: { matchLabels: { app: ${app} } }`;

t.test('so it is for each way in which one policy can become another', async (t) => {
  const forms = [
    ...['ALLOW', 'DENY'].flatMap((action) =>
      [80, 81].flatMap((port) => [
        authorization(`action: ${action}, ${rules(port)}`),
        authorization(`action: ${action}, ${selector('web')}, ${rules(port)}`),
        authorization(`action: ${action}, ${selector('db')}, ${rules(port)}`),
      ]),
    ),
    authorization('action: AUDIT, rules: [{}]'),
    ...['STRICT', 'PERMISSIVE', 'UNSET'].flatMap((mode) => [
      peers(`${selector('web')}, mtls: { mode: ${mode} }`),
      peers(`${selector('web')}, mtls: { mode: ${mode} }, portLevelMtls: { 80: { mode: PERMISSIVE } }`),
      peers(`${selector('db')}, mtls: { mode: ${mode} }, portLevelMtls: { 80: { mode: STRICT } }`),
      peers(`${selector('web')}, mtls: { mode: ${mode} }, portLevelMtls: { 80: { mode: STRICT } }`),
    ]),
  ].flatMap((yaml) => objectsOf(yaml));
  const mesh = new IncrementalMesh(defaultMeshSettings, oneByOne);
  const index = createMeshIndex();
  for (const object of inTwoNamespaces.flatMap((yaml) => objectsOf(yaml))) {
    for (const update of mesh.apply([{ kind: 'put', object }])) if (update !== undefined) index.apply(update);
  }
  for (const [from, first] of forms.entries()) {
    for (const [to, second] of forms.entries()) {
      for (const object of [first, second]) checkSteps(t, mesh, index, { kind: 'put', object }, `${from} to ${to}`);
      if (to % 5 === 0) checkSteps(t, mesh, index, { kind: 'gone', key: objectKey(second) }, `${from} to ${to}, gone`);
    }
  }
  t.pass();
});
