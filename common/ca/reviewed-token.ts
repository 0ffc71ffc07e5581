// What a Kubernetes TokenReview says about a caller. Pure: its status in, the service account (and the pod its token is
// bound to) or the reason why it is nobody we know out. Source: authentication.k8s.io/v1, istio-control.md §10.2.

/** The status of a TokenReview, as far as it is read. */
export interface ReviewStatus {
  readonly authenticated?: boolean;
  /** Those of the asked audiences that the token is good for. */
  readonly audiences?: readonly string[];
  readonly error?: string;
  readonly user?: {
    readonly username?: string;
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
}

export interface TokenCaller {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Absent for a token that is bound to no pod. `node` is told by API servers from 1.32 on. */
  readonly pod: { readonly name: string; readonly uid: string; readonly node: string | undefined } | undefined;
}

export type ReviewedToken =
  | { readonly kind: 'caller'; readonly caller: TokenCaller }
  | { readonly kind: 'refused'; readonly reason: string };

const accountName = /^system:serviceaccount:([^:]+):([^:]+)$/;
const extraPrefix = 'authentication.kubernetes.io/';

export function readReview(status: ReviewStatus | undefined, audiences: readonly string[]): ReviewedToken {
  const wanted = audiences.join(', ');
  if (status?.authenticated !== true) {
    const said = status?.error ? `: ${status.error}` : '';
    return refused(`the API server does not accept the token for the audience ${wanted}${said}`);
  }
  // An API server that knows no audiences names none: what it accepted may be meant for somebody else.
  if (!status.audiences?.some((audience) => audiences.includes(audience))) {
    return refused(`the token is good, but not for the audience ${wanted}; project one with that audience`);
  }
  const username = status.user?.username ?? '';
  const [, namespace, serviceAccount] = accountName.exec(username) ?? [];
  if (namespace === undefined || serviceAccount === undefined) {
    return refused(`the token is that of "${username}", which is no service account`);
  }
  return { kind: 'caller', caller: { namespace, serviceAccount, pod: boundPod(status) } };
}

function boundPod({ user }: ReviewStatus): TokenCaller['pod'] {
  const extra = (name: string): string | undefined => user?.extra?.[`${extraPrefix}${name}`]?.[0];
  const [name, uid] = [extra('pod-name'), extra('pod-uid')];
  return name === undefined || uid === undefined ? undefined : { name, uid, node: extra('node-name') };
}

function refused(reason: string): ReviewedToken {
  return { kind: 'refused', reason };
}

/** When a JSON web token ends, by its own word: only for tokens that were found good. Undefined for other kinds. */
export function tokenEndMs(token: string): number | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const end = typeof claims === 'object' && claims !== null && 'exp' in claims ? claims.exp : undefined;
    return typeof end === 'number' ? end * 1000 : undefined;
  } catch {
    return undefined;
  }
}
