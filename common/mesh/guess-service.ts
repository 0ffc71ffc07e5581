// Which of a workload's services a client meant, for telemetry only: the name the client forwarded decides, else the first
// service that leads to the port in question. Source: ztunnel.md §4.6, last line.
import { MadeBefore } from '../made-before.ts';
import type { MeshView } from './mesh-view.ts';
import { targetPortOf } from './pick-endpoint.ts';
import type { Service } from './service.ts';
import type { NamespacedHostname, Workload } from './workload.ts';

export interface ServiceGuess {
  readonly mesh: MeshView;
  readonly workload: Workload;
  /** Named by the request itself: no other comes into question. */
  readonly requested: Service | undefined;
  /** `host` of the `forwarded` header. */
  readonly forwardedHost: string | undefined;
  /** The port that is connected to. */
  readonly upstreamPort: number;
}

export function guessService(facts: ServiceGuess): Service | undefined {
  const { mesh, workload, forwardedHost, upstreamPort } = facts;
  if (facts.requested !== undefined) return facts.requested;
  let byPort: Service | undefined;
  for (const [key, ports] of workload.services) {
    const service = mesh.serviceByKey(names.get(key));
    if (service === undefined) continue;
    if (service.hostname === forwardedHost) return service;
    byPort ??= leadsTo(service, { ports, workload }, upstreamPort) ? service : undefined;
  }
  return byPort;
}

/** Every connection to a workload asks for its services. */
const names = new MadeBefore(1_024, (key: string): NamespacedHostname => {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), hostname: key.slice(slash + 1) };
});

function leadsTo(service: Service, endpoint: Parameters<typeof targetPortOf>[1], port: number): boolean {
  return service.ports.some(({ servicePort }) => targetPortOf(service, endpoint, servicePort, 'service') === port);
}
