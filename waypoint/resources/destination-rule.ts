// Reads a DestinationRule's subsets. In: a Kubernetes object. Out: the rule, and problems that name object and field; traffic policies are
// not served and told. Source: waypoint-telemetry.md §8.7.
import { Field, MalformedField } from '../../common/sources/field.ts';
import { type KubernetesObject, problemWith } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import type { DestinationRule, Subset } from './route-rules.ts';

export interface ParsedDestinationRule {
  readonly destinationRule: DestinationRule | undefined;
  readonly problems: readonly ResourceProblem[];
}

export function parseDestinationRule(object: KubernetesObject): ParsedDestinationRule {
  const spec = new Field('spec', object.spec);
  const problems: ResourceProblem[] = [];
  const tellPolicy = (policy: Field): void => {
    for (const [key, member] of policy.entries()) {
      // What tunnels do anyway, or do in spite of it.
      if (key === 'tls' && ['ISTIO_MUTUAL', 'DISABLE'].includes(member.at('mode').text())) continue;
      const message = 'is not served by waypoints here';
      const remedy = 'endpoints are picked and connections made without it';
      problems.push(problemWith(object, { severity: 'warning', field: member.path, message, remedy }));
    }
  };
  try {
    const { name, namespace, creationTimestamp } = object.metadata;
    if (!spec.at('workloadSelector').isAbsent) return { destinationRule: undefined, problems };
    tellPolicy(spec.at('trafficPolicy'));
    const subsets = spec
      .at('subsets')
      .items()
      .map((subset): Subset => {
        tellPolicy(subset.at('trafficPolicy'));
        return { name: subset.at('name').requiredText(), labels: subset.at('labels').textMap() };
      });
    const host = spec.at('host').requiredText();
    const exportTo = spec.at('exportTo').texts();
    return { destinationRule: { name, namespace, creationTimestamp, exportTo, host, subsets }, problems };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    const { path: field, message, remedy } = error;
    return {
      destinationRule: undefined,
      problems: [problemWith(object, { severity: 'error', field, message, remedy })],
    };
  }
}
