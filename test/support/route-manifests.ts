// Routes for tests, written as users write them: manifest texts in, what the waypoint makes of them out.
import { parseManifest } from '../../common/sources/manifests/manifest-parser.ts';
import { formatResourceProblem } from '../../common/sources/resource-problem.ts';
import { readWaypointResources } from '../../waypoint/resources/waypoint-resources.ts';

export function readRoutes(...texts: readonly string[]) {
  const objects = texts.flatMap((text, index) => {
    const parsed = parseManifest(text, `${index}.yaml`);
    if (parsed.state === 'broken') throw new Error(JSON.stringify(parsed.problems));
    return parsed.objects;
  });
  const { routes, destinationRules, problems } = readWaypointResources(objects);
  return { routes, destinationRules, problems: problems.map(formatResourceProblem) };
}

/** @param spec in YAML, unindented */
export function routeManifest(kind: string, name: string, spec: string, namespace = 'default'): string {
  const groups: Record<string, string> = {
    VirtualService: 'networking.istio.io/v1',
    DestinationRule: 'networking.istio.io/v1',
    HTTPRoute: 'gateway.networking.k8s.io/v1',
    TCPRoute: 'gateway.networking.k8s.io/v1alpha2',
  };
  return `
apiVersion: ${groups[kind]}
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace} }
spec:
${spec.trim().replace(/^/gm, '  ')}
---`;
}
