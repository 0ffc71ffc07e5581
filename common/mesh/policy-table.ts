// Authorization policies by key and by scope. One writer (`mesh-index.ts`). Rules: ztunnel.md §8.
import { type AuthorizationPolicy, policyKey } from './authorization-policy.ts';
import type { Workload } from './workload.ts';

export interface WorkloadPolicies {
  readonly policies: readonly AuthorizationPolicy[];
  /** Names that the workload has and nobody has sent. */
  readonly unknown: readonly string[];
}

export class PolicyTable {
  readonly byKey = new Map<string, AuthorizationPolicy>();
  readonly #global = new Map<string, AuthorizationPolicy>();
  readonly #byNamespace = new Map<string, Map<string, AuthorizationPolicy>>();

  put(policy: AuthorizationPolicy): void {
    const key = policyKey(policy);
    this.remove(key);
    this.byKey.set(key, policy);
    if (policy.scope === 'global') this.#global.set(key, policy);
    if (policy.scope !== 'namespace') return;
    const namespace = this.#byNamespace.get(policy.namespace) ?? new Map<string, AuthorizationPolicy>();
    this.#byNamespace.set(policy.namespace, namespace);
    namespace.set(key, policy);
  }

  /** The policy that was there. */
  remove(key: string): AuthorizationPolicy | undefined {
    const policy = this.byKey.get(key);
    if (policy === undefined) return undefined;
    this.byKey.delete(key);
    this.#global.delete(key);
    const namespace = this.#byNamespace.get(policy.namespace);
    namespace?.delete(key);
    if (namespace?.size === 0) this.#byNamespace.delete(policy.namespace);
    return policy;
  }

  policiesFor(workload: Workload): WorkloadPolicies {
    const found = new Set<AuthorizationPolicy>(this.#global.values());
    for (const policy of this.#byNamespace.get(workload.namespace)?.values() ?? []) found.add(policy);
    const unknown: string[] = [];
    for (const key of workload.authorizationPolicies) {
      const policy = this.byKey.get(key);
      if (policy === undefined) unknown.push(key);
      else found.add(policy);
    }
    return { policies: [...found], unknown };
  }
}
