// What deciding about a connection into a pod comes to, whichever way it arrives: through HBONE or in plain.
import type { MeshErrorCode } from '../common/errors.ts';
import type { Denial, Permit } from '../common/mesh/authorize.ts';
import type { Service } from '../common/mesh/service.ts';
import type { SocketAddress } from '../common/net/address.ts';

export type Admission =
  | {
      readonly kind: 'admit';
      readonly upstream: SocketAddress;
      /** Named by the request, or a guess, for telemetry. */
      readonly service: Service | undefined;
      readonly verdict: Permit;
    }
  /** Policy refused it; telemetry counts the connection. */
  | {
      readonly kind: 'deny';
      readonly code: 'AUTHORIZATION_DENIED';
      readonly detail: string;
      readonly upstream: SocketAddress;
      readonly service: Service | undefined;
      readonly verdict: Denial;
    }
  | Rejection;

export interface Rejection {
  readonly kind: 'reject';
  readonly code: MeshErrorCode;
  readonly detail: string;
}
