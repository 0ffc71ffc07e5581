// A PeerAuthentication: which workloads demand mutual TLS, in general and by port.
// A Kubernetes object in, the narrowed policy out; one that cannot be read counts as STRICT, the closed reading.
import { parsePort } from '../../net/address.ts';
import { Field, MalformedField } from '../field.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import type { Labels } from './label-selector.ts';

export type MtlsMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT';

export interface PeerAuthentication {
  readonly object: KubernetesObject;
  /** Undefined: the namespace, or in the root namespace the mesh. */
  readonly selector: Labels | undefined;
  readonly mode: MtlsMode;
  /** By port of the workload, in ascending order. */
  readonly portModes: ReadonlyMap<number, MtlsMode>;
}

/** @throws MalformedField */
export function parsePeerAuthentication(object: KubernetesObject): PeerAuthentication {
  const spec = new Field('spec', object.spec);
  spec.onlyMembers(['selector', 'mtls', 'portLevelMtls']);
  spec.at('selector').onlyMembers(['matchLabels']);
  const ports = spec
    .at('portLevelMtls')
    .entries()
    .map(([port, field]) => [portNumber(port, field), parseMode(field)] as const);
  return {
    object,
    selector: parseSelector(spec),
    mode: parseMode(spec.at('mtls')),
    portModes: new Map(ports.sort(([a], [b]) => a - b)),
  };
}

/** STRICT for the workloads it selects, or for the whole namespace where the selector is unclear too. */
export function unreadablePeerAuthentication(object: KubernetesObject): PeerAuthentication {
  const strict = { object, mode: 'STRICT' as const, portModes: new Map<number, MtlsMode>() };
  try {
    return { ...strict, selector: parseSelector(new Field('spec', object.spec)) };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    return { ...strict, selector: undefined };
  }
}

function parseSelector(spec: Field): Labels | undefined {
  const labels = spec.at('selector').at('matchLabels').textMap();
  return Object.keys(labels).length === 0 ? undefined : labels;
}

function parseMode(field: Field): MtlsMode {
  field.onlyMembers(['mode']);
  return field.at('mode').oneOf(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'] as const) ?? 'UNSET';
}

function portNumber(text: string, field: Field): number {
  const port = parsePort(text);
  if (port !== undefined && port > 0) return port;
  throw new MalformedField(field.path, 'is for no port number', 'write a port of the workload, from 1 to 65535');
}
