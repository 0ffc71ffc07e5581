// Objects of the configuration kinds as they are now, for those who read them themselves. Changes in, all of them out. The many that
// are not configuration (pods and their like) are not kept.
import type { ObjectChange } from '../incremental/resource-store.ts';
import { apiGroup, type KubernetesObject, objectKey } from '../kubernetes-object.ts';
import type { WatchedKind } from './watched-kinds.ts';

const customGroups = /(^|\.)istio\.io$|^gateway\.networking\.k8s\.io$/;

export function isConfiguration({ kind, origin }: WatchedKind): boolean {
  return origin === 'custom' || kind === 'ConfigMap';
}

export class ConfigurationObjects {
  readonly #objects = new Map<string, KubernetesObject>();

  apply(changes: readonly ObjectChange[]): void {
    for (const change of changes) {
      if (change.kind === 'gone') this.#objects.delete(change.key);
      else if (isKept(change.object)) this.#objects.set(objectKey(change.object), change.object);
    }
  }

  all(): readonly KubernetesObject[] {
    return [...this.#objects.values()];
  }
}

function isKept(object: KubernetesObject): boolean {
  return object.kind === 'ConfigMap' || customGroups.test(apiGroup(object));
}
