// Our ztunnel and Istio's own as two nodes of one cluster: what both say of themselves and of the same connections.
import t, { type Test } from 'tap';
import { inUserNamespace } from '../support/in-user-namespace.ts';
import { compareAdministration } from './compare-administration.ts';
import { compareConnections } from './compare-connections.ts';
import { compareDumps } from './compare-dumps.ts';
import { compareIstioctl } from './compare-istioctl.ts';
import { caseObjects, prepareNetwork } from './connection-cases.ts';
import { startIstiodMesh } from './istiod-mesh.ts';
import { whyNoLab } from './kubernetes-lab.ts';
import { startApplication } from './pod-application.ts';

t.setTimeout(400_000);
const lack = whyNoLab();
if (lack !== undefined) t.test('two nodes under istiod', { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft'])) await t.test('two nodes under istiod', meet);

async function meet(t: Test): Promise<void> {
  const istiodMesh = await startIstiodMesh(t, ...caseObjects);
  const { theirs, ours } = istiodMesh.sides;
  await prepareNetwork(theirs, ours);
  await prepareNetwork(ours, theirs);
  for (const side of [theirs, ours]) await startApplication(t, side);
  await t.test('both dump the same', async (t) => {
    const dumps = await compareDumps(t, istiodMesh);
    await t.test('and istioctl reads it', (t) => compareIstioctl(t, istiodMesh.cluster, dumps));
  });
  await t.test('both answer their administrator alike', (t) => compareAdministration(t, istiodMesh));
  await t.test('both log and count alike what becomes of a connection', (t) => compareConnections(t, istiodMesh));
}
