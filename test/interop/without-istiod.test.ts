// A mesh in a real Kubernetes without istiod, from our manifests alone: certificates and waypoints' addresses from our controller, all else from the
// API server; and Prometheus as users configure it.
import t, { type Test } from 'tap';
import { inUserNamespace, whatIsMissing } from '../support/in-user-namespace.ts';
import { whyNoLab } from './kubernetes-lab.ts';
import { startPodinfoCluster } from './podinfo-cluster.ts';
import { showsPodinfo } from './prometheus-podinfo.ts';

const name = 'podinfo in a cluster without istiod';

t.setTimeout(175_000);
const lack = whyNoLab() ?? whatIsMissing(['ip', 'nft', 'setpriv']);
if (lack !== undefined) t.test(name, { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft'])) await t.test(name, run);

async function run(t: Test): Promise<void> {
  const podinfo = await startPodinfoCluster(t, 'without-istiod');
  await showsPodinfo(t, podinfo);
}
