// Changes come into the mesh in short slices, all of them, and in time.
import t from 'tap';
import { createMeshIndex } from '../../../../common/mesh/mesh-index.ts';
import { defaultMeshSettings } from '../../../../common/sources/derive/mesh-settings.ts';
import { IncrementalMesh } from '../../../../common/sources/incremental/incremental-mesh.ts';
import { MeshUpdater } from '../../../../common/sources/kubernetes/mesh-updater.ts';
import { type KubernetesObject, objectKey } from '../../../../common/sources/kubernetes-object.ts';
import { collectLog } from '../../../support/collected-log.ts';
import { objectsOf } from '../from-yaml.ts';

const manyPods = Array.from({ length: 3000 }, (_, index): KubernetesObject => {
  const [object] = objectsOf(`
apiVersion: v1
kind: Pod
metadata: { name: pod-${index}, namespace: a, labels: { app: web } }
status: { podIP: 10.1.${index >> 8}.${index & 255}, phase: Running }`);
  if (object === undefined) throw new Error('no pod');
  return object;
});

t.test('others run while many are derived and written, and nothing is written before all is known', async (t) => {
  const index = createMeshIndex();
  const { log, lines } = collectLog();
  const mesh = new IncrementalMesh(defaultMeshSettings);
  let written = 0;
  const updater = new MeshUpdater({ mesh, writer: index, onWritten: () => (written += 1), log });
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  updater.take(manyPods.map((object) => ({ kind: 'put', object })));
  t.equal([...index.workloads()].length, 0);
  const complete = updater.complete();
  const [last] = manyPods.slice(-1);
  if (last === undefined) throw new Error('no pod');
  updater.take([{ kind: 'gone', key: objectKey(last) }]);
  await complete;
  clearInterval(timer);
  t.equal([...index.workloads()].length, manyPods.length - 1);
  t.ok(turns > 5, 'timers ran meanwhile');
  t.ok(written > 0);
  updater.take([{ kind: 'put', object: last }]);
  t.equal([...index.workloads()].length, manyPods.length, 'a small change is there at once');
  await updater.close();
  t.same(lines, []);
});

t.test('a listener that fails ends nothing', async (t) => {
  const index = createMeshIndex();
  const { log, lines } = collectLog();
  const mesh = new IncrementalMesh(defaultMeshSettings);
  const onWritten = (): void => {
    throw new Error('cannot listen');
  };
  const updater = new MeshUpdater({ mesh, writer: index, onWritten, log });
  await updater.complete();
  for (const object of manyPods.slice(0, 2)) {
    updater.take([{ kind: 'put', object }]);
    await new Promise(setImmediate);
  }
  t.equal([...index.workloads()].length, 2);
  t.match(lines[0], { level: 'error', err: { message: 'cannot listen' } });
  await updater.close();
});

t.test('a reader of the mesh that fails holds nothing up', async (t) => {
  const index = createMeshIndex();
  index.onChange(() => {
    throw new Error('cannot follow');
  });
  const { log, lines } = collectLog();
  const mesh = new IncrementalMesh(defaultMeshSettings);
  const updater = new MeshUpdater({ mesh, writer: index, onWritten: () => {}, log });
  updater.take(manyPods.map((object) => ({ kind: 'put', object })));
  await updater.complete();
  t.equal([...index.workloads()].length, manyPods.length);
  t.match(lines[0], { level: 'error', err: { message: 'cannot follow' } });
  await updater.close();
});
