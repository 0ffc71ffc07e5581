// Who may have which certificate from the embedded CA. Pure: the tokens it gave out and one request in, a verdict out.
// The rule is istiod's (istio-control.md §10.4): a node asks for the identities that run on it, a workload for its own.
import { type Identity, parseIdentity } from '../identity/identity.ts';

export interface CertificateAsk {
  /** From `authorization: Bearer …`. */
  readonly token: string | undefined;
  /** The URI name in the signing request; "" when there is none. */
  readonly requested: string;
  /** The request's ImpersonatedIdentity. */
  readonly impersonated: string | undefined;
}

export type CertificateVerdict =
  | { readonly kind: 'permit'; readonly identity: Identity }
  | { readonly kind: 'deny'; readonly fault: CertificateFault; readonly reason: string };

/**
 * `unauthenticated`: nobody we know; `forbidden`: known, but may not have this; `malformed`: no identity asked;
 * `unavailable`: nobody can tell now.
 */
export type CertificateFault = 'unauthenticated' | 'forbidden' | 'malformed' | 'unavailable';

export type TokenHolder =
  /** `identities` are SPIFFE ids. */
  | { readonly kind: 'node'; readonly name: string; readonly identities: ReadonlySet<string> }
  | { readonly kind: 'workload'; readonly identity: Identity };

export function authorizeRequest(tokens: ReadonlyMap<string, TokenHolder>, ask: CertificateAsk): CertificateVerdict {
  if (ask.token === undefined) return deny('unauthenticated', 'the request carries no token; set AUTH_TOKEN');
  const holder = tokens.get(ask.token);
  if (holder === undefined) return deny('unauthenticated', 'the token is not one that this mesh gave out');
  switch (holder.kind) {
    case 'node':
      return authorizeNode(holder, ask);
    case 'workload':
      return authorizeWorkload(holder, ask);
  }
}

function authorizeNode(holder: TokenHolder & { kind: 'node' }, ask: CertificateAsk): CertificateVerdict {
  const { impersonated, requested } = ask;
  if (impersonated === undefined) {
    return deny('forbidden', `node ${holder.name} names no ImpersonatedIdentity; a node has no certificate of its own`);
  }
  if (requested !== '' && requested !== impersonated) {
    return deny('malformed', `the signing request names ${requested}, but ImpersonatedIdentity is ${impersonated}`);
  }
  if (!holder.identities.has(impersonated)) {
    return deny('forbidden', `no workload of node ${holder.name} runs as ${impersonated}`);
  }
  const identity = parseIdentity(impersonated);
  return identity ? { kind: 'permit', identity } : deny('malformed', `${impersonated} is no SPIFFE id of a workload`);
}

function authorizeWorkload(holder: TokenHolder & { kind: 'workload' }, ask: CertificateAsk): CertificateVerdict {
  const { identity } = holder;
  for (const asked of [ask.impersonated, ask.requested]) {
    if (asked !== undefined && asked !== '' && asked !== identity.uri) {
      return deny('forbidden', `the token of ${identity.uri} is good for that identity only, not for ${asked}`);
    }
  }
  return { kind: 'permit', identity };
}

function deny(fault: CertificateFault, reason: string): CertificateVerdict {
  return { kind: 'deny', fault, reason };
}
