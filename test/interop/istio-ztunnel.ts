// Istio's ztunnel in dedicated mode for the pod `theirs`: it knows the mesh from a file and has its certificate from our CA.
// Source: ztunnel.md §2, §13.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { UnpackedZtunnel } from './istio-program-process.ts';
import type { MeshCa } from './mesh-ca.ts';
import { type PodProxy, startPodProxy } from './pod-proxy-process.ts';
import type { PodSide } from './pod-side.ts';
import { istioResources, type TwoPodMesh } from './two-pod-mesh.ts';

export async function startIstioZtunnel(
  t: Test,
  { folder, program }: UnpackedZtunnel,
  side: PodSide,
  ca: MeshCa,
  mesh: TwoPodMesh,
  env: Readonly<Record<string, string>> = {},
): Promise<PodProxy> {
  const pod = mesh.theirs;
  const resources = join(folder, 'istio-resources.yaml');
  writeFileSync(resources, istioResources(mesh));
  return await startPodProxy(t, {
    side,
    command: [program],
    cwd: folder,
    env: {
      PROXY_MODE: 'dedicated',
      PROXY_WORKLOAD_INFO: `${pod.namespace}/${pod.name}/${pod.serviceAccount}`,
      NODE_NAME: pod.node,
      PACKET_MARK: '1337',
      XDS_ADDRESS: '',
      LOCAL_XDS_PATH: resources,
      ISTIO_META_DNS_CAPTURE: 'false',
      ZTUNNEL_WORKER_THREADS: '1',
      RUST_LOG: 'info,access=debug',
      ...ca.environmentFor(pod),
      ...env,
    },
  });
}
