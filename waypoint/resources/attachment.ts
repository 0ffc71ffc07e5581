// What a policy-like resource (Telemetry, WasmPlugin) is attached to, and whether that means traffic of this waypoint.
// In: a resource's spec; a waypoint's traffic to one service. Out: the attachment; yes or no. Source: waypoint-telemetry.md §2.1, §2.4.
import type { Field } from '../../common/sources/field.ts';

export interface TargetReference {
  readonly kind: 'Gateway' | 'GatewayClass' | 'Service' | 'ServiceEntry';
  readonly name: string;
}

export type Attachment =
  | { readonly kind: 'namespace-wide' }
  /** Selects pods by label: never a waypoint. */
  | { readonly kind: 'selector' }
  | { readonly kind: 'targets'; readonly targets: readonly TargetReference[] };

/** Traffic of one waypoint to one service; without a service it is traffic to a pod address. */
export interface WaypointTraffic {
  readonly gateway: string;
  readonly namespace: string;
  readonly rootNamespace: string;
  readonly service: { readonly name: string; readonly namespace: string } | undefined;
}

const kinds = ['Gateway', 'GatewayClass', 'Service', 'ServiceEntry'] as const;
const maxTargets = 16;

/** @throws MalformedField */
export function parseAttachment(spec: Field, namespace: string): Attachment {
  const selector = spec.at('selector');
  const single = spec.at('targetRef');
  const several = spec.at('targetRefs');
  if (!selector.isAbsent && !(single.isAbsent && several.isAbsent)) {
    throw several.malformed('absent beside a selector', 'keep either selector or targetRefs');
  }
  const references = [...(single.isAbsent ? [] : [single]), ...several.items()];
  if (references.length > maxTargets) throw several.malformed(`at most ${maxTargets} targets`, 'split the resource');
  if (references.length > 0) {
    return { kind: 'targets', targets: references.map((reference) => parseTarget(reference, namespace)) };
  }
  const hasLabels = Object.keys(selector.at('matchLabels').textMap()).length > 0;
  return hasLabels ? { kind: 'selector' } : { kind: 'namespace-wide' };
}

function parseTarget(reference: Field, namespace: string): TargetReference {
  const kind = reference.at('kind').oneOf(kinds);
  if (kind === undefined)
    throw reference.at('kind').malformed(`one of ${kinds.join(', ')}`, 'name the kind of the target');
  const other = reference.at('namespace').text();
  if (other !== '' && other !== namespace) {
    throw reference
      .at('namespace')
      .malformed(`${namespace}`, 'a target is in the namespace of the resource: leave it out');
  }
  return { kind, name: reference.at('name').requiredText() };
}

/** @param namespace of the resource */
export function attachesTo(targets: readonly TargetReference[], namespace: string, traffic: WaypointTraffic): boolean {
  return targets.some((target) => {
    if (target.kind === 'Gateway') return namespace === traffic.namespace && target.name === traffic.gateway;
    if (target.kind === 'GatewayClass') return namespace === traffic.rootNamespace && target.name === 'istio-waypoint';
    return namespace === traffic.service?.namespace && target.name === traffic.service.name;
  });
}
