// A pod as this process serves it: who it is, and sockets in its network.
import type { WorkloadName } from '../../common/mesh/mesh-view.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';

export interface Pod {
  /** As its source names it; unique among the pods of this process. */
  readonly uid: string;
  readonly name: WorkloadName;
  /** Closed when the pod is stopped, or could not be started. */
  readonly sockets: SocketFactory;
}
