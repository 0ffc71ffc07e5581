// A label of a workload, as far as the mesh knows it. In: a workload and a name. Out: the value, or nothing. Where the source tells no labels,
// `app` and `version` are what WDS has of them. Source: waypoint-telemetry.md §7.2.
import type { Workload } from './workload.ts';

type Labelled = Pick<Workload, 'labels' | 'canonicalName' | 'canonicalRevision'>;

export function labelOf(workload: Labelled, name: string): string | undefined {
  const { labels } = workload;
  if (labels !== undefined) return Object.hasOwn(labels, name) ? labels[name] : undefined;
  if (name === 'app') return workload.canonicalName || undefined;
  return name === 'version' ? workload.canonicalRevision || undefined : undefined;
}

export function hasLabels(workload: Labelled, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => labelOf(workload, name) === value);
}
