// A WorkloadEntry: one workload outside the cluster (a virtual machine), described by hand or registered by itself.
// A Kubernetes object in, the narrowed entry out. Source: istio-control.md §3.4.
import { Field } from '../field.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { Labels } from './label-selector.ts';
import { type EntryEndpoint, parseEntryEndpoint } from './service-entry.ts';

export interface WorkloadEntry {
  readonly object: KubernetesObject;
  readonly endpoint: EntryEndpoint;
  /** Those of metadata and spec together; metadata wins. */
  readonly labels: Labels;
}

/** @throws MalformedField */
export function parseWorkloadEntry(object: KubernetesObject): WorkloadEntry {
  const spec = new Field('spec', object.spec);
  const endpoint = parseEntryEndpoint(spec);
  return { object, endpoint, labels: { ...endpoint.labels, ...object.metadata.labels } };
}
