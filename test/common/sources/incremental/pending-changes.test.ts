// What changes while others are being applied is neither lost nor done twice.
import t from 'tap';
import { createMeshIndex, type MeshIndex } from '../../../../common/mesh/mesh-index.ts';
import type { MeshSnapshot } from '../../../../common/mesh/mesh-source.ts';
import { deriveMesh } from '../../../../common/sources/derive/derive-mesh.ts';
import { defaultMeshSettings } from '../../../../common/sources/derive/mesh-settings.ts';
import { wdsJson } from '../../../../common/sources/derive/wds-json.ts';
import { IncrementalMesh } from '../../../../common/sources/incremental/incremental-mesh.ts';
import { PendingChanges } from '../../../../common/sources/incremental/pending-changes.ts';
import { type KubernetesObject, objectKey } from '../../../../common/sources/kubernetes-object.ts';
import { type LastGood, readResources } from '../../../../common/sources/resources.ts';
import { randomFrom } from '../../../support/random-from.ts';
import { randomChange, randomObject } from './random-objects.ts';

t.test('what changes while a derivation is under way is in the mesh after it, once', async (t) => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const random = randomFrom(seed);
    const present = new Map<string, KubernetesObject>();
    const mesh = new IncrementalMesh(defaultMeshSettings, { wholeObjects: 0, stepObjects: 1 });
    const index = createMeshIndex();
    const pending = new PendingChanges();
    // The derivation keeps the last good state of what was bad for a while only if it saw it good.
    let lastGood: LastGood = new Map();
    for (let round = 0; round < 40; round += 1) {
      pending.put([randomChange(random, present)], round);
      for (let batch = pending.take(); batch !== undefined; batch = pending.take()) {
        lastGood = readResources([...present.values()], 'istio-system', lastGood).lastGood;
        for (const update of mesh.apply(batch.changes)) {
          if (update !== undefined) index.apply(update);
          if (random() < 0.01) pending.put([randomChange(random, present)], round);
        }
      }
    }
    const { resources } = readResources([...present.values()], 'istio-system', lastGood);
    const expected = comparable(deriveMesh(resources, defaultMeshSettings).snapshot);
    if (!t.strictSame(comparable(contentsOf(index)), expected, `seed ${seed}`)) return;
  }
});

t.test('of an object that changes again while it waits, the last state counts', async (t) => {
  const pending = new PendingChanges();
  const [first, second, other] = [1, 2, 3].map((seed) => randomObject(randomFrom(seed)));
  if (first === undefined || second === undefined || other === undefined) throw new Error('no objects');
  const again = { ...first, spec: {} };
  pending.put(
    [
      { kind: 'put', object: first },
      { kind: 'put', object: second },
    ],
    5,
  );
  pending.put(
    [
      { kind: 'put', object: again },
      { kind: 'gone', key: objectKey(second) },
    ],
    6,
  );
  t.strictSame(pending.take(), {
    changes: [
      { kind: 'put', object: again },
      { kind: 'gone', key: objectKey(second) },
    ],
    sinceMs: 5,
  });
  t.equal(pending.take(), undefined);
});

function contentsOf(index: MeshIndex): MeshSnapshot {
  return { workloads: [...index.workloads()], services: [...index.services()], policies: [...index.policies()] };
}

/** Of two with one name the later counts, as it does in the index. */
function comparable(snapshot: MeshSnapshot): unknown {
  const json = wdsJson(snapshot);
  const resources = [...json['istio.workload.Address'], ...json['istio.security.Authorization']];
  return [...new Map(resources.map(({ name, resource }) => [name, resource]))].sort(([a], [b]) => (a < b ? -1 : 1));
}
