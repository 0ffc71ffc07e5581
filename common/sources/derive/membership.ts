// Which services a workload belongs to, and on which of its ports each service port ends.
// A named port that the workload does not have is left out for that workload. Source: istio-control.md §3.3, fixture 11.
import type { ServicePort } from '../../mesh/workload.ts';
import { isSubset, type Labels } from '../kinds/label-selector.ts';
import type { ContainerPort } from '../kinds/pod.ts';
import type { TargetPort } from '../kinds/service.ts';

/** What a service asks of its members. */
export interface SelectingService {
  /** `<namespace>/<hostname>`. */
  readonly key: string;
  readonly namespace: string;
  readonly selector: Labels;
  readonly origin: 'service' | 'service-entry';
  readonly ports: readonly SelectingPort[];
}

export interface SelectingPort {
  readonly name: string;
  readonly servicePort: number;
  readonly targetPort: TargetPort;
}

/** How a kind of workload finds its own port for a service's; undefined: it has none. */
export type PortResolver = (port: SelectingPort, service: SelectingService) => number | undefined;

/** An empty selector selects nothing. */
export function selects(service: SelectingService, namespace: string, labels: Labels): boolean {
  return (
    service.namespace === namespace && Object.keys(service.selector).length > 0 && isSubset(service.selector, labels)
  );
}

export function membershipOf(
  services: readonly SelectingService[],
  resolve: PortResolver,
): ReadonlyMap<string, readonly ServicePort[]> {
  return new Map(
    services.map((service) => [
      service.key,
      service.ports.flatMap((port): ServicePort[] => {
        const targetPort = resolve(port, service);
        return targetPort === undefined ? [] : [{ servicePort: port.servicePort, targetPort, appProtocol: 'unknown' }];
      }),
    ]),
  );
}

/** A Service's named target is a container's TCP port; a ServiceEntry's port may be one too, by its own name. */
export function podPortResolver(containerPorts: readonly ContainerPort[]): PortResolver {
  const byName = (name: string): number | undefined =>
    name === '' ? undefined : containerPorts.find((port) => port.name === name && port.protocol === 'TCP')?.port;
  return ({ name, targetPort }, { origin }) => {
    if (targetPort.kind === 'name') return byName(targetPort.name);
    return origin === 'service-entry' ? (byName(name) ?? targetPort.port) : targetPort.port;
  };
}

/** @param ports those an entry gives by name; they win over the service's own number */
export function entryPortResolver(ports: Readonly<Record<string, number>>): PortResolver {
  return ({ name, targetPort }) =>
    targetPort.kind === 'name' ? ports[targetPort.name] : (ports[name] ?? targetPort.port);
}
