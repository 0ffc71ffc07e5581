// When a mesh gets its first root, its next one, and lets the old one go. Pure: what is kept and the time in, one step out.
// Peers learn a new root with their next certificate (ztunnel.md §7), so a root may sign only when every certificate
// that was issued without it in the bundle has ended, and goes only when every certificate it signed has.
import { type RootSet, validityOf } from './root-set.ts';

export interface RootTerms {
  /** How long a new root is valid. */
  readonly rootLifetimeMs: number;
  /** The longest that a workload's certificate is valid. */
  readonly workloadLifetimeMs: number;
  /** The share of a root's life, at its end, in which the next one takes over: 0.2 is the last fifth. */
  readonly overlap: number;
  /** What a bundle may need beyond that to reach everyone: replicas, mounted files, clocks. */
  readonly marginMs: number;
}

export interface RootFacts {
  readonly kept: { readonly kind: 'absent' } | { readonly kind: 'found'; readonly set: RootSet };
  /** What this process has been using, if it has started before the kept one was lost. */
  readonly held: RootSet | undefined;
  /** Somebody has asked for a new root. */
  readonly rotation: 'asked' | 'not-asked';
  readonly nowMs: number;
}

export type RootStep =
  | { readonly kind: 'keep'; readonly untilMs: number }
  /** A fresh root is the first. */
  | { readonly kind: 'create' }
  /** What was kept is gone: the held set is kept again. */
  | { readonly kind: 'restore'; readonly set: RootSet }
  /** A fresh root becomes the next. */
  | { readonly kind: 'add-next'; readonly why: 'asked' | 'ends-soon' }
  /** The only signing root has ended: a fresh one replaces it at once, and every peer has to learn it. */
  | { readonly kind: 'replace' }
  /** The next root signs from now on, or the previous one is trusted no more. */
  | { readonly kind: 'advance'; readonly set: RootSet };

export function planRoots(facts: RootFacts, terms: RootTerms): RootStep {
  if (facts.kept.kind === 'absent') {
    return facts.held === undefined ? { kind: 'create' } : { kind: 'restore', set: facts.held };
  }
  const { set } = facts.kept;
  switch (set.kind) {
    case 'steady':
      return planSteady(set, facts, terms);
    case 'spreading':
      return planSpreading(set, facts.nowMs, terms);
    case 'retiring':
      return planRetiring(set, facts.nowMs, terms);
  }
}

/** From the addition of a root until it signs, and from then until its predecessor is let go. */
export function spreadMs({ workloadLifetimeMs, marginMs }: RootTerms): number {
  return workloadLifetimeMs + marginMs;
}

/** The least lifetime of a root with which both steps fit into its last part. */
export function leastRootLifetimeMs(terms: Pick<RootTerms, 'workloadLifetimeMs' | 'marginMs' | 'overlap'>): number {
  return Math.ceil((terms.workloadLifetimeMs + 2 * terms.marginMs) / terms.overlap);
}

type Of<Kind extends RootSet['kind']> = Extract<RootSet, { kind: Kind }>;

function planSteady(set: Of<'steady'>, { rotation, nowMs }: RootFacts, terms: RootTerms): RootStep {
  const { notBeforeMs, notAfterMs } = validityOf(set.signing.certificatePem);
  if (nowMs >= notAfterMs) return { kind: 'replace' };
  if (rotation === 'asked') return { kind: 'add-next', why: 'asked' };
  const dueAtMs = notAfterMs - (notAfterMs - notBeforeMs) * terms.overlap;
  return nowMs >= dueAtMs ? { kind: 'add-next', why: 'ends-soon' } : { kind: 'keep', untilMs: dueAtMs };
}

function planSpreading(set: Of<'spreading'>, nowMs: number, terms: RootTerms): RootStep {
  const endsAtMs = validityOf(set.signing.certificatePem).notAfterMs;
  // A signing root that ends before the next one has spread is of no use any more.
  const dueAtMs = Math.min(set.sinceMs + spreadMs(terms), endsAtMs);
  if (nowMs < dueAtMs) return { kind: 'keep', untilMs: dueAtMs };
  const previousPem = set.signing.certificatePem;
  const retiring = { kind: 'retiring', signing: set.next, previousPem, sinceMs: nowMs } as const;
  return { kind: 'advance', set: nowMs >= endsAtMs ? { kind: 'steady', signing: set.next } : retiring };
}

function planRetiring(set: Of<'retiring'>, nowMs: number, terms: RootTerms): RootStep {
  const dueAtMs = Math.min(set.sinceMs + spreadMs(terms), validityOf(set.previousPem).notAfterMs);
  if (nowMs < dueAtMs) return { kind: 'keep', untilMs: dueAtMs };
  return { kind: 'advance', set: { kind: 'steady', signing: set.signing } };
}
