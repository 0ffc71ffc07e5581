// PeerAuthentication → DENY policies against callers without identity, and which of them a workload names.
// Levels: mesh, namespace, workload; UNSET inherits; at each level the oldest counts; DISABLE is as good as PERMISSIVE here.
// Source: istio-control.md §4.4, fixtures 50 to 54.
import type { AuthorizationPolicy, PolicyClause, PolicyMatch, PolicyRule } from '../../mesh/authorization-policy.ts';
import { policyKey } from '../../mesh/authorization-policy.ts';
import { isSubset, type Labels } from '../kinds/label-selector.ts';
import type { MtlsMode, PeerAuthentication } from '../kinds/peer-authentication.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { older } from './older.ts';

const withoutIdentity: PolicyMatch = { notPrincipals: [{ kind: 'presence' }] };

export interface PeerAuthentications {
  readonly all: readonly PeerAuthentication[];
  readonly rootNamespace: string;
}

/** The policies that PeerAuthentications make: the shared strict one where there are any, and one each for ports of its own. */
export function policiesFromPeerAuthentications(sources: PeerAuthentications): readonly AuthorizationPolicy[] {
  if (sources.all.length === 0) return [];
  const converted = sources.all.flatMap((source) => convertPorts(source, sources) ?? []);
  return [staticStrict(sources.rootNamespace), ...converted];
}

/** Keys of the policies that a workload names because of PeerAuthentications. */
export function peerAuthenticationKeys(
  namespace: string,
  labels: Labels,
  sources: PeerAuthentications,
): readonly string[] {
  const { own, mode } = mtlsModeOf(namespace, labels, sources);
  const ports = own && convertPorts(own, sources);
  if (ports !== undefined) return [policyKey(ports)];
  return mode === 'STRICT' ? [policyKey(staticStrict(sources.rootNamespace))] : [];
}

/** What holds for a workload: its own PeerAuthentication, whose ports may say otherwise, and the mode in general. */
export function mtlsModeOf(
  namespace: string,
  labels: Labels,
  sources: PeerAuthentications,
): { readonly own: PeerAuthentication | undefined; readonly mode: MtlsMode } {
  const own = oldest(sources, (source) => isOfWorkload(source, namespace, labels, sources));
  const isInherited = own === undefined || own.mode === 'UNSET';
  return { own, mode: isInherited ? inheritedMode(namespace, sources) : own.mode };
}

function staticStrict(rootNamespace: string): AuthorizationPolicy {
  return denyPolicy(rootNamespace, 'istio_converted_static_strict', [[[withoutIdentity]]]);
}

/** Undefined where its ports say nothing that the general mode does not say. */
function convertPorts(source: PeerAuthentication, sources: PeerAuthentications): AuthorizationPolicy | undefined {
  const { name, namespace } = source.object.metadata;
  if (source.selector === undefined || namespace === sources.rootNamespace) return undefined;
  const inherited = inheritedMode(namespace, sources);
  const mode = source.mode === 'UNSET' ? inherited : source.mode;
  const ports = [...source.portModes];
  const rules = mode === 'STRICT' ? strictExcept(source, inherited, ports) : ports.flatMap(strictPort);
  if (rules.length === 0) return undefined;
  return denyPolicy(namespace, `converted_peer_authentication_${name}`, rules);
}

/** One rule: no identity, and none of the exempt ports. None where no port is exempt. */
function strictExcept(
  source: PeerAuthentication,
  inherited: MtlsMode,
  ports: readonly (readonly [number, MtlsMode])[],
): readonly PolicyRule[] {
  const exempt = ports.filter(([, mode]) => mode === 'PERMISSIVE' || mode === 'DISABLE');
  if (exempt.length === 0) return [];
  const strict: PolicyClause = [withoutIdentity];
  return [
    [
      ...(source.mode === 'STRICT' ? [strict] : []),
      ...exempt.map(([port]): PolicyClause => [{ notDestinationPorts: [port] }]),
      ...(inherited === 'STRICT' ? [strict] : []),
    ],
  ];
}

function strictPort([port, mode]: readonly [number, MtlsMode]): readonly PolicyRule[] {
  return mode === 'STRICT' ? [[[{ ...withoutIdentity, destinationPorts: [port] }]]] : [];
}

function inheritedMode(namespace: string, sources: PeerAuthentications): MtlsMode {
  for (const level of [namespace, sources.rootNamespace]) {
    const source = oldest(
      sources,
      (candidate) => candidate.selector === undefined && candidate.object.metadata.namespace === level,
    );
    if (source !== undefined && source.mode !== 'UNSET') return source.mode;
  }
  return 'PERMISSIVE';
}

/** Selectors in the root namespace are not followed (fixture 52). */
function isOfWorkload(
  source: PeerAuthentication,
  namespace: string,
  labels: Labels,
  sources: PeerAuthentications,
): boolean {
  return (
    source.selector !== undefined &&
    namespace !== sources.rootNamespace &&
    source.object.metadata.namespace === namespace &&
    isSubset(source.selector, labels)
  );
}

function oldest(
  sources: PeerAuthentications,
  isCandidate: (source: PeerAuthentication) => boolean,
): PeerAuthentication | undefined {
  const candidates = sources.all.filter(isCandidate);
  const objects: readonly KubernetesObject[] = candidates.map(({ object }) => object);
  const [first, ...rest] = objects;
  if (first === undefined) return undefined;
  const chosen = rest.reduce(older, first);
  return candidates.find(({ object }) => object === chosen);
}

function denyPolicy(namespace: string, name: string, rules: readonly PolicyRule[]): AuthorizationPolicy {
  return { name, namespace, scope: 'workload-selector', action: 'deny', rules, dryRun: false };
}
