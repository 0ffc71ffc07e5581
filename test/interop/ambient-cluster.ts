// A cluster in ambient mode on one machine: a lab's API server, pods as namespaces, and on each node that is asked for a ztunnel in
// shared mode, as its DaemonSet has it, with our stand-in for Istio's CNI agent. Programs are chosen by whoever asks.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { createZdsServer, type ZdsServer } from '../../common/zds/zds-server.ts';
import { collectLog } from '../support/collected-log.ts';
import { type ClusterNetwork, type ClusterPod, createClusterNetwork, type PodObject } from './cluster-network.ts';
import type { KubernetesLab } from './kubernetes-lab.ts';
import { type ContainerOptions, type PodContainer, runContainer } from './pod-container-process.ts';

export interface AmbientCluster {
  readonly network: ClusterNetwork;
  /** The one pod with these labels, on that node where one is named; its namespace is made at the first call. */
  pod(namespace: string, selector: string, where?: { readonly node?: string }): Promise<ClusterPod>;
  run(
    pod: ClusterPod,
    program: readonly string[],
    more?: Pick<ContainerOptions, 'args' | 'env'>,
  ): Promise<PodContainer>;
  /** Captured, and handed over to the ztunnel of its node, now or as soon as there is one. */
  enroll(pod: ClusterPod): Promise<void>;
}

const root = join(import.meta.dirname, '../..');
/** What the image's entry point runs. */
export const ambientd = [process.execPath, join(root, 'deploy/local/main.ts')] as const;
const apiServer = { port: 443 } as const;

export async function createAmbientCluster(t: Test, cluster: KubernetesLab): Promise<AmbientCluster> {
  const network = await createClusterNetwork(t, cluster);
  const kubeconfig = cluster.kubectl('config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}');
  const api = { address: '127.0.0.1', port: Number(URL.parse(kubeconfig)?.port) };
  const address = await network.serve({ namespace: 'default', name: 'kubernetes' }, apiServer.port, api);
  const pods = new Map<string, Promise<ClusterPod>>();
  const agents = new Map<string, Promise<ZdsServer>>();
  const agentOf = (node: string): Promise<ZdsServer> => {
    const agent = agents.get(node) ?? startAgent(t, node);
    agents.set(node, agent);
    return agent;
  };
  return {
    network,
    async pod(namespace, selector, { node } = {}) {
      const object = await findPod(cluster, namespace, selector, node);
      const { uid } = object.metadata;
      const isCaptured = await isInMesh(cluster, object);
      const pod = pods.get(uid) ?? network.addPod(object, isCaptured ? 'captured' : 'free');
      pods.set(uid, pod);
      return await pod;
    },
    async run(pod, program, more) {
      await agentOf(pod.pod.node);
      return await runContainer(t, { cluster, pod, program, apiServer: { address, ...apiServer }, ...more });
    },
    async enroll({ object, pod, network }) {
      const agent = await agentOf(pod.node);
      const { name, namespace, serviceAccount } = pod;
      await agent.add({ uid: object.metadata.uid, name, namespace, serviceAccount }, network.namespace.descriptor);
    },
  };
}

async function isInMesh(cluster: KubernetesLab, { metadata }: PodObject): Promise<boolean> {
  const label = 'istio.io/dataplane-mode';
  const namespace = (await cluster.read(`namespaces/${metadata.namespace}`)) as Pick<PodObject, 'metadata'>;
  return (metadata.labels?.[label] ?? namespace.metadata.labels?.[label]) === 'ambient';
}

async function startAgent(t: Test, node: string): Promise<ZdsServer> {
  const folder = join('/run/ambientd-nodes', node);
  mkdirSync(folder, { recursive: true });
  const agent = createZdsServer({ path: join(folder, 'ztunnel.sock'), log: collectLog().log });
  await agent.start();
  t.teardown(() => agent.close());
  return agent;
}

async function findPod(cluster: KubernetesLab, namespace: string, selector: string, node?: string): Promise<PodObject> {
  for (const endMs = Date.now() + 60_000; Date.now() < endMs; await setTimeout(250)) {
    const path = `namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`;
    const { items } = (await cluster.read(path)) as {
      items: (PodObject & { metadata: { deletionTimestamp?: string } })[];
    };
    const found = items.find(({ metadata, spec, status }) => {
      const isThere = metadata.deletionTimestamp === undefined && status.podIP !== undefined;
      return isThere && (node === undefined || spec.nodeName === node);
    });
    if (found !== undefined) return found;
  }
  throw new Error(`no pod ${selector} in ${namespace} has an address`);
}
