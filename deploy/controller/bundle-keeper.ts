// Keeps the trust bundle in each namespace, where the pods of the mesh mount it. In: the bundle. Out: how many namespaces
// could not be written; they are named in the log and come again with the next run.
import type { Logger } from '../../common/log.ts';
import type { ConfigMapStore } from './cluster-client.ts';
import { planBundles } from './plan-bundles.ts';

/** As every chart of Istio's mounts it. */
export const bundleName = 'istio-ca-root-cert';
export const bundleKey = 'root-cert.pem';

const writesAtOnce = 8;

export interface BundleOutcome {
  readonly written: number;
  readonly failed: number;
}

/** @throws MeshError when namespaces or bundles cannot be listed */
export async function keepBundles(store: ConfigMapStore, wanted: string, log: Logger): Promise<BundleOutcome> {
  const [namespaces, present] = await Promise.all([
    store.listNamespaces(),
    store.listConfigMaps(bundleName, bundleKey),
  ]);
  const pending = [...planBundles({ namespaces, present, wanted })];
  // Again and again: somebody else writes them too, such as an istiod that still runs.
  const replaced = pending.filter((namespace) => present.has(namespace)).length;
  let written = 0;
  let failed = 0;
  const writeOn = async (): Promise<void> => {
    for (let namespace = pending.shift(); namespace !== undefined; namespace = pending.shift()) {
      try {
        await store.applyConfigMap({ namespace, name: bundleName }, { [bundleKey]: wanted });
        written += 1;
      } catch (error) {
        failed += 1;
        log.warn({ namespace, error }, 'trust bundle not written');
      }
    }
  };
  await Promise.all(Array.from({ length: writesAtOnce }, writeOn));
  if (written > 0) log.info({ namespaces: written, replaced }, 'trust bundle written');
  return { written, failed };
}
