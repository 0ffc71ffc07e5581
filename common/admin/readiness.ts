// Whether a daemon may get traffic: the named tasks that are still pending, and how `/healthz/ready` tells it.
import type { HttpResponse, Route } from './http-route.ts';

export interface Readiness {
  /** Also after it was done: a lost connection makes a daemon unready again. */
  pend(task: string): void;
  done(task: string): void;
  /** Sorted. */
  pending(): readonly string[];
}

/** @param tasks pending from the start, so that nothing is ready by accident */
export function createReadiness(tasks: readonly string[]): Readiness {
  const pending = new Set(tasks);
  return {
    pend: (task) => void pending.add(task),
    done: (task) => void pending.delete(task),
    pending: () => [...pending].sort(),
  };
}

export function readinessRoutes(readiness: Readiness): readonly Route[] {
  return [{ method: 'GET', path: '/healthz/ready', handle: () => describeReadiness(readiness.pending()) }];
}

export function describeReadiness(pending: readonly string[]): HttpResponse {
  if (pending.length === 0) return { status: 200, body: 'ready\n' };
  return { status: 500, body: `not ready, pending: ${pending.join(', ')}\n` };
}
