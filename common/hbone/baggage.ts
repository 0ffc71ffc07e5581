// The `baggage` header: what a workload says of itself to its peer (ztunnel.md §3.3, §3.4). Values in, text out, and back.
// No percent-encoding and no properties, as ztunnel writes and reads it.

export type WorkloadType = 'deployment' | 'cronjob' | 'pod' | 'job';

/** What is absent is "". */
export interface Baggage {
  readonly clusterId: string;
  readonly namespace: string;
  readonly workloadType: WorkloadType;
  readonly workloadName: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly region: string;
  readonly zone: string;
}

const workloadTypes: readonly WorkloadType[] = ['deployment', 'cronjob', 'pod', 'job'];
/** Beyond this, text is not worth reading: no name or label of Kubernetes is longer. */
const maxMembers = 64;

export function formatBaggage(baggage: Baggage): string {
  const members: [string, string][] = [
    ['k8s.cluster.name', baggage.clusterId],
    ['k8s.namespace.name', baggage.namespace],
    [`k8s.${baggage.workloadType}.name`, baggage.workloadName],
    ['service.name', baggage.canonicalName],
    ['service.version', baggage.canonicalRevision],
    ['cloud.region', baggage.region],
    ['cloud.availability_zone', baggage.zone],
  ];
  return members
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** All `baggage` lines of a head together; unknown keys are skipped, the last of a key counts. */
export function parseBaggage(lines: readonly string[]): Baggage {
  const values = new Map<string, string>();
  let workloadType: WorkloadType = 'deployment';
  for (const member of lines.flatMap((line) => line.split(',', maxMembers)).slice(0, maxMembers)) {
    const [rawKey = '', value = ''] = member.split('=');
    const key = rawKey.trim();
    const type = workloadTypes.find((candidate) => key === `k8s.${candidate}.name`);
    if (type) workloadType = type;
    values.set(type ? 'workload' : key, value.trim());
  }
  const textOf = (key: string): string => values.get(key) ?? '';
  return {
    clusterId: textOf('k8s.cluster.name'),
    namespace: textOf('k8s.namespace.name'),
    workloadType,
    workloadName: textOf('workload'),
    canonicalName: textOf('service.name'),
    canonicalRevision: textOf('service.version'),
    region: textOf('cloud.region'),
    zone: textOf('cloud.availability_zone'),
  };
}
