// Which of a workload's services a client meant, for telemetry only: the name the client forwarded decides, else the first
// service that leads to the port in question. Source: ztunnel.md §4.6, last line.
import type { MeshView } from './mesh-view.ts';
import { targetPortOf } from './pick-endpoint.ts';
import type { Service } from './service.ts';
import type { Workload } from './workload.ts';

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
    const slash = key.indexOf('/');
    const service = mesh.serviceByKey({ namespace: key.slice(0, slash), hostname: key.slice(slash + 1) });
    if (service === undefined) continue;
    if (service.hostname === forwardedHost) return service;
    byPort ??= leadsTo(service, { ports, workload }, upstreamPort) ? service : undefined;
  }
  return byPort;
}

function leadsTo(service: Service, endpoint: Parameters<typeof targetPortOf>[1], port: number): boolean {
  return service.ports.some(({ servicePort }) => targetPortOf(service, endpoint, servicePort, 'service') === port);
}
