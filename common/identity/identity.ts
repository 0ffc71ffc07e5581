// A SPIFFE identity as the mesh uses it: spiffe://<trust domain>/ns/<namespace>/sa/<service account>.

/** Equality is by `uri`. */
export interface Identity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly uri: string;
}

interface Named {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Every connection asks for those of its ends, whose workloads never change. */
const known = new WeakMap<Named, Identity>();

export function identityOf(workload: Named): Identity {
  const before = known.get(workload);
  if (before !== undefined) return before;
  const { trustDomain, namespace, serviceAccount } = workload;
  const uri = `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
  const identity = { trustDomain, namespace, serviceAccount, uri };
  known.set(workload, identity);
  return identity;
}

/** Undefined for anything but exactly the form above. */
export function parseIdentity(uri: string): Identity | undefined {
  const parts = uri.split('/');
  const [scheme, empty, trustDomain, ns, namespace, sa, serviceAccount] = parts;
  if (parts.length !== 7 || scheme !== 'spiffe:' || empty !== '' || ns !== 'ns' || sa !== 'sa') return undefined;
  if (!trustDomain || !namespace || !serviceAccount) return undefined;
  return { trustDomain, namespace, serviceAccount, uri };
}
