// The verdict on a certificate request in a cluster: asks the API server who holds the token and, for a node's proxy, which
// pods are on its node; the rules stand in `authorize-caller.ts`. In: a request. Out: a verdict, always.
import { createHash } from 'node:crypto';
import { MeshError } from '../errors.ts';
import {
  authorizeCaller,
  authorizeOnNode,
  type CallerRules,
  type NodePod,
  type NodeQuestion,
} from './authorize-caller.ts';
import type { CertificateAsk, CertificateVerdict } from './authorize-request.ts';
import { createRecall, type Recall } from './recall.ts';
import { type ReviewedToken, tokenEndMs } from './reviewed-token.ts';

/** What is asked of the Kubernetes API. @throws MeshError when it gives no answer */
export interface ClusterFacts {
  reviewToken(token: string, audiences: readonly string[]): Promise<ReviewedToken>;
  /** Undefined when the pod is not there, or on no node yet. */
  nodeOfPod(namespace: string, name: string): Promise<string | undefined>;
  podsOfNode(node: string): Promise<readonly NodePod[]>;
}

export interface TokenAuthorizerOptions {
  readonly facts: ClusterFacts;
  readonly rules: CallerRules;
  readonly audiences: readonly string[];
  readonly now: () => number;
}

/** A deleted pod's token is good for at most this long. */
const reviewFreshMs = 10_000;
const podsFreshMs = 2_000;
/** While the API server does not answer, those whom it knew shortly before still get their certificates. */
const goodMs = 60_000;
const maxTokens = 10_000;
const maxNodes = 1_000;
const longestToken = 16_384;
/** Whoever sends made-up tokens shall not bring the API server down. */
const maxReviewsAtOnce = 128;

export function createTokenAuthorizer(
  options: TokenAuthorizerOptions,
): (ask: CertificateAsk) => Promise<CertificateVerdict> {
  const { facts, rules, audiences, now } = options;
  const reviews = createRecall<ReviewedToken & { readonly endsAtMs: number }>({
    terms: ({ kind, endsAtMs }, nowMs) =>
      kind === 'caller'
        ? { freshUntilMs: Math.min(nowMs + reviewFreshMs, endsAtMs), goodUntilMs: Math.min(nowMs + goodMs, endsAtMs) }
        : undefined,
    maxEntries: maxTokens,
    now,
  });
  const podsByNode = createRecall<readonly NodePod[]>({
    terms: (_pods, nowMs) => ({ freshUntilMs: nowMs + podsFreshMs, goodUntilMs: nowMs + goodMs }),
    maxEntries: maxNodes,
    now,
  });

  const limited = createLimit(maxReviewsAtOnce);

  async function authorize(ask: CertificateAsk): Promise<CertificateVerdict> {
    const { token } = ask;
    if (token === undefined) return unauthenticated('the request carries no token; set AUTH_TOKEN');
    if (token.length > longestToken)
      return unauthenticated(`the token has ${token.length} bytes, which is none of ours`);
    // The token itself is nowhere kept.
    const key = createHash('sha256').update(token).digest('base64');
    const reviewed = await reviews.get(key, async () => {
      const review = await limited(() => facts.reviewToken(token, audiences));
      return { ...review, endsAtMs: tokenEndMs(token) ?? Number.POSITIVE_INFINITY };
    });
    if (reviewed.kind === 'refused') return unauthenticated(reviewed.reason);
    const verdict = authorizeCaller(reviewed.caller, ask, rules);
    return verdict.kind === 'ask-node' ? askNode(verdict.question, facts, podsByNode) : verdict;
  }

  return (ask) =>
    authorize(ask).catch((error: unknown) => {
      if (!(error instanceof MeshError)) throw error;
      return { kind: 'deny', fault: 'unavailable', reason: `cannot tell who asks: ${error.message}` };
    });
}

/** @throws MeshError IO_FAILED when too many run already */
function createLimit(most: number): <T>(run: () => Promise<T>) => Promise<T> {
  let running = 0;
  return async (run) => {
    if (running >= most) throw new MeshError('IO_FAILED', `${most} tokens are being reviewed already; try again`);
    running += 1;
    try {
      return await run();
    } finally {
      running -= 1;
    }
  };
}

async function askNode(
  question: NodeQuestion,
  facts: ClusterFacts,
  podsByNode: Recall<readonly NodePod[]>,
): Promise<CertificateVerdict> {
  const { caller, pod } = question;
  const node = pod.node ?? (await facts.nodeOfPod(caller.namespace, pod.name));
  if (node === undefined) return authorizeOnNode(question, node, []);
  const list = () => facts.podsOfNode(node);
  const verdict = authorizeOnNode(question, node, await podsByNode.get(node, list));
  // A pod may be newer than the list.
  return verdict.kind === 'permit' ? verdict : authorizeOnNode(question, node, await podsByNode.renew(node, list));
}

function unauthenticated(reason: string): CertificateVerdict {
  return { kind: 'deny', fault: 'unauthenticated', reason };
}
