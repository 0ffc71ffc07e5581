// Who fills the mesh of this process, as its settings say: manifests, the Kubernetes API or istiod, and beside it what is written down locally.
import type { Runnable } from '../common/lifecycle.ts';
import type { Logging } from '../common/logger.ts';
import type { MeshDemand } from '../common/mesh/mesh-demand.ts';
import type { MeshWriter } from '../common/mesh/mesh-source.ts';
import { createKubernetesSource } from '../common/sources/kubernetes/kubernetes-source.ts';
import { mixerKinds } from '../common/sources/kubernetes/watched-kinds.ts';
import type { KubernetesObject } from '../common/sources/kubernetes-object.ts';
import { createManifestsSource } from '../common/sources/manifests/manifests-source.ts';
import type { Recorder } from '../common/telemetry/recorder.ts';
import { readLocalMesh } from '../common/xds/local-mesh-client.ts';
import { createXdsSource, type XdsSource } from '../common/xds/xds-source.ts';
import type { ZtunnelConfig } from './config.ts';

export interface MeshSourceOptions {
  readonly config: ZtunnelConfig;
  readonly writer: MeshWriter;
  readonly recorder: Recorder;
  readonly logging: Logging;
  /** Whatever manifests or the Kubernetes API hold of configuration, at start and whenever it changes; istiod has nothing but the mesh. */
  readonly onObjects: (objects: readonly KubernetesObject[]) => void;
}

export interface MeshSource extends Runnable {
  /** Undefined where the mesh is known as a whole, once started. */
  readonly demand: MeshDemand | undefined;
}

/** Started when the mesh is known. */
export function createMeshSource(options: MeshSourceOptions): MeshSource {
  const { config, writer } = options;
  const source = createNamedSource(options);
  return {
    demand: source !== undefined && 'demand' in source ? source.demand : undefined,
    async start() {
      if (config.localMesh.kind !== 'none') {
        const nothing = { removedWorkloads: [], removedServices: [], removedPolicies: [] };
        for await (const part of readLocalMesh(config.localMesh)) writer.apply({ ...part, ...nothing });
      }
      await source?.start();
    },
    drain: async (deadlineMs) => source?.drain(deadlineMs),
    close: async () => source?.close(),
  };
}

function createNamedSource({
  config,
  writer,
  recorder,
  logging,
  onObjects,
}: MeshSourceOptions): Runnable | XdsSource | undefined {
  const { clusterId, trustDomain, clusterDomain: domainSuffix, source } = config;
  switch (source.kind) {
    case 'manifests':
      return createManifestsSource({
        paths: [source.path],
        writer,
        config: { clusterId, trustDomain, domainSuffix },
        log: logging.logger('source'),
        onObjects,
      });
    case 'kubernetes':
      return createKubernetesSource({
        access: source.access,
        writer,
        config: { clusterId, trustDomain, domainSuffix },
        furtherKinds: mixerKinds,
        onObjects,
        log: logging.logger('source'),
        recorder,
      });
    case 'xds': {
      const { node, ...controlPlane } = source.xds;
      return createXdsSource({
        controlPlane: { ...controlPlane, clusterId },
        node,
        addresses: config.addresses,
        writer,
        recorder,
        log: logging.logger('xds'),
      });
    }
    case 'none':
      return undefined;
  }
}
