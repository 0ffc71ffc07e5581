// Who may have which certificate in a cluster, by istiod's rules (istio-control.md §10.4): a service account its own, and a
// node's proxy those of the pods on its node. Pure: who calls, what is asked and which pods there are in, a verdict out.
import { type Identity, identityOf, parseIdentity } from '../identity/identity.ts';
import type { CertificateAsk, CertificateVerdict } from './authorize-request.ts';
import type { TokenCaller } from './reviewed-token.ts';

export interface CallerRules {
  readonly trustDomain: string;
  /** `namespace/service-account` of those that may ask on behalf of the pods of their node. */
  readonly trustedNodeAccounts: ReadonlySet<string>;
}

export interface NodePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly serviceAccount: string;
  /** Pending, Running, Succeeded, Failed, Unknown. */
  readonly phase: string;
}

/** The question that is left for the pods of a node. */
export interface NodeQuestion {
  readonly caller: TokenCaller;
  readonly pod: NonNullable<TokenCaller['pod']>;
  readonly identity: Identity;
}

export type CallerVerdict = CertificateVerdict | { readonly kind: 'ask-node'; readonly question: NodeQuestion };

export function authorizeCaller(caller: TokenCaller, ask: CertificateAsk, rules: CallerRules): CallerVerdict {
  const { namespace, serviceAccount, pod } = caller;
  const own = identityOf({ trustDomain: rules.trustDomain, namespace, serviceAccount });
  const { impersonated, requested } = ask;
  if (impersonated === undefined || impersonated === own.uri) {
    if (requested === '' || requested === own.uri) return { kind: 'permit', identity: own };
    return deny('forbidden', `the token of ${own.uri} is good for that identity only, not for ${requested}`);
  }
  const identity = parseIdentity(impersonated);
  if (identity === undefined) return deny('malformed', `${impersonated} is no SPIFFE id of a workload`);
  if (requested !== '' && requested !== impersonated) {
    return deny('malformed', `the signing request names ${requested}, but ImpersonatedIdentity is ${impersonated}`);
  }
  const account = `${namespace}/${serviceAccount}`;
  if (!rules.trustedNodeAccounts.has(account)) {
    const trusted = [...rules.trustedNodeAccounts].join(', ') || 'none';
    return deny(
      'forbidden',
      `${account} may ask for ${own.uri} only, not for ${impersonated}: it is no trusted node account (CA_TRUSTED_NODE_ACCOUNTS: ${trusted})`,
    );
  }
  if (identity.trustDomain !== rules.trustDomain) {
    return deny('forbidden', `${impersonated} is of another trust domain than this CA's, ${rules.trustDomain}`);
  }
  if (pod === undefined) {
    return deny('forbidden', `the token of ${account} is bound to no pod, so its node is unknown; use a projected one`);
  }
  return { kind: 'ask-node', question: { caller, pod, identity } };
}

/** @param pods those of the node; @param node undefined when the caller's pod is not there or on none */
export function authorizeOnNode(
  { caller, pod, identity }: NodeQuestion,
  node: string | undefined,
  pods: readonly NodePod[],
): CertificateVerdict {
  const name = `${caller.namespace}/${pod.name}`;
  if (node === undefined) return deny('forbidden', `the pod ${name} that the token is bound to is on no node`);
  const own = pods.find((candidate) => candidate.uid === pod.uid && candidate.name === pod.name);
  if (own === undefined || own.namespace !== caller.namespace || !runs(own)) {
    return deny('forbidden', `the pod ${name} (${pod.uid}) that the token is bound to does not run on node ${node}`);
  }
  if (own.serviceAccount !== caller.serviceAccount) {
    return deny('forbidden', `the pod ${name} runs as ${own.serviceAccount}, the token is of ${caller.serviceAccount}`);
  }
  const { namespace, serviceAccount } = identity;
  const found = pods.some((it) => it.namespace === namespace && it.serviceAccount === serviceAccount && runs(it));
  return found ? { kind: 'permit', identity } : deny('forbidden', `no pod of node ${node} runs as ${identity.uri}`);
}

function runs({ phase }: NodePod): boolean {
  return phase !== 'Failed' && phase !== 'Succeeded';
}

function deny(fault: 'forbidden' | 'malformed', reason: string): CertificateVerdict {
  return { kind: 'deny', fault, reason };
}
