// The one ztunnel of the mesh, as this machine's CNI agent sees it: which pods it has been given, and that it has them.
// The captured mode hands network namespaces over by ZDS; in explicit mode ztunnel finds its pods in the manifests.
import type { Logger } from '../../../common/log.ts';
import { createZdsServer, type ZdsServer } from '../../../common/zds/zds-server.ts';
import type { PodSpec } from '../materialize/pod-spec.ts';
import type { PodSandbox } from './pod-sandbox-process.ts';

export interface NodeProxy {
  /** Resolves when ztunnel serves the pod, or when the pod ends before: there may be no ztunnel any more then. */
  add(pod: PodSpec, sandbox: PodSandbox, ending: AbortSignal): Promise<void>;
  /** Resolves when ztunnel has let go of it; a pod that is not there is no error. */
  remove(pod: PodSpec): Promise<void>;
  close(): Promise<void>;
}

export interface NodeProxyOptions {
  readonly mode: 'captured' | 'explicit';
  readonly socketPath: string;
  readonly log: Logger;
  report(level: 'info' | 'warn', text: string): void;
}

const retryMs = 2_000;

export async function startNodeProxy(options: NodeProxyOptions): Promise<NodeProxy> {
  if (options.mode === 'explicit') return { add: async () => {}, remove: async () => {}, close: async () => {} };
  const server = createZdsServer({ path: options.socketPath, log: options.log });
  await server.start();
  const wanted = new Set<string>();
  const offerUntilTaken = async (pod: PodSpec, sandbox: PodSandbox) => {
    while (wanted.has(pod.uid)) {
      const refusal = await offer(server, pod, sandbox);
      if (refusal === undefined || !wanted.has(pod.uid)) return;
      options.report('warn', `pod ${pod.key} waits: ${refusal}`);
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  };
  return {
    async add(pod, sandbox, ending) {
      if (ending.aborted) return;
      wanted.add(pod.uid);
      const ended = new Promise<void>((resolve) => ending.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.race([offerUntilTaken(pod, sandbox), ended]);
    },
    async remove(pod) {
      if (!wanted.delete(pod.uid)) return;
      await server.delete(pod.uid);
    },
    close: () => server.close(),
  };
}

/** @returns why ztunnel does not serve the pod */
async function offer(server: ZdsServer, pod: PodSpec, sandbox: PodSandbox): Promise<string | undefined> {
  const { uid, name, namespace, serviceAccount } = pod;
  try {
    await server.add({ uid, name, namespace, serviceAccount }, sandbox.networkNamespace ?? '');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
