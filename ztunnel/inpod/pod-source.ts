// Who tells which pods this process serves: the CNI agent (shared), a setting (dedicated), or the mesh (explicit).
// Each is a Runnable that starts and stops pods of `PodProxies`.
import type { Runnable } from '../../common/lifecycle.ts';
import type { Logger } from '../../common/log.ts';
import type { MeshView } from '../../common/mesh/mesh-view.ts';
import type { ZtunnelConfig } from '../config.ts';
import { createOwnPod } from './pod-of-setting.ts';
import type { PodServing } from './pod-serving.ts';
import { createAgentPods } from './pods-of-agent.ts';
import { createMeshPods } from './pods-of-mesh.ts';

export interface PodSourceOptions extends PodServing {
  readonly config: ZtunnelConfig;
  readonly mesh: MeshView;
  readonly log: Logger;
}

export function createPodSource(options: PodSourceOptions): Runnable {
  const { config, ...rest } = options;
  const { mode, packetMark, nodeName } = config;
  switch (mode.kind) {
    case 'shared':
      return createAgentPods({ ...rest, packetMark, socketPath: mode.zdsSocketPath });
    case 'dedicated':
      return createOwnPod({ ...rest, packetMark, workload: mode.workload });
    case 'explicit':
      return createMeshPods({ ...rest, nodeName });
  }
}
