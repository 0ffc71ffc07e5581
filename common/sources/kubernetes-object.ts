// A Kubernetes object as it comes from a file or from the API server: typed metadata, spec and the rest still unknown.
// Unknown JSON in, an object or the field that is malformed out. Namespaced objects without a namespace go to `default`.
import { Field, MalformedField } from './field.ts';
import type { ResourceProblem } from './resource-problem.ts';

export interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly controller: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  /** "" for a cluster-wide object. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly OwnerReference[];
  readonly generateName: string;
  readonly uid: string;
  /** RFC 3339 text, which orders like time; "" where nothing was said. */
  readonly creationTimestamp: string;
  readonly deletionTimestamp: string;
}

export interface ObjectOrigin {
  readonly file: string;
  /** Line of the object's first field, counted from 1; undefined where it is not known (JSON). */
  readonly line: number | undefined;
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec: unknown;
  readonly status: unknown;
  /** The whole object as it was read (kinds such as ConfigMap and EndpointSlice have no spec). */
  readonly raw: Readonly<Record<string, unknown>>;
  readonly origin: ObjectOrigin | undefined;
}

const clusterWide: ReadonlySet<string> = new Set([
  'Namespace',
  'Node',
  'GatewayClass',
  'PersistentVolume',
  'StorageClass',
  'IngressClass',
  'PriorityClass',
  'RuntimeClass',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'APIService',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
]);

/** @throws MalformedField */
export function parseKubernetesObject(value: unknown, origin: ObjectOrigin | undefined): KubernetesObject {
  const root = new Field('', value);
  const raw = root.record();
  const apiVersion = root.at('apiVersion').requiredText();
  const kind = root.at('kind').requiredText();
  const meta = root.at('metadata');
  const namespace = clusterWide.has(kind) ? '' : meta.at('namespace').text() || 'default';
  const metadata: ObjectMeta = {
    name: nameOf(meta),
    namespace,
    labels: meta.at('labels').textMap(),
    annotations: meta.at('annotations').textMap(),
    ownerReferences: meta.at('ownerReferences').items().map(parseOwner),
    generateName: meta.at('generateName').text(),
    uid: meta.at('uid').text(),
    creationTimestamp: meta.at('creationTimestamp').text(),
    deletionTimestamp: meta.at('deletionTimestamp').text(),
  };
  return { apiVersion, kind, metadata, spec: raw['spec'], status: raw['status'], raw, origin };
}

/** API group of the object: "" for `v1`. */
export function apiGroup(object: { readonly apiVersion: string }): string {
  const slash = object.apiVersion.indexOf('/');
  return slash < 0 ? '' : object.apiVersion.slice(0, slash);
}

/** Same key: same object, whichever version of its API it is written in. */
export function objectKey(object: KubernetesObject): string {
  return `${apiGroup(object)}/${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
}

/** `Service podinfo/podinfo-svc`, `Namespace podinfo`. */
export function describeObject(object: KubernetesObject): string {
  const { namespace, name } = object.metadata;
  return namespace === '' ? `${object.kind} ${name}` : `${object.kind} ${namespace}/${name}`;
}

export function problemWith(
  object: KubernetesObject,
  problem: Pick<ResourceProblem, 'severity' | 'message' | 'remedy' | 'field'>,
): ResourceProblem {
  return { ...problem, file: object.origin?.file, line: object.origin?.line, object: describeObject(object) };
}

function nameOf(meta: Field): string {
  const name = meta.at('name');
  if (name.isAbsent && meta.at('generateName').text() !== '') return meta.at('generateName').text();
  if (name.text() === '') throw new MalformedField('metadata.name', 'is missing', 'give the object a name');
  return name.text();
}

function parseOwner(owner: Field): OwnerReference {
  return {
    kind: owner.at('kind').text(),
    name: owner.at('name').text(),
    controller: owner.at('controller').flag(),
  };
}
