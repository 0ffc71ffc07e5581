// Peer metadata as the Struct that Istio's proxies exchange. In: the model. Out: the Struct with the fields that Istio 1.24 and later
// write; and back, from those and from what older ones wrote. Unknown fields are ignored. Source: waypoint-telemetry.md §5.1.
import type { WorkloadType } from '../hbone/baggage.ts';
import type { PeerMetadata } from './peer-metadata.ts';
import { isStruct, type Struct, type StructValue } from './struct-codec.ts';

const canonicalNameLabel = 'service.istio.io/canonical-name';
const canonicalRevisionLabel = 'service.istio.io/canonical-revision';
const workloadTypes: readonly WorkloadType[] = ['deployment', 'cronjob', 'pod', 'job'];

export function structOfMetadata(metadata: PeerMetadata): Struct {
  const { namespace, workloadName, workloadType } = metadata;
  const owner =
    workloadType === undefined || workloadName === ''
      ? ''
      : `kubernetes://apis/apps/v1/namespaces/${namespace}/${workloadType}s/${workloadName}`;
  const labels = present([
    ['app', metadata.app],
    [canonicalNameLabel, metadata.canonicalName],
    [canonicalRevisionLabel, metadata.canonicalRevision],
    ['version', metadata.version],
  ]);
  return new Map<string, StructValue>([
    ...present([
      ['AVAILABILITY_ZONE', metadata.zone],
      ['CLUSTER_ID', metadata.clusterId],
      ['IDENTITY', metadata.identity],
      ['NAME', metadata.instanceName],
      ['NAMESPACE', namespace],
      ['OWNER', owner],
      ['REGION', metadata.region],
      ['WORKLOAD_NAME', workloadName],
    ]),
    ['LABELS', labels],
  ]);
}

export function metadataOfStruct(struct: Struct): PeerMetadata {
  const found = struct.get('LABELS');
  const labels: Struct = isStruct(found) ? found : new Map();
  const workloadName = textAt(struct, 'WORKLOAD_NAME');
  return {
    clusterId: textAt(struct, 'CLUSTER_ID'),
    namespace: textAt(struct, 'NAMESPACE'),
    workloadName,
    workloadType: typeOfOwner(textAt(struct, 'OWNER'), workloadName),
    canonicalName: textAt(labels, canonicalNameLabel),
    canonicalRevision: textAt(labels, canonicalRevisionLabel),
    region: textAt(struct, 'REGION'),
    zone: textAt(struct, 'AVAILABILITY_ZONE'),
    instanceName: textAt(struct, 'NAME'),
    identity: textAt(struct, 'IDENTITY'),
    app: textAt(labels, 'app.kubernetes.io/name') || textAt(labels, 'app'),
    version: textAt(labels, 'app.kubernetes.io/version') || textAt(labels, 'version'),
  };
}

/** `…/deployments/ratings-v2` of the workload ratings-v2 is a deployment. */
function typeOfOwner(owner: string, workloadName: string): WorkloadType | undefined {
  const ending = `s/${workloadName}`;
  if (!owner.endsWith(ending)) return undefined;
  const last = owner.slice(0, -ending.length).split('/').at(-1);
  return workloadTypes.find((type) => type === last);
}

/** No name of Kubernetes is longer, nor is anything made of two; what is longer is to fill somebody's memory. */
const maxTextLength = 512;

export function textAt(struct: Struct, key: string): string {
  const value = struct.get(key);
  return typeof value === 'string' && value.length <= maxTextLength ? value : '';
}

function present(entries: readonly (readonly [string, string])[]): Map<string, StructValue> {
  return new Map(entries.filter(([, value]) => value !== ''));
}
