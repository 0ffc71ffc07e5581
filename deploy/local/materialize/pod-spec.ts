// What the supervisor needs to run one pod, read from its finished Kubernetes object: containers with ports and
// environment, address, identity, enrolment. Pod object in, PodSpec out.
import type { Enrollment } from './enrollment.ts';
import { countOf, type Fields, fieldsOf, type KubernetesObject, listOf, textOf } from './kubernetes-object.ts';

export interface PodSpec {
  /** `<namespace>/<name>`. */
  readonly key: string;
  /** Changes when the pod has to be started anew. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** The Deployment (or its kin) it belongs to; its own name where there is none. */
  readonly workload: string;
  readonly ip: string;
  readonly serviceAccount: string;
  readonly enrollment: Enrollment;
  readonly network: 'own' | 'node';
  readonly role: { readonly kind: 'application' } | { readonly kind: 'waypoint'; readonly gateway: string };
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never';
  readonly containers: readonly ContainerSpec[];
}

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  /** TCP only. */
  readonly ports: readonly number[];
  readonly env: readonly EnvEntry[];
  /** From securityContext.runAsUser: programs that refuse to run as root. */
  readonly runAsUser: number | undefined;
}

export type EnvEntry =
  | { readonly kind: 'value'; readonly name: string; readonly value: string }
  | { readonly kind: 'field'; readonly name: string; readonly path: string };

export function podSpecOf(
  pod: KubernetesObject,
  facts: Pick<PodSpec, 'key' | 'uid' | 'namespace' | 'workload' | 'ip' | 'enrollment' | 'role'>,
): PodSpec {
  const spec = fieldsOf(pod['spec']);
  const policy = spec['restartPolicy'];
  return {
    ...facts,
    name: pod.metadata.name,
    serviceAccount: textOf(spec['serviceAccountName']) ?? 'default',
    network: spec['hostNetwork'] === true ? 'node' : 'own',
    restartPolicy: policy === 'OnFailure' || policy === 'Never' ? policy : 'Always',
    containers: listOf(spec['containers']).map((each) => containerOf(fieldsOf(each), spec)),
  };
}

function containerOf(container: Fields, podSpec: Fields): ContainerSpec {
  const user = fieldsOf(container['securityContext'])['runAsUser'] ?? fieldsOf(podSpec['securityContext'])['runAsUser'];
  return {
    name: textOf(container['name']) ?? 'container',
    image: textOf(container['image']) ?? '',
    ports: listOf(container['ports'])
      .map(fieldsOf)
      .filter(isTcp)
      .map((port) => countOf(port['containerPort'], 0))
      .filter((port) => port > 0 && port <= 65_535),
    env: listOf(container['env']).flatMap((entry) => envEntryOf(fieldsOf(entry))),
    runAsUser: typeof user === 'number' && user > 0 ? user : undefined,
  };
}

function isTcp(port: Fields): boolean {
  return (textOf(port['protocol']) ?? 'TCP') === 'TCP';
}

function envEntryOf(entry: Fields): readonly EnvEntry[] {
  const name = textOf(entry['name']);
  const path = textOf(fieldsOf(fieldsOf(entry['valueFrom'])['fieldRef'])['fieldPath']);
  if (name === undefined) return [];
  if (path !== undefined) return [{ kind: 'field', name, path }];
  return entry['valueFrom'] === undefined ? [{ kind: 'value', name, value: `${entry['value'] ?? ''}` }] : [];
}
