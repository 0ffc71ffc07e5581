// Every resource there is, kept change by change: objects in, what each was and is now out. One that cannot be read keeps
// its last good version; a policy that never was any good is closed, as `readResources` has it for all at once.
import { type KubernetesObject, objectKey } from '../kubernetes-object.ts';
import type { ResourceProblem } from '../resource-problem.ts';
import { type Resource, readObject } from '../resources.ts';

export type ObjectChange =
  | { readonly kind: 'put'; readonly object: KubernetesObject }
  | { readonly kind: 'gone'; readonly key: string };

/** What became of one resource; `key` is that of its object. */
export interface ResourceChange {
  readonly key: string;
  readonly before: Resource | undefined;
  readonly after: Resource | undefined;
}

interface Stored {
  readonly resource: Resource | undefined;
  readonly state: 'good' | 'closed';
}

export class ResourceStore {
  readonly #systemNamespace: string;
  readonly #stored = new Map<string, Stored>();
  readonly #problems = new Map<string, ResourceProblem>();

  constructor(systemNamespace: string) {
    this.#systemNamespace = systemNamespace;
  }

  /** @returns undefined where nothing that counts was changed */
  apply(change: ObjectChange): ResourceChange | undefined {
    return change.kind === 'gone' ? this.#remove(change.key) : this.#put(change.object);
  }

  /** Can be gone through any number of times. */
  resources(): Iterable<Resource> {
    const stored = this.#stored;
    return {
      *[Symbol.iterator]() {
        for (const { resource } of stored.values()) if (resource !== undefined) yield resource;
      },
    };
  }

  problems(): readonly ResourceProblem[] {
    return [...this.#problems.values()];
  }

  #put(object: KubernetesObject): ResourceChange | undefined {
    const key = objectKey(object);
    const previous = this.#stored.get(key);
    const hasGood = previous?.state === 'good';
    const read = readObject(object, this.#systemNamespace, hasGood ? 'last-good' : 'none');
    if (read.kind === 'unused') return undefined;
    if (read.kind === 'good') {
      this.#problems.delete(key);
      return this.#keep(key, withoutRaw(read.resource), 'good');
    }
    this.#problems.set(key, read.problem);
    return hasGood ? undefined : this.#keep(key, read.closed && withoutRaw(read.closed), 'closed');
  }

  #keep(key: string, resource: Resource | undefined, state: Stored['state']): ResourceChange {
    const before = this.#stored.get(key)?.resource;
    this.#stored.set(key, { resource, state });
    return { key, before, after: resource };
  }

  #remove(key: string): ResourceChange | undefined {
    const previous = this.#stored.get(key);
    this.#stored.delete(key);
    this.#problems.delete(key);
    return previous?.resource && { key, before: previous.resource, after: undefined };
  }
}

const nothing = { spec: undefined, status: undefined, raw: {} };

/** Everything of use has been read: a hundred thousand pods need not be kept twice. */
function withoutRaw(resource: Resource): Resource {
  if (!('object' in resource.value)) return resource;
  const object = { ...resource.value.object, ...nothing };
  return { ...resource, value: { ...resource.value, object } } as Resource;
}
