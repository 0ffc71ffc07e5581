// Which pods stand behind which port of a service, as kube-proxy and cluster DNS see it: ready pods of the same
// namespace that the selector picks. Finished objects in, plain addresses and ports out.
import { countOf, fieldsOf, type KubernetesObject, listOf, namespaceOf, textOf, textsOf } from './kubernetes-object.ts';

export interface ServiceTarget {
  readonly namespace: string;
  readonly name: string;
  /** Undefined: headless. */
  readonly clusterIp: string | undefined;
  readonly ports: readonly PortTarget[];
  readonly pods: readonly { readonly name: string; readonly ip: string }[];
}

export interface PortTarget {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  readonly endpoints: readonly { readonly ip: string; readonly port: number }[];
}

export function serviceTargets(objects: readonly KubernetesObject[]): readonly ServiceTarget[] {
  const pods = objects.filter((object) => object.kind === 'Pod');
  return objects
    .filter((object) => object.kind === 'Service' && fieldsOf(object['spec'])['type'] !== 'ExternalName')
    .map((service) => targetOf(service, pods))
    .sort((left, right) => (`${left.namespace}/${left.name}` < `${right.namespace}/${right.name}` ? -1 : 1));
}

function targetOf(service: KubernetesObject, allPods: readonly KubernetesObject[]): ServiceTarget {
  const spec = fieldsOf(service['spec']);
  const namespace = namespaceOf(service);
  const selector = Object.entries(textsOf(spec['selector']));
  const everyState = spec['publishNotReadyAddresses'] === true;
  const pods = allPods.filter((pod) => {
    const labels = textsOf(pod.metadata.labels);
    const selected = selector.length > 0 && selector.every(([key, value]) => labels[key] === value);
    return selected && namespaceOf(pod) === namespace && (everyState || isReady(pod));
  });
  const clusterIp = textOf(spec['clusterIP']);
  return {
    namespace,
    name: service.metadata.name,
    clusterIp: clusterIp === 'None' ? undefined : clusterIp,
    ports: listOf(spec['ports'])
      .map((entry) => portTarget(fieldsOf(entry), pods))
      .filter((port) => port.port > 0),
    pods: pods.flatMap((pod) => {
      const ip = ipOf(pod);
      return ip === undefined ? [] : [{ name: pod.metadata.name, ip }];
    }),
  };
}

function portTarget(entry: Readonly<Record<string, unknown>>, pods: readonly KubernetesObject[]): PortTarget {
  const port = countOf(entry['port'], 0);
  const protocol = textOf(entry['protocol']) === 'UDP' ? 'udp' : 'tcp';
  const target = entry['targetPort'] ?? port;
  return {
    port,
    protocol,
    endpoints: pods.flatMap((pod) => {
      const ip = ipOf(pod);
      const podPort = typeof target === 'number' ? target : namedPort(pod, target, protocol);
      return ip === undefined || podPort === undefined ? [] : [{ ip, port: podPort }];
    }),
  };
}

function namedPort(pod: KubernetesObject, name: unknown, protocol: string): number | undefined {
  for (const container of listOf(fieldsOf(pod['spec'])['containers'])) {
    for (const entry of listOf(fieldsOf(container)['ports']).map(fieldsOf)) {
      const same = (textOf(entry['protocol']) ?? 'TCP').toLowerCase() === protocol;
      if (entry['name'] === name && same) return countOf(entry['containerPort'], 0) || undefined;
    }
  }
  return undefined;
}

function isReady(pod: KubernetesObject): boolean {
  const conditions = listOf(fieldsOf(pod['status'])['conditions']).map(fieldsOf);
  return conditions.some((condition) => condition['type'] === 'Ready' && condition['status'] === 'True');
}

function ipOf(pod: KubernetesObject): string | undefined {
  return textOf(fieldsOf(pod['status'])['podIP']);
}
