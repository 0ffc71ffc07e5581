// The condition `WaypointAccepted` of an AuthorizationPolicy with targetRefs: which waypoint enforces it, in istiod's words.
// A policy and what it may refer to in; status, reason and message out. Pure.
import type { Derivation } from '../../../common/sources/derive/derivation.ts';
import { bindWaypointOfService } from '../../../common/sources/derive/service-from-service.ts';
import { Field, MalformedField } from '../../../common/sources/field.ts';
import type { AuthorizationResource } from '../../../common/sources/kinds/authorization-policy.ts';
import type { KubernetesObject } from '../../../common/sources/kubernetes-object.ts';
import type { Condition } from './condition.ts';

export interface PolicyTargets {
  readonly derivation: Derivation;
  /** By `<namespace>/<name>`. */
  readonly services: ReadonlyMap<string, { readonly object: KubernetesObject }>;
  readonly serviceEntries: ReadonlyMap<string, { readonly object: KubernetesObject }>;
  readonly gatewayClasses: ReadonlyMap<string, KubernetesObject>;
}

type Said = Pick<Condition, 'status' | 'reason' | 'message'>;

interface TargetRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

export function policyBinding(policy: AuthorizationResource, targets: PolicyTargets): Said {
  try {
    return bindTargets(policy, targets);
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    return { status: 'False', reason: 'Invalid', message: `${error.path} ${error.message}` };
  }
}

function bindTargets({ object }: AuthorizationResource, targets: PolicyTargets): Said {
  const { namespace } = object.metadata;
  const references = targetRefsOf(object);
  const bindings = references.map((reference) => bindTarget(reference, namespace, targets));
  const [only] = bindings;
  if (only !== undefined && bindings.length === 1) return only;
  const refused = references.filter((_, index) => bindings[index]?.status === 'False');
  // istiod names the waypoint only where there is one reference.
  if (refused.length === 0) return { status: 'True', reason: 'Accepted', message: '' };
  const names = refused.map(({ group, kind, name }) => `${kind}.${group || 'core'}:${namespace}/${name}`);
  const message = `Invalid targetRefs: ${names.join(', ')}`;
  return refused.length < references.length
    ? { status: 'True', reason: 'PartiallyInvalid', message }
    : { status: 'False', reason: 'Invalid', message };
}

function targetRefsOf(object: KubernetesObject): readonly TargetRef[] {
  const spec = new Field('spec', object.spec);
  const several = spec.at('targetRefs').items();
  return (several.length > 0 ? several : [spec.at('targetRef')]).map((reference) => ({
    group: reference.at('group').text(),
    kind: reference.at('kind').text(),
    name: reference.at('name').text(),
  }));
}

const notBound: Said = { status: 'False', reason: 'TargetNotFound', message: 'not bound' };

function bindTarget({ kind, name }: TargetRef, namespace: string, targets: PolicyTargets): Said {
  const key = `${namespace}/${name}`;
  switch (kind) {
    case 'Gateway':
      return targets.derivation.waypoints.has(key) ? boundTo(key) : notBound;
    case 'GatewayClass':
      return bindClass(name, namespace, targets);
    case 'Service':
      return bindAncestor(kind, key, targets.services.get(key)?.object, targets.derivation);
    case 'ServiceEntry':
      return bindAncestor(kind, key, targets.serviceEntries.get(key)?.object, targets.derivation);
    default:
      return notBound;
  }
}

function bindAncestor(kind: string, key: string, object: KubernetesObject | undefined, derivation: Derivation): Said {
  if (object === undefined)
    return { status: 'False', reason: 'TargetNotFound', message: `${kind} ${key} was not found` };
  const binding = bindWaypointOfService(object.metadata, derivation);
  if (binding.kind === 'bound') return boundTo(`${binding.waypoint.namespace}/${binding.waypoint.name}`);
  return { status: 'False', reason: 'AncestorNotBound', message: `${kind} ${key} is not bound to a waypoint` };
}

const controllerName = 'istio.io/mesh-controller';

function bindClass(name: string, namespace: string, { derivation, gatewayClasses }: PolicyTargets): Said {
  const { rootNamespace } = derivation.settings;
  if (namespace !== rootNamespace) {
    const message = `AuthorizationPolicy must be in the root namespace \`${rootNamespace}\` when referencing a GatewayClass`;
    return { status: 'False', reason: 'Invalid', message };
  }
  const gatewayClass = gatewayClasses.get(name);
  if (gatewayClass === undefined) return notBound;
  if (new Field('spec', gatewayClass.spec).at('controllerName').value === controllerName) return boundTo(name);
  const message = `GatewayClass must use controller name \`${controllerName}\` for waypoints`;
  return { status: 'False', reason: 'Invalid', message };
}

function boundTo(waypoint: string): Said {
  return { status: 'True', reason: 'Accepted', message: `bound to ${waypoint}` };
}
