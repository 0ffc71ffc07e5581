// Who fills the mesh of this waypoint, as its settings say: manifests, the Kubernetes API or istiod; and the resources that shape it,
// from the same place, or from the Kubernetes API beside istiod.
import type { Runnable } from '../common/lifecycle.ts';
import type { Logging } from '../common/logger.ts';
import type { MeshWriter } from '../common/mesh/mesh-source.ts';
import { defaultMeshSettings } from '../common/sources/derive/mesh-settings.ts';
import { createConfigurationSource } from '../common/sources/kubernetes/configuration-source.ts';
import { createKubernetesSource } from '../common/sources/kubernetes/kubernetes-source.ts';
import { waypointConfiguration, waypointKinds } from '../common/sources/kubernetes/watched-kinds.ts';
import type { KubernetesObject } from '../common/sources/kubernetes-object.ts';
import { createManifestsSource } from '../common/sources/manifests/manifests-source.ts';
import { createProblemLog } from '../common/sources/manifests/problem-log.ts';
import type { Recorder } from '../common/telemetry/recorder.ts';
import { createXdsSource } from '../common/xds/xds-source.ts';
import type { WaypointConfig, WaypointSource } from './config.ts';
import { noResources, readWaypointResources, type WaypointResources } from './resources/waypoint-resources.ts';

export interface MeshSourceOptions {
  readonly config: WaypointConfig;
  readonly writer: MeshWriter;
  readonly recorder: Recorder;
  readonly logging: Logging;
  /** At start, and whenever one of them changed. */
  readonly onResources: (resources: WaypointResources) => void;
}

type OnObjects = (objects: readonly KubernetesObject[]) => void;

/** Started when the mesh is known as a whole, and the resources. */
export function createMeshSource(options: MeshSourceOptions): Runnable {
  const { config, logging, onResources } = options;
  const problems = createProblemLog(logging.logger('waypoint'));
  let read = noResources;
  return createNamedSource(options, (objects) => {
    read = readWaypointResources(objects, read.lastGood, config.rootNamespace);
    problems.report(read.problems);
    onResources(read);
  });
}

function createNamedSource({ config, writer, recorder, logging }: MeshSourceOptions, onObjects: OnObjects): Runnable {
  const { trustDomain, clusterId, clusterDomain: domainSuffix, rootNamespace, source } = config;
  const settings = { trustDomain, clusterId, domainSuffix, rootNamespace };
  switch (source.kind) {
    case 'manifests': {
      const log = logging.logger('manifests');
      return createManifestsSource({ paths: [source.path], writer, config: settings, log, onObjects });
    }
    case 'kubernetes':
      return createKubernetesSource({
        access: source.access,
        writer,
        config: settings,
        furtherKinds: waypointKinds,
        onObjects,
        log: logging.logger('source'),
        recorder,
      });
    case 'xds':
      return createIstiodSource(source, clusterId, { writer, recorder, logging }, onObjects);
  }
}

/** The resources first: a service that istiod tells of is served as they want from its first request on. */
function createIstiodSource(
  { xds, access }: Extract<WaypointSource, { kind: 'xds' }>,
  clusterId: string,
  { writer, recorder, logging }: Pick<MeshSourceOptions, 'writer' | 'recorder' | 'logging'>,
  onObjects: OnObjects,
): Runnable {
  const kinds = waypointConfiguration(defaultMeshSettings.systemNamespace);
  const configuration = createConfigurationSource({
    access,
    kinds,
    onObjects,
    log: logging.logger('source'),
    recorder,
  });
  const { node, ...controlPlane } = xds;
  const log = logging.logger('xds');
  const mesh = createXdsSource({ controlPlane: { ...controlPlane, clusterId }, node, writer, recorder, log });
  return {
    async start() {
      await configuration.start();
      await mesh.start();
    },
    drain: (deadlineMs) => mesh.drain(deadlineMs),
    async close() {
      await mesh.close();
      await configuration.close();
    },
  };
}
