// What a client asked this waypoint for: a port of a service, or a port of one workload, that names this waypoint as its own.
// Made by the listener's decision, read by upstream and telemetry.
import type { Identity } from '../common/identity/identity.ts';
import type { Service } from '../common/mesh/service.ts';
import type { AppProtocol, Workload } from '../common/mesh/workload.ts';
import type { SocketAddress } from '../common/net/address.ts';

export type ServedTarget = {
  /** What the client dialled: the service's or the workload's address. */
  readonly address: SocketAddress;
  readonly appProtocol: AppProtocol;
} & (
  | { readonly kind: 'service'; readonly service: Service; readonly servicePort: number }
  | { readonly kind: 'workload'; readonly workload: Workload }
);

/** Both ends of a tunnel stream as the waypoint knows them. */
export interface Downstream {
  /** From its certificate; undefined only where the tunnel did not verify one. */
  readonly identity: Identity | undefined;
  readonly localIdentity: Identity;
  readonly address: SocketAddress;
  /** Found by its address, or made of what it tells of itself. */
  readonly workload: Workload | undefined;
  readonly target: ServedTarget;
}
