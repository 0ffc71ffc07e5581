// Prometheus as users configure it, beside a real istiod and API server: it finds our waypoint and our nodes as it found Istio's.
import t, { type Test } from 'tap';
import { inUserNamespace, whatIsMissing } from '../support/in-user-namespace.ts';
import { whyNoLab } from './kubernetes-lab.ts';
import { startPodinfoCluster } from './podinfo-cluster.ts';
import { showsPodinfo } from './prometheus-podinfo.ts';

const name = 'podinfo as users see it in Prometheus, with istiod';

t.setTimeout(175_000);
const lack = whyNoLab() ?? whatIsMissing(['ip', 'nft', 'setpriv']);
if (lack !== undefined) t.test(name, { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft'])) await t.test(name, run);

async function run(t: Test): Promise<void> {
  const podinfo = await startPodinfoCluster(t, 'with-istiod');
  await showsPodinfo(t, podinfo);
}
