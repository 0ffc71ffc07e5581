// Kubernetes objects as they come from manifests: typed where everything depends on it, `unknown` below, read through
// the narrowing functions here. A field of a wrong shape reads as absent; saying so is the business of validation.

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function countOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : otherwise;
}

/** Labels and annotations: text values only. */
export function textsOf(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(fieldsOf(value)).flatMap(([key, text]) =>
    typeof text === 'string' ? [[key, text]] : [],
  );
  return Object.fromEntries(entries);
}

export function namespaceOf(object: KubernetesObject): string {
  return object.metadata.namespace ?? 'default';
}

/** `<namespace>/<name>`. */
export function nameOf(object: KubernetesObject): string {
  return `${namespaceOf(object)}/${object.metadata.name}`;
}

/** The owner that made this object, if one did. */
export function controllerOf(object: KubernetesObject): { readonly kind: string; readonly name: string } | undefined {
  for (const entry of listOf(object.metadata['ownerReferences'])) {
    const reference = fieldsOf(entry);
    const kind = textOf(reference['kind']);
    const name = textOf(reference['name']);
    if (reference['controller'] === true && kind !== undefined && name !== undefined) return { kind, name };
  }
  return undefined;
}
