// Services by key and by what they select, so that the services of a workload are found without trying them all.
// One directory holds Kubernetes Services, another the hosts of ServiceEntries; whoever derives keeps them up to date.
import { addToList, dropFromList, type ListsByKey } from '../../mesh/lists-by-key.ts';
import type { Labels } from '../kinds/label-selector.ts';
import type { KubernetesService } from '../kinds/service.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import type { Derivation } from './derivation.ts';
import type { EntryClaim } from './host-claims.ts';
import { type SelectingService, selects } from './membership.ts';
import { hostnameOfService } from './service-from-service.ts';

/** A selecting service together with the object that may bind it to a waypoint. */
export interface MeshService extends SelectingService {
  readonly meta: ObjectMeta;
}

export class ServiceDirectory {
  readonly byKey = new Map<string, MeshService>();
  /** By namespace and the first label that the selector asks for. */
  readonly #byFirstLabel: ListsByKey<string, MeshService> = new Map();

  put(service: MeshService): void {
    this.remove(service.key);
    this.byKey.set(service.key, service);
    const [first] = Object.entries(service.selector);
    if (first !== undefined) addToList(this.#byFirstLabel, labelKey(service.namespace, ...first), service);
  }

  remove(key: string): void {
    const service = this.byKey.get(key);
    if (service === undefined) return;
    this.byKey.delete(key);
    const [first] = Object.entries(service.selector);
    if (first !== undefined) dropFromList(this.#byFirstLabel, labelKey(service.namespace, ...first), service);
  }

  selecting(namespace: string, labels: Labels): readonly MeshService[] {
    const found: MeshService[] = [];
    for (const label in labels) {
      for (const service of this.#byFirstLabel.get(labelKey(namespace, label, labels[label] ?? '')) ?? []) {
        if (selects(service, namespace, labels)) found.push(service);
      }
    }
    return found;
  }
}

export function meshServiceOf(service: KubernetesService, derivation: Derivation): MeshService {
  const meta = service.object.metadata;
  return {
    key: keyOfService(meta, derivation),
    namespace: meta.namespace,
    selector: service.selector,
    origin: 'service',
    meta,
    ports: service.ports.map(({ name, port, targetPort }) => ({ name, servicePort: port, targetPort })),
  };
}

export function keyOfService(
  meta: { readonly name: string; readonly namespace: string },
  derivation: Derivation,
): string {
  return `${meta.namespace}/${hostnameOfService(meta, derivation)}`;
}

export function meshServiceOfClaim({ entry, service }: EntryClaim): MeshService {
  return {
    key: `${service.namespace}/${service.hostname}`,
    namespace: service.namespace,
    selector: entry.workloadSelector ?? {},
    origin: 'service-entry',
    meta: entry.object.metadata,
    ports: entry.ports.map(({ name, number, targetPort }) => ({
      name,
      servicePort: number,
      targetPort: { kind: 'number', port: targetPort ?? number },
    })),
  };
}

function labelKey(namespace: string, label: string, value: string): string {
  return `${namespace}/${label}=${value}`;
}
