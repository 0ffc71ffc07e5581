// Who fills the mesh of this waypoint, as its settings say: manifests or the Kubernetes API; and the resources that shape its
// telemetry, from the same place.
import type { Runnable } from '../common/lifecycle.ts';
import type { Logging } from '../common/logger.ts';
import type { MeshWriter } from '../common/mesh/mesh-source.ts';
import { createKubernetesSource } from '../common/sources/kubernetes/kubernetes-source.ts';
import { waypointKinds } from '../common/sources/kubernetes/watched-kinds.ts';
import type { KubernetesObject } from '../common/sources/kubernetes-object.ts';
import { createManifestsSource } from '../common/sources/manifests/manifests-source.ts';
import { createProblemLog } from '../common/sources/manifests/problem-log.ts';
import type { Recorder } from '../common/telemetry/recorder.ts';
import type { WaypointConfig } from './config.ts';
import { noResources, readWaypointResources, type WaypointResources } from './resources/waypoint-resources.ts';

export interface MeshSourceOptions {
  readonly config: WaypointConfig;
  readonly writer: MeshWriter;
  readonly recorder: Recorder;
  readonly logging: Logging;
  /** At start, and whenever one of them changed. */
  readonly onResources: (resources: WaypointResources) => void;
}

/** Started when the mesh is known as a whole. */
export function createMeshSource({ config, writer, recorder, logging, onResources }: MeshSourceOptions): Runnable {
  const { trustDomain, clusterId, clusterDomain: domainSuffix, rootNamespace, source } = config;
  const settings = { trustDomain, clusterId, domainSuffix, rootNamespace };
  const problems = createProblemLog(logging.logger('waypoint'));
  let read = noResources;
  const onObjects = (objects: readonly KubernetesObject[]): void => {
    read = readWaypointResources(objects, read.lastGood, rootNamespace);
    problems.report(read.problems);
    onResources(read);
  };
  if (source.kind === 'manifests') {
    const log = logging.logger('manifests');
    return createManifestsSource({ paths: [source.path], writer, config: settings, log, onObjects });
  }
  return createKubernetesSource({
    access: source.access,
    writer,
    config: settings,
    furtherKinds: waypointKinds,
    onObjects,
    log: logging.logger('source'),
    recorder,
  });
}
