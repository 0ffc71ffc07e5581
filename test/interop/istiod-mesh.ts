// The two pods under a real istiod: Istio's ztunnel serves one as the proxy of node-a, ours the other as the proxy of
// node-b. Both stand in a namespace of their own, get the pod from our CNI agent, the mesh and certificates from istiod.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Test } from 'tap';
import { createAnonymousNamespace, openNamespace } from '../../common/net/network-namespace-socket.ts';
import { createPlainSocketFactory } from '../../common/net/plain-socket-factory-socket.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import { type CommandLine, runInNamespace } from '../../common/net/run-in-namespace-process.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';
import { createZdsServer, type ZdsServer } from '../../common/zds/zds-server.ts';
import { collectLog } from '../support/collected-log.ts';
import { unpackPeers } from '../support/peers.ts';
import { ip } from '../support/pod-network.ts';
import { type KubernetesLab, startLab } from './kubernetes-lab.ts';
import { type PodProxy, type ProxyHome, startPodProxy } from './pod-proxy-process.ts';
import { createSides, type PodSide, type Sides } from './pod-side.ts';
import { kubernetesObjects, mesh } from './two-pod-mesh.ts';

export interface NodeOfMesh {
  readonly proxy: PodProxy;
  /** Knows the pod by `podUid`. */
  readonly agent: ZdsServer;
  /** Gives it the pod again after it was deleted. */
  enroll(): Promise<void>;
}

export interface IstiodMesh {
  readonly cluster: KubernetesLab;
  readonly sides: Sides;
  readonly theirs: NodeOfMesh;
  readonly ours: NodeOfMesh;
}

export const podUid = 'uid-of-the-pod';

const istiodPort = 15012;

/** @param more further objects of the cluster */
export async function startIstiodMesh(t: Test, ...more: readonly string[]): Promise<IstiodMesh> {
  const sides = await createSides(t);
  const cluster = startLab(t, 'with-istiod');
  cluster.apply(kubernetesObjects(mesh), ...more);
  for (const { name, namespace } of [mesh.theirs, mesh.ours]) {
    cluster.kubectl('wait', '-n', namespace, '--for=condition=Ready', `pod/${name}`, '--timeout=60s');
  }
  const theirProgram = join(unpackPeers(t, 'ztunnel'), 'ztunnel');
  const ourProgram = join(import.meta.dirname, '../../ztunnel/main.ts');
  const start = (side: PodSide, command: CommandLine) => startNode(t, cluster, side, command);
  return {
    cluster,
    sides,
    theirs: await start(sides.theirs, [theirProgram, 'proxy', 'ztunnel']),
    ours: await start(sides.ours, [process.execPath, ourProgram, 'proxy', 'ztunnel']),
  };
}

async function startNode(t: Test, cluster: KubernetesLab, side: PodSide, command: CommandLine): Promise<NodeOfMesh> {
  const { name, namespace, node, serviceAccount } = side.pod;
  const socket = join(cluster.folder, `zds-${node}.sock`);
  const agent = createZdsServer({ path: socket, log: collectLog().log });
  await agent.start();
  t.teardown(() => agent.close());
  const enroll = () => agent.add({ uid: podUid, name, namespace, serviceAccount }, side.network.namespace.descriptor);
  const enrolled = enroll();
  const home = await createHome(t);
  const env = await nodeEnvironment(cluster, node, socket);
  const proxy = await startPodProxy(t, { side, home, command, env, cwd: cluster.folder });
  await enrolled;
  return { proxy, agent, enroll };
}

/** Of a proxy that is not in the pod: nothing there but istiod's port. */
async function createHome(t: Test): Promise<ProxyHome> {
  const namespace = await createAnonymousNamespace();
  t.teardown(() => namespace.close());
  await runInNamespace(namespace, ['ip', 'link', 'set', 'lo', 'up']);
  const sockets = createPodSocketFactory({ namespace: await openNamespace(namespace.descriptor) });
  t.teardown(() => sockets.close());
  await relayFrom(t, sockets, istiodPort);
  return { namespace, sockets };
}

/** From loopback there to the same port of loopback here. */
async function relayFrom(t: Test, there: SocketFactory, port: number): Promise<void> {
  const here = createPlainSocketFactory();
  const listener = await there.listenSockets({ port, host: 'loopback' }, ({ socket }) => {
    here.connectSocket({ to: { ip: ip('127.0.0.1'), port } }).then(
      (inner) => Promise.allSettled([pipeline(socket, inner), pipeline(inner, socket)]),
      () => socket.destroy(),
    );
  });
  t.teardown(() => listener.close());
}

/** Of a ztunnel as its DaemonSet has it, with the token of its pod on that node. */
async function nodeEnvironment(cluster: KubernetesLab, node: string, socket: string): Promise<Record<string, string>> {
  const query = ['-o', `jsonpath={.items[?(@.spec.nodeName=="${node}")].metadata.name}`];
  const pod = cluster.kubectl('get', 'pods', '-n', 'istio-system', '-l', 'app=ztunnel', ...query);
  const token = join(cluster.folder, `token-${node}`);
  writeFileSync(token, await cluster.token('istio-system', 'ztunnel', { pod }));
  const istiod = `https://127.0.0.1:${istiodPort}`;
  const root = join(cluster.folder, 'pki/istio-root.pem');
  return {
    ...{ XDS_ADDRESS: istiod, CA_ADDRESS: istiod, XDS_ROOT_CA: root, CA_ROOT_CA: root, AUTH_TOKEN: token },
    ...{ ALT_XDS_HOSTNAME: 'istiod.istio-system.svc', ALT_CA_HOSTNAME: 'istiod.istio-system.svc' },
    ...{ POD_NAME: pod, POD_NAMESPACE: 'istio-system', SERVICE_ACCOUNT: 'ztunnel', NODE_NAME: node },
    ...{ INPOD_UDS: socket, CLUSTER_ID: 'Kubernetes', ISTIO_META_DNS_CAPTURE: 'false' },
    ...{ ZTUNNEL_WORKER_THREADS: '1', RUST_LOG: 'info,access=debug' },
  };
}
