// A small fake of what the Kubernetes API does with Secrets: versions, conflicts, and one other writer that may come first.
import type { KeptSecret, SecretStore } from '../../deploy/controller/cluster-client.ts';

export interface FakeSecretStore extends SecretStore {
  readonly secret: KeptSecret | undefined;
  /** Of the writes so far. */
  readonly writes: readonly string[];
  change(secret: KeptSecret | undefined): void;
  /** Done by another, once, right before the next write. */
  before(nextWrite: () => Promise<void>): void;
}

export function createSecretStore(): FakeSecretStore {
  let secret: KeptSecret | undefined;
  let version = 0;
  let other: (() => Promise<void>) | undefined;
  const writes: string[] = [];
  const otherFirst = async (): Promise<void> => {
    const first = other;
    other = undefined;
    await first?.();
  };
  const keep = (changed: Omit<KeptSecret, 'resourceVersion'>): void => {
    version += 1;
    secret = { ...changed, resourceVersion: String(version) };
  };
  return {
    get secret() {
      return secret;
    },
    writes,
    change: (changed) => (changed === undefined ? (secret = undefined) : keep(changed)),
    before: (nextWrite) => void (other = nextWrite),
    readSecret: async () => secret,
    async createSecret(_at, data) {
      await otherFirst();
      if (secret !== undefined) return 'conflict';
      keep({ data, annotations: {} });
      writes.push('create');
      return 'written';
    },
    async replaceSecret(_at, changed) {
      await otherFirst();
      if (secret?.resourceVersion !== changed.resourceVersion) return 'conflict';
      keep(changed);
      writes.push('replace');
      return 'written';
    },
  };
}
