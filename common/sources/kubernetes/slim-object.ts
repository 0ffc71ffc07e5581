// An object of the API cut down to what is read of it, before it is kept: most of a Pod, of a Node and of an EndpointSlice is for
// others. JSON in, JSON of the same shape out; what is malformed stays as it is, for its parser to name.

type Json = Readonly<Record<string, unknown>>;

/** Annotations that nobody reads here, and that may be as large as the object. */
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

export function slimObject(kind: string, value: unknown): unknown {
  if (!isRecord(value)) return value;
  const metadata = slimMetadata(value['metadata']);
  switch (kind) {
    case 'Node':
      return { ...identityOf(value), metadata };
    case 'Pod':
      return {
        ...identityOf(value),
        metadata,
        spec: slimPodSpec(value['spec']),
        status: slimPodStatus(value['status']),
      };
    case 'Service':
      return { ...identityOf(value), metadata, spec: value['spec'], ...conditionsOf(value['status']) };
    case 'Namespace':
      return { ...identityOf(value), metadata };
    case 'EndpointSlice': {
      const { addressType, ports } = value;
      return {
        ...identityOf(value),
        metadata,
        addressType,
        ports,
        endpoints: mapList(value['endpoints'], slimEndpoint),
      };
    }
    default:
      return { ...value, metadata };
  }
}

/** What the mesh itself says of a Service stands there. */
function conditionsOf(status: unknown): Json {
  const conditions = isRecord(status) ? status['conditions'] : undefined;
  return conditions === undefined ? {} : { status: { conditions } };
}

function identityOf({ apiVersion, kind }: Json): Json {
  return { apiVersion, kind };
}

function slimMetadata(metadata: unknown): unknown {
  if (!isRecord(metadata)) return metadata;
  const { managedFields: _, annotations, ...kept } = metadata;
  if (!isRecord(annotations)) return annotations === undefined ? kept : { ...kept, annotations };
  const used = Object.entries(annotations).filter(([name]) => name !== lastApplied && name.includes('istio.io/'));
  return { ...kept, annotations: Object.fromEntries(used) };
}

function slimPodSpec(spec: unknown): unknown {
  if (!isRecord(spec)) return spec;
  const { nodeName, serviceAccountName, serviceAccount, hostNetwork } = spec;
  return {
    nodeName,
    serviceAccountName,
    serviceAccount,
    hostNetwork,
    containers: mapList(spec['containers'], ({ ports }) => ({ ports })),
    initContainers: mapList(spec['initContainers'], ({ restartPolicy, ports }) => ({ restartPolicy, ports })),
  };
}

function slimPodStatus(status: unknown): unknown {
  if (!isRecord(status)) return status;
  const { phase, podIP, podIPs, conditions } = status;
  const ready = Array.isArray(conditions)
    ? conditions.filter((condition) => !isRecord(condition) || condition['type'] === 'Ready')
    : conditions;
  return { phase, podIP, podIPs, conditions: mapList(ready, ({ type, status: state }) => ({ type, status: state })) };
}

/** An endpoint that is a pod is known by its pod. */
function slimEndpoint(endpoint: Json): Json {
  const { addresses, conditions, targetRef } = endpoint;
  if (!isRecord(targetRef)) return { addresses, conditions };
  const { kind, namespace, name, uid } = targetRef;
  const target = { targetRef: { kind, namespace, name, uid } };
  return kind === 'Pod' ? target : { addresses, conditions, ...target };
}

function mapList(list: unknown, change: (entry: Json) => Json): unknown {
  return Array.isArray(list) ? list.map((entry: unknown) => (isRecord(entry) ? change(entry) : entry)) : list;
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
