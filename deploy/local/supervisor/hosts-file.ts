// The /etc/hosts that stands in for cluster DNS, one text per Kubernetes namespace: services by every form of their
// name (short only inside their own namespace), headless ones by their pods, pods by their own names where no service
// has that name: in a cluster only services are found by a short name, so a service wins.
import type { ServiceTarget } from '../materialize/service-endpoints.ts';

export interface NamedPod {
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
}

export function hostsFileOf(
  namespace: string,
  services: readonly ServiceTarget[],
  pods: readonly NamedPod[],
  clusterDomain: string,
): string {
  const lines = ['127.0.0.1 localhost', '::1 localhost ip6-localhost ip6-loopback'];
  const taken = new Set(services.filter((service) => service.namespace === namespace).map(({ name }) => name));
  for (const pod of pods) {
    if (pod.namespace === namespace && !taken.has(pod.name)) lines.push(`${pod.ip} ${pod.name}`);
  }
  for (const service of services) {
    const names = namesOf(service, namespace, clusterDomain);
    if (service.clusterIp !== undefined) lines.push(`${service.clusterIp} ${names.join(' ')}`);
    else {
      for (const pod of service.pods) {
        const own = names.map((name) => `${pod.name}.${name}`);
        lines.push(`${pod.ip} ${[...own, ...names].join(' ')}`);
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

function namesOf(service: ServiceTarget, namespace: string, clusterDomain: string): readonly string[] {
  const full = `${service.name}.${service.namespace}`;
  const names = [`${full}.svc.${clusterDomain}`, `${full}.svc`, full];
  return service.namespace === namespace ? [...names, service.name] : names;
}
