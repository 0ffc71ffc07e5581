// Whether a pod is part of the mesh, as istio-cni decides it (istio-control.md §1.2). Pod and namespace labels in,
// yes with nothing more, or no with the reason out.
import { type Fields, fieldsOf } from './kubernetes-object.ts';

export type Enrollment = { readonly kind: 'enrolled' } | { readonly kind: 'not-enrolled'; readonly reason: string };

const modeLabel = 'istio.io/dataplane-mode';
/** The chart's `excludeNamespaces`. */
const excludedNamespaces = ['kube-system'];

export function decideEnrollment(pod: {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: Fields;
  readonly namespaceLabels: Readonly<Record<string, string>>;
}): Enrollment {
  const mode = pod.labels[modeLabel];
  if (excludedNamespaces.includes(pod.namespace)) return no(`namespace ${pod.namespace} is never captured`);
  if (fieldsOf(pod.spec)['hostNetwork'] === true) return no('hostNetwork');
  if (pod.annotations['sidecar.istio.io/status'] !== undefined) return no('it has a sidecar');
  if (mode === 'ambient') return { kind: 'enrolled' };
  if (mode === 'none') return no(`label ${modeLabel}=none`);
  if (pod.namespaceLabels[modeLabel] === 'ambient') return { kind: 'enrolled' };
  return no(`no label ${modeLabel}=ambient`);
}

function no(reason: string): Enrollment {
  return { kind: 'not-enrolled', reason };
}
