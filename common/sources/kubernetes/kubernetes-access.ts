// Whether and how the mesh is read from the Kubernetes API, from the environment: `AMBIENTD_SOURCE=kubernetes` asks for it, and so
// does `KUBECONFIG` (a file) where nothing else tells of the mesh. In a pod without KUBECONFIG its service account serves.
import type { EnvReader } from '../../config/env-reader.ts';

export type KubernetesAccess =
  | { readonly kind: 'kubeconfig'; readonly path: string }
  /** The account of the pod that we run in. */
  | { readonly kind: 'in-cluster' };

/** For configuration alone, where istiod tells of the mesh: `KUBECONFIG`, or the account of the pod. */
export function readConfigurationAccess(read: EnvReader): KubernetesAccess {
  const path = read.text('KUBECONFIG');
  if (path !== undefined) return { kind: 'kubeconfig', path };
  if (read.text('KUBERNETES_SERVICE_HOST') === undefined) {
    read.problem(
      'outside of a pod KUBECONFIG names the file that leads to the Kubernetes API, where Telemetry and its kin are read beside istiod; or set AMBIENTD_MANIFESTS to a file or folder instead',
    );
  }
  return { kind: 'in-cluster' };
}

/** @param others names of the variables that are set and name another source */
export function readKubernetesAccess(read: EnvReader, others: readonly string[]): KubernetesAccess | undefined {
  const source = read.text('AMBIENTD_SOURCE');
  const path = read.text('KUBECONFIG');
  if (source === undefined) return path === undefined || others.length > 0 ? undefined : { kind: 'kubeconfig', path };
  if (source !== 'kubernetes') {
    read.problem(`invalid env var AMBIENTD_SOURCE=${source}: expected kubernetes, or unset it`);
    return undefined;
  }
  if (others.length > 0) {
    read.problem(`both AMBIENTD_SOURCE=kubernetes and ${others.join(', ')} are set: one source fills the mesh`);
  }
  if (path !== undefined) return { kind: 'kubeconfig', path };
  if (read.text('KUBERNETES_SERVICE_HOST') === undefined) {
    read.problem('AMBIENTD_SOURCE=kubernetes outside of a pod: name the file that leads to the API in KUBECONFIG');
  }
  return { kind: 'in-cluster' };
}
