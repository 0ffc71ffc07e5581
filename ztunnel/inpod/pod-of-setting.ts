// Dedicated mode: one pod, the one this process lives in, named by PROXY_WORKLOAD_INFO. That its listeners cannot be bound
// ends the process.
import type { Runnable } from '../../common/lifecycle.ts';
import type { WorkloadName } from '../../common/mesh/mesh-view.ts';
import type { PodServing } from './pod-serving.ts';

export interface OwnPodOptions extends PodServing {
  readonly workload: WorkloadName;
  readonly packetMark: number | undefined;
}

export function createOwnPod({ workload: name, packetMark: mark, fleet, onReadiness }: OwnPodOptions): Runnable {
  return {
    async start() {
      const uid = `${name.namespace}/${name.name}`;
      await fleet.start({ uid, name, network: { kind: 'own', mark } });
      onReadiness('ready');
    },
    drain: async () => {},
    close: async () => {},
  };
}
