// One side of the mesh: a pod's network namespace with the proxy's redirect rules, sockets as an application of the pod
// opens them (captured) and as its proxy does (marked, so not captured).
import { execFileSync } from 'node:child_process';
import type { Test } from 'tap';
import { openNamespace } from '../../common/net/network-namespace-socket.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import { runInNamespace } from '../../common/net/run-in-namespace-process.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';
import { ztunnelMark } from '../../ztunnel/capture/redirect-rules.ts';
import { createTwoPods, type PodNetwork } from '../support/pod-network.ts';
import { type MeshPod, mesh, serviceRange } from './two-pod-mesh.ts';

export interface PodSide {
  readonly pod: MeshPod;
  readonly network: PodNetwork;
  readonly asApplication: SocketFactory;
  readonly asProxy: SocketFactory;
}

export interface Sides {
  readonly theirs: PodSide;
  readonly ours: PodSide;
}

export async function createSides(t: Test): Promise<Sides> {
  // What stands outside the pods (the CA) listens on the loopback of a namespace that is as new as theirs.
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  const [a, b] = await createTwoPods();
  return { theirs: await createSide(t, mesh.theirs, a), ours: await createSide(t, mesh.ours, b) };
}

async function createSide(t: Test, pod: MeshPod, network: PodNetwork): Promise<PodSide> {
  if (network.v4 !== pod.address) throw new Error(`${pod.name} has the address ${network.v4}, not ${pod.address}`);
  // Nobody answers there: the rules translate service addresses before a packet leaves, but the route must exist.
  await runInNamespace(network.namespace, ['ip', 'route', 'add', serviceRange, 'dev', 'eth0']);
  const asApplication = createPodSocketFactory({ namespace: await openNamespace(network.namespace.descriptor) });
  const asProxy = createPodSocketFactory({
    namespace: await openNamespace(network.namespace.descriptor),
    mark: ztunnelMark,
  });
  t.teardown(() => {
    asApplication.close();
    asProxy.close();
    network.namespace.close();
  });
  return { pod, network, asApplication, asProxy };
}
