// Our ztunnel in dedicated mode for the pod `ours`, run as a user runs it: its main file, and everything in the environment.
// It knows the mesh from Kubernetes objects and has its certificate from our CA.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { MeshCa } from './mesh-ca.ts';
import { type PodProxy, startPodProxy } from './pod-proxy-process.ts';
import type { PodSide } from './pod-side.ts';
import { kubernetesObjects, type TwoPodMesh } from './two-pod-mesh.ts';

export async function startOurZtunnel(
  t: Test,
  folder: string,
  side: PodSide,
  ca: MeshCa,
  mesh: TwoPodMesh,
  env: Readonly<Record<string, string>> = {},
): Promise<PodProxy> {
  const pod = mesh.ours;
  const objects = join(folder, 'objects.yaml');
  writeFileSync(objects, kubernetesObjects(mesh));
  return await startPodProxy(t, {
    side,
    command: [process.execPath, join(import.meta.dirname, '../../ztunnel/main.ts')],
    cwd: folder,
    env: {
      PROXY_MODE: 'dedicated',
      PROXY_WORKLOAD_INFO: `${pod.namespace}/${pod.name}/${pod.serviceAccount}`,
      NODE_NAME: pod.node,
      PACKET_MARK: '1337',
      AMBIENTD_MANIFESTS: objects,
      RUST_LOG: 'info,access=debug',
      ...ca.environmentFor(pod),
      ...env,
    },
  });
}
