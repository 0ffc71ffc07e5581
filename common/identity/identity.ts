// A SPIFFE identity as the mesh uses it: spiffe://<trust domain>/ns/<namespace>/sa/<service account>.

/** Equality is by `uri`. */
export interface Identity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly uri: string;
}

export function identityOf(workload: {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}): Identity {
  const { trustDomain, namespace, serviceAccount } = workload;
  return {
    trustDomain,
    namespace,
    serviceAccount,
    uri: `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`,
  };
}

/** Undefined for anything but exactly the form above. */
export function parseIdentity(uri: string): Identity | undefined {
  const parts = uri.split('/');
  const [scheme, empty, trustDomain, ns, namespace, sa, serviceAccount] = parts;
  if (parts.length !== 7 || scheme !== 'spiffe:' || empty !== '' || ns !== 'ns' || sa !== 'sa') return undefined;
  if (!trustDomain || !namespace || !serviceAccount) return undefined;
  return { trustDomain, namespace, serviceAccount, uri };
}
