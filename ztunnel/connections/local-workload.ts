// The pod that a proxy stands for, found by the name its node gave (never by address) and waited for while the mesh has
// not told of it yet (ztunnel.md §4.1).
import { MeshError } from '../../common/errors.ts';
import type { MeshView, WorkloadName } from '../../common/mesh/mesh-view.ts';
import type { Workload } from '../../common/mesh/workload.ts';

export interface LocalWorkload {
  readonly name: WorkloadName;
  /** Undefined while the mesh does not know it. */
  current(): Workload | undefined;
  /** @throws MeshError WORKLOAD_UNKNOWN when the time is up */
  get(): Promise<Workload>;
}

export interface LocalWorkloadOptions {
  readonly mesh: MeshView;
  readonly name: WorkloadName;
  /** Only workloads of this node; undefined: of any. */
  readonly nodeName: string | undefined;
  /** Default 5 000. */
  readonly waitMs?: number;
}

export function createLocalWorkload({ mesh, name, nodeName, waitMs = 5_000 }: LocalWorkloadOptions): LocalWorkload {
  let asOf = -1;
  let found: Workload | undefined;
  const find = (): Workload | undefined => {
    if (asOf !== mesh.revision) {
      asOf = mesh.revision;
      found = mesh.workloadByName(name, nodeName);
    }
    return found;
  };
  return {
    name,
    current: find,
    get: async () => find() ?? (await waitFor(mesh, find, waitMs)) ?? unknown(name, nodeName, waitMs),
  };
}

function waitFor(mesh: MeshView, find: () => Workload | undefined, waitMs: number): Promise<Workload | undefined> {
  return new Promise((resolve) => {
    const settle = (workload: Workload | undefined): void => {
      clearTimeout(timer);
      unsubscribe();
      resolve(workload);
    };
    // Whoever waits holds a socket; that alone keeps the process.
    const timer = setTimeout(() => settle(undefined), waitMs).unref();
    const unsubscribe = mesh.onChange(() => {
      const workload = find();
      if (workload !== undefined) settle(workload);
    });
  });
}

function unknown({ namespace, name, serviceAccount }: WorkloadName, node: string | undefined, waitMs: number): never {
  const where = node === undefined ? '' : ` on node ${node}`;
  throw new MeshError(
    'WORKLOAD_UNKNOWN',
    `failed to fetch information about local workload: ${serviceAccount}.${namespace} (${name}): the mesh has told of ` +
      `no such workload${where} for ${waitMs} ms; check that its source is up to date`,
  );
}
