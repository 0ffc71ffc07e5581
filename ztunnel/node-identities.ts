// The identities of this node's own pods, as the mesh tells of them: each is told once when its first workload comes, so that its
// certificate is there before its first connection, and once when its last has gone (ztunnel.md §7). Stands before the index.
import { type Identity, identityOf } from '../common/identity/identity.ts';
import type { MeshWriter } from '../common/mesh/mesh-source.ts';
import type { Workload, WorkloadUid } from '../common/mesh/workload.ts';

export interface NodeIdentityOptions {
  readonly nodeName: string;
  readonly onCome: (identity: Identity) => void;
  readonly onGone: (identity: Identity) => void;
}

export function watchNodeIdentities(writer: MeshWriter, options: NodeIdentityOptions): MeshWriter {
  const identities = new CountedIdentities(options);
  const isOwn = ({ node, tunnelProtocol, nativeTunnel }: Workload): boolean =>
    node === options.nodeName && (tunnelProtocol === 'hbone' || nativeTunnel);
  return {
    apply(update) {
      writer.apply(update);
      const removed = new Set(update.removedWorkloads);
      for (const workload of update.workloads) {
        removed.delete(workload.uid);
        if (isOwn(workload)) identities.put(workload.uid, identityOf(workload));
        else identities.drop(workload.uid);
      }
      for (const uid of removed) identities.drop(uid);
    },
    replace(snapshot) {
      writer.replace(snapshot);
      const own = snapshot.workloads.filter(isOwn);
      for (const workload of own) identities.put(workload.uid, identityOf(workload));
      identities.keepOnly(new Set(own.map(({ uid }) => uid)));
    },
  };
}

class CountedIdentities {
  readonly #options: NodeIdentityOptions;
  readonly #byWorkload = new Map<WorkloadUid, Identity>();
  readonly #counts = new Map<string, number>();

  constructor(options: NodeIdentityOptions) {
    this.#options = options;
  }

  put(uid: WorkloadUid, identity: Identity): void {
    const before = this.#byWorkload.get(uid);
    if (before?.uri === identity.uri) return;
    this.#byWorkload.set(uid, identity);
    const count = this.#counts.get(identity.uri) ?? 0;
    this.#counts.set(identity.uri, count + 1);
    if (count === 0) this.#options.onCome(identity);
    if (before !== undefined) this.#uncount(before);
  }

  drop(uid: WorkloadUid): void {
    const identity = this.#byWorkload.get(uid);
    if (identity === undefined) return;
    this.#byWorkload.delete(uid);
    this.#uncount(identity);
  }

  keepOnly(wanted: ReadonlySet<WorkloadUid>): void {
    for (const uid of [...this.#byWorkload.keys()]) if (!wanted.has(uid)) this.drop(uid);
  }

  #uncount(identity: Identity): void {
    const count = (this.#counts.get(identity.uri) ?? 0) - 1;
    if (count > 0) {
      this.#counts.set(identity.uri, count);
      return;
    }
    this.#counts.delete(identity.uri);
    this.#options.onGone(identity);
  }
}
