// What is wrong with the users' manifests, told where they wrote it: fields, references and policies, by the same readers as
// the daemons use. Objects and their last good versions in, problems and the mesh's trust domain out; pure.
import { deriveMesh } from '../../../common/sources/derive/derive-mesh.ts';
import { defaultMeshSettings, withMeshConfig } from '../../../common/sources/derive/mesh-settings.ts';
import type { KubernetesObject } from '../../../common/sources/kubernetes-object.ts';
import { validateManifests } from '../../../common/sources/manifests/validate-manifests.ts';
import type { ResourceProblem } from '../../../common/sources/resource-problem.ts';
import { type LastGood, readResources } from '../../../common/sources/resources.ts';
import { checkRoutes } from '../../../waypoint/resources/check-routes.ts';
import { readWaypointResources } from '../../../waypoint/resources/waypoint-resources.ts';
import { clusterDomain } from './cluster-settings.ts';

export interface CheckedManifests {
  readonly problems: readonly ResourceProblem[];
  readonly lastGood: LastGood;
  readonly trustDomain: string;
}

export function checkManifests(objects: readonly KubernetesObject[], lastGood: LastGood): CheckedManifests {
  const read = readResources(objects, defaultMeshSettings.systemNamespace, lastGood);
  const derived = deriveMesh(read.resources, defaultMeshSettings);
  const references = validateManifests(objects, read.resources);
  // Addresses are given out here, and materialize says what became of two pods that want the same one.
  const others = references.filter((problem) => problem.field !== 'status.podIPs');
  const settings = withMeshConfig(defaultMeshSettings, read.resources.meshConfigs[0]);
  const forWaypoints = readWaypointResources(objects, lastGood);
  const routes = checkRoutes({ ...forWaypoints, objects, clusterDomain });
  return {
    problems: [...read.problems, ...derived.problems, ...others, ...forWaypoints.problems, ...routes],
    lastGood: new Map([...read.lastGood, ...forWaypoints.lastGood]),
    trustDomain: settings.trustDomain,
  };
}
