import t from 'tap';
import { keepBundles } from '../../../deploy/controller/bundle-keeper.ts';
import type { ConfigMapStore } from '../../../deploy/controller/cluster-client.ts';
import { planBundles } from '../../../deploy/controller/plan-bundles.ts';
import { collectLog } from '../../support/collected-log.ts';

t.test('a bundle is written where it is missing or another, and nowhere else', async (t) => {
  const present = new Map([
    ['good', 'ROOT'],
    ['old', 'OTHER'],
    ['keyless', undefined],
    ['gone', 'ROOT'],
  ]);
  const namespaces = ['good', 'old', 'keyless', 'new', 'kube-public', 'kube-node-lease', 'kube-system'];
  t.same(planBundles({ namespaces, present, wanted: 'ROOT' }), ['old', 'keyless', 'new', 'kube-system']);
});

t.test('a namespace that cannot be written does not keep the others from theirs', async (t) => {
  const namespaces = Array.from({ length: 30 }, (_, index) => `ns-${index}`);
  const written = new Map<string, string | undefined>();
  const store: ConfigMapStore = {
    listNamespaces: async () => namespaces,
    listConfigMaps: async () => written,
    async applyConfigMap({ namespace, name }, data) {
      t.equal(name, 'istio-ca-root-cert');
      if (namespace === 'ns-3') throw new Error('quota exceeded');
      written.set(namespace, data['root-cert.pem']);
    },
  };
  const { log, lines } = collectLog();
  t.same(await keepBundles(store, 'ROOT', log), { written: 29, failed: 1 });
  t.match(lines[0], { msg: 'trust bundle not written', namespace: 'ns-3' });
  t.same(await keepBundles(store, 'ROOT', log), { written: 0, failed: 1 }, 'only that one is tried again');
});
