// The connections that live in one pod, from accept to end: what config_dump lists, what a policy change re-examines,
// what a drain waits for and a deletion cuts.
import type { MeshError } from '../../common/errors.ts';
import type { Identity } from '../../common/identity/identity.ts';
import { createLastOut } from '../../common/last-out.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { SocketAddress } from '../../common/net/address.ts';
import type { Series } from '../../common/telemetry/recorder.ts';

/** An accepted connection is `deciding` until it has a route or was admitted. */
export type ConnectionState =
  | { readonly kind: 'deciding' }
  | { readonly kind: 'outbound'; readonly route: ConnectionPath }
  | { readonly kind: 'inbound'; readonly route: ConnectionPath; readonly admitted: AdmittedConnection };

export interface ConnectionPath {
  readonly protocol: 'TCP' | 'HBONE';
  readonly source: SocketAddress;
  /** What was asked for; inbound: the `forwarded` host, where one was named. */
  readonly originalDestination: SocketAddress | string | undefined;
  readonly actualDestination: SocketAddress;
}

/** What the policies were asked, to ask them again when they change. */
export interface AdmittedConnection {
  readonly workload: Workload;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly sourceIdentity: Identity | undefined;
}

export interface LiveConnection {
  state: ConnectionState;
  /** Why the connection must end, once somebody has said so. */
  readonly abortReason: MeshError | undefined;
  /** How to end it in its present phase; called at once if it must end already. */
  onAbort(end: (reason: MeshError) => void): void;
  abort(reason: MeshError): void;
  /** It has ended. Later calls do nothing. */
  end(): void;
}

export interface ConnectionTracker {
  /** @param open a gauge of the connections that live */
  begin(open?: Series): LiveConnection;
  live(): Iterable<LiveConnection>;
  readonly size: number;
  abortAll(reason: MeshError): void;
  /** True when none is left; false when the time (milliseconds from now) was up first. */
  whenEmpty(deadlineMs: number): Promise<boolean>;
}

export function createConnectionTracker(): ConnectionTracker {
  const connections = new Set<LiveConnection>();
  const lastOut = createLastOut(() => connections.size === 0);

  function forget(connection: LiveConnection): void {
    connections.delete(connection);
    lastOut.left();
  }

  return {
    begin(open) {
      const connection = new TrackedConnection(forget, open);
      connections.add(connection);
      open?.add(1);
      return connection;
    },
    live: () => connections,
    get size() {
      return connections.size;
    },
    abortAll(reason) {
      for (const connection of [...connections]) connection.abort(reason);
    },
    whenEmpty: (deadlineMs) => lastOut.wait(deadlineMs),
  };
}

class TrackedConnection implements LiveConnection {
  state: ConnectionState = { kind: 'deciding' };
  abortReason: MeshError | undefined;
  readonly #onEnd: (connection: LiveConnection) => void;
  readonly #open: Series | undefined;
  #end: ((reason: MeshError) => void) | undefined;
  #phase: 'living' | 'over' = 'living';

  constructor(onEnd: (connection: LiveConnection) => void, open: Series | undefined) {
    this.#onEnd = onEnd;
    this.#open = open;
  }

  onAbort(end: (reason: MeshError) => void): void {
    this.#end = end;
    if (this.abortReason !== undefined) end(this.abortReason);
  }

  abort(reason: MeshError): void {
    if (this.abortReason !== undefined) return;
    this.abortReason = reason;
    this.#end?.(reason);
  }

  end(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#end = undefined;
    this.#open?.add(-1);
    this.#onEnd(this);
  }
}
