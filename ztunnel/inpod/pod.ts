// A pod as this process serves it: who it is, and where its sockets are to be opened. Plain values, which each thread opens for itself.
import type { WorkloadName } from '../../common/mesh/mesh-view.ts';
import type { IpAddress } from '../../common/net/address.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';

export type PodNetwork =
  /** A network namespace, by a descriptor of this process, which outlives the pod. */
  | { readonly kind: 'namespace'; readonly descriptor: number; readonly mark: number | undefined }
  /** The one that this process lives in. */
  | { readonly kind: 'own'; readonly mark: number | undefined }
  /** The network of this process, where the pod has an address of its own. */
  | { readonly kind: 'address'; readonly address: IpAddress };

export interface Pod {
  /** As its source names it; unique among the pods of this process. */
  readonly uid: string;
  readonly name: WorkloadName;
  readonly network: PodNetwork;
}

/** As one thread serves it. */
export interface OpenPod extends Omit<Pod, 'network'> {
  /** Closed when the pod is stopped, or could not be started. */
  readonly sockets: SocketFactory;
}
