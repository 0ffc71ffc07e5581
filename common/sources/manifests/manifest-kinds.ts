// The kinds of which manifests may make use. Others are told once, by name, and never an error: a folder of manifests
// belongs to its users, and holds more than a mesh needs.
import { apiGroup, type KubernetesObject } from '../kubernetes-object.ts';
import type { ResourceProblem } from '../resource-problem.ts';

const usedKinds: ReadonlySet<string> = new Set([
  '/Namespace',
  '/Node',
  '/Pod',
  '/Service',
  '/ServiceAccount',
  '/ConfigMap',
  'apps/Deployment',
  'apps/StatefulSet',
  'apps/DaemonSet',
  'apps/ReplicaSet',
  'batch/Job',
  'discovery.k8s.io/EndpointSlice',
  'gateway.networking.k8s.io/Gateway',
  'gateway.networking.k8s.io/GatewayClass',
  'gateway.networking.k8s.io/HTTPRoute',
  'gateway.networking.k8s.io/TCPRoute',
  'networking.istio.io/DestinationRule',
  'networking.istio.io/ServiceEntry',
  'networking.istio.io/VirtualService',
  'networking.istio.io/WorkloadEntry',
  'security.istio.io/AuthorizationPolicy',
  'security.istio.io/PeerAuthentication',
  'telemetry.istio.io/Telemetry',
  'config.istio.io/metric',
  'config.istio.io/instance',
  'config.istio.io/prometheus',
  'config.istio.io/handler',
  'config.istio.io/rule',
  'extensions.istio.io/WasmPlugin',
]);

/** One note for all of them; none where every kind is used. */
export function unusedKindsProblem(objects: readonly KubernetesObject[]): readonly ResourceProblem[] {
  const unused = objects.filter((object) => !usedKinds.has(`${apiGroup(object)}/${object.kind}`));
  const names = new Set(unused.map((object) => `${object.kind} (${apiGroup(object) || 'v1'})`));
  if (names.size === 0) return [];
  const message = `kinds that are not used yet: ${[...names].sort().join(', ')}`;
  return [{ severity: 'note', message, remedy: 'they change nothing' }];
}
