// Under which name and revision a workload appears in telemetry: its labels, in Istio's order.
// Source: istio-control.md §3.3, fixture 09.
import type { Labels } from '../kinds/label-selector.ts';

export interface CanonicalName {
  readonly canonicalName: string;
  readonly canonicalRevision: string;
}

export function canonicalNameOf(labels: Labels, workloadName: string): CanonicalName {
  return {
    canonicalName:
      labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? workloadName,
    canonicalRevision:
      labels['service.istio.io/canonical-revision'] ??
      labels['app.kubernetes.io/version'] ??
      labels['version'] ??
      'latest',
  };
}
