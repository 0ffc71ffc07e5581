// Which namespaces need the trust bundle written. Pure: namespaces and what each has in, those to write out.

/** Those that istiod leaves out too (istio-control.md §10.1): no pod of the mesh runs there. */
const left: ReadonlySet<string> = new Set(['kube-public', 'kube-node-lease', 'local-path-storage']);

export interface BundleFacts {
  readonly namespaces: readonly string[];
  /** The bundle of each namespace that has the ConfigMap; undefined where its key is missing. */
  readonly present: ReadonlyMap<string, string | undefined>;
  readonly wanted: string;
}

export function planBundles({ namespaces, present, wanted }: BundleFacts): readonly string[] {
  return namespaces.filter((namespace) => !left.has(namespace) && present.get(namespace) !== wanted);
}
