// Shared mode: the CNI agent hands pods over, each with its network namespace (ztunnel.md §5). The ZDS session decides when
// to try again; here a pod gets its namespace, and what runs for it.
import type { Runnable } from '../../common/lifecycle.ts';
import type { Logger } from '../../common/log.ts';
import { openNamespace } from '../../common/net/network-namespace-socket.ts';
import { createZdsClient } from '../../common/zds/zds-client.ts';
import type { PodServing } from './pod-serving.ts';

export interface AgentPodsOptions extends PodServing {
  /** INPOD_UDS. */
  readonly socketPath: string;
  readonly packetMark: number | undefined;
  readonly log: Logger;
}

export function createAgentPods(options: AgentPodsOptions): Runnable {
  const { socketPath: path, packetMark: mark, fleet, counters, onReadiness, log } = options;
  const pending = new Set<string>();
  const forget = (uid: string): void => {
    pending.delete(uid);
    counters.setPending(pending.size);
  };
  return createZdsClient({
    path,
    log,
    onReadiness,
    onAdd: async ({ uid, name, namespace, serviceAccount }, descriptor) => {
      pending.add(uid);
      counters.setPending(pending.size);
      const own = await openNamespace(descriptor);
      const network = { kind: 'namespace', descriptor: own.descriptor, mark } as const;
      await fleet.start({ uid, name: { name, namespace, serviceAccount }, network }, () => own.close());
      forget(uid);
    },
    onDelete: async (uid) => {
      forget(uid);
      await fleet.stop(uid);
    },
  });
}
