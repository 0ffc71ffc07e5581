// The network of a lab's cluster on one bridge: a namespace with its address for every pod that is asked for, and the addresses of
// services that processes outside of the mesh use. It wants namespaces of its own: `inUserNamespace(…, ['ip', 'nft'])`.
import { execFileSync } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdirSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Test } from 'tap';
import { identityOf } from '../../common/identity/identity.ts';
import { createAnonymousNamespace, openNamespace } from '../../common/net/network-namespace-socket.ts';
import { createPlainSocketFactory } from '../../common/net/plain-socket-factory-socket.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import { runInNamespace } from '../../common/net/run-in-namespace-process.ts';
import { redirectRoutes, redirectRuleset, ztunnelMark } from '../../ztunnel/capture/redirect-rules.ts';
import { ip } from '../support/pod-network.ts';
import type { KubernetesLab } from './kubernetes-lab.ts';
import type { PodSide } from './pod-side.ts';

export interface ClusterPod extends PodSide {
  readonly object: PodObject;
}

export interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly nodeName: string;
    readonly serviceAccountName: string;
    readonly containers: readonly unknown[];
    readonly volumes?: readonly unknown[];
  };
  readonly status: { readonly podIP: string; readonly hostIP?: string };
}

export interface ClusterNetwork {
  /** @param capture `captured`: with the rules that Istio's CNI agent would make */
  addPod(object: PodObject, capture: 'captured' | 'free'): Promise<ClusterPod>;
  /** As kube-proxy does, for processes that are not captured: by address, and by name. @returns its address */
  serve(service: { readonly namespace: string; readonly name: string }, port: number, to: Target): Promise<string>;
}

export interface Target {
  readonly address: string;
  readonly port: number;
}

const bridge = 'pods';
/** Out of the ranges that nodes give their pods. */
const gateway = '10.244.255.254';

export async function createClusterNetwork(t: Test, cluster: KubernetesLab): Promise<ClusterNetwork> {
  run('ip', 'link', 'add', bridge, 'type', 'bridge');
  run('ip', 'address', 'add', `${gateway}/16`, 'dev', bridge);
  run('ip', 'link', 'set', bridge, 'up');
  // A file of names for this mount namespace alone.
  const hosts = join(cluster.folder, 'hosts');
  copyFileSync('/etc/hosts', hosts);
  run('mount', '--bind', hosts, '/etc/hosts');
  // A /run of its own too, where containers find their secrets.
  run('mount', '-t', 'tmpfs', 'tmpfs', '/run');
  for (const folder of ['secrets', 'ztunnel']) mkdirSync(join('/run', folder));
  return {
    addPod: (object, capture) => addPod(t, object, capture),
    async serve({ namespace, name }, port, to) {
      const path = `namespaces/${namespace}/services/${name}`;
      const service = (await cluster.read(path)) as { spec: { clusterIP: string } } | undefined;
      if (service === undefined) throw new Error(`there is no service ${namespace}/${name}`);
      const address = service.spec.clusterIP;
      run('ip', 'address', 'replace', `${address}/32`, 'dev', 'lo');
      const names = ['', '.svc', '.svc.cluster.local'].map((suffix) => `${name}.${namespace}${suffix}`);
      appendFileSync(hosts, `${address} ${names.join(' ')}\n`);
      await relay(t, { address, port }, to);
      return address;
    },
  };
}

async function addPod(t: Test, object: PodObject, capture: 'captured' | 'free'): Promise<ClusterPod> {
  const { metadata, spec, status } = object;
  const namespace = await createAnonymousNamespace();
  const inPod = (...command: [string, ...string[]]) => runInNamespace(namespace, command);
  const outer = `pod${metadata.uid.slice(0, 8)}`;
  run(
    'ip',
    'link',
    'add',
    outer,
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    `/proc/${process.pid}/fd/${namespace.descriptor}`,
  );
  run('ip', 'link', 'set', outer, 'master', bridge, 'up');
  await inPod('ip', 'link', 'set', 'lo', 'up');
  await inPod('ip', 'address', 'add', `${status.podIP}/16`, 'dev', 'eth0');
  await inPod('ip', 'link', 'set', 'eth0', 'up');
  await inPod('ip', 'route', 'add', 'default', 'via', gateway);
  if (capture === 'captured') {
    for (const [program = '', ...args] of redirectRoutes()) await inPod(program, ...args);
    await runInNamespace(namespace, ['nft', '-f', '-'], { input: redirectRuleset() });
  }
  const asApplication = createPodSocketFactory({ namespace: await openNamespace(namespace.descriptor) });
  const asProxy = createPodSocketFactory({ namespace: await openNamespace(namespace.descriptor), mark: ztunnelMark });
  t.teardown(() => {
    asApplication.close();
    asProxy.close();
    namespace.close();
  });
  const { nodeName: node, serviceAccountName: serviceAccount } = spec;
  const identity = identityOf({ trustDomain: 'cluster.local', namespace: metadata.namespace, serviceAccount });
  const pod = { ...metadata, serviceAccount, node, address: status.podIP, vip: '', identity };
  const network = { namespace, v4: ip(status.podIP), v6: ip('::') };
  return { object, pod, network, asApplication, asProxy };
}

async function relay(t: Test, from: Target, to: Target): Promise<void> {
  const sockets = createPlainSocketFactory();
  const open = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    open.add(socket);
    return socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    keep(socket);
    sockets.connectSocket({ to: { ip: ip(to.address), port: to.port } }).then(
      (inner) => Promise.allSettled([pipeline(socket, keep(inner)), pipeline(inner, socket)]),
      () => socket.destroy(),
    );
  });
  await new Promise<void>((listening) => server.listen(from.port, from.address, listening));
  t.teardown(() => {
    server.close();
    // The other end may be gone with its namespace, without a word.
    for (const socket of open) socket.destroy();
  });
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
