// A real Prometheus as a pod of the cluster: it finds its targets by its own account in the Kubernetes API. In: scrape jobs as their authors wrote
// them. Out: its HTTP API.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { unpackPeers } from '../support/peers.ts';
import type { PodinfoCluster } from './podinfo-cluster.ts';
import { untilFound } from './until-found.ts';

export interface Prometheus {
  ask<T>(path: string): Promise<T>;
}

const port = 9090;
const account = 'prometheus';
const namespace = 'monitoring';
/** As Prometheus' own documentation has them, for what is discovered here. */
const rights = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: ${account} }
rules:
- { apiGroups: [""], resources: [pods, services, endpoints, nodes], verbs: [get, list, watch] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: ${account} }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ${account} }
subjects: [{ kind: ServiceAccount, name: ${account}, namespace: ${namespace} }]`;

const peer = join(
  process.env['AMBIENTD_SHARED'] ?? join(import.meta.dirname, '../../../shared'),
  'peers/prometheus.xz',
);

/**
 * One that can discover Kubernetes: that of AMBIENTD_PROMETHEUS, of the peers, or of PATH. Debian builds its own without.
 * @returns the reason to skip, where there is none
 */
export function findPrometheus(t: Test): { readonly program: string } | { readonly lack: string } {
  const named = process.env['AMBIENTD_PROMETHEUS'];
  if (named === undefined && existsSync(peer)) return { program: join(unpackPeers(t, 'prometheus'), 'prometheus') };
  const program = named ?? spawnSync('sh', ['-c', 'command -v prometheus'], { encoding: 'utf8' }).stdout.trim();
  if (!existsSync(program)) return { lack: 'there is no Prometheus (AMBIENTD_PROMETHEUS names one)' };
  if (readFileSync(program).includes('prometheus/discovery/kubernetes')) return { program };
  return { lack: `${program} is built without kubernetes_sd_configs (AMBIENTD_PROMETHEUS names another)` };
}

/** @param scrapeConfigs text of a list `scrape_configs:`; only how often it is done is changed here */
export async function startPrometheus(
  t: Test,
  program: string,
  { cluster, mesh }: PodinfoCluster,
  scrapeConfigs: string,
): Promise<Prometheus> {
  cluster.apply(rights);
  cluster.lab(
    'pod',
    account,
    '--namespace',
    namespace,
    '--sa',
    account,
    '--node',
    'node-c',
    '--labels',
    'app=prometheus',
  );
  const pod = await mesh.pod(namespace, 'app=prometheus');
  const config = join(cluster.folder, 'prometheus.yml');
  writeFileSync(config, `global: { scrape_interval: 1s, scrape_timeout: 1s }\n${scrapeConfigs}`);
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(cluster.folder, 'prometheus')}`,
    `--web.listen-address=0.0.0.0:${port}`,
  ];
  const container = await mesh.run(pod, [program], { args });
  t.teardown(() => container.stop());
  await untilFound(() => container.page(port, '/-/ready'), Boolean).catch((error: unknown) => {
    throw new Error(`${error}\n${container.log()}`);
  });
  return { ask: async (path) => JSON.parse(await container.page(port, `/api/v1/${path}`)) };
}
