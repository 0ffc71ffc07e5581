// How a workload is spoken to on one of its ports when nothing stands before it. In: the workload and the port. Out: the way.
import type { Workload } from './workload.ts';

export type DirectProtocol = 'hbone' | 'sidecar' | 'plain';

/** A sidecar's own: statistics, readiness and Prometheus, which its redirection leaves out. */
const portsOfSidecar: ReadonlySet<number> = new Set([15_020, 15_021, 15_090]);

export function directProtocol({ tunnelProtocol, plaintextPorts }: Workload, port: number): DirectProtocol {
  if (tunnelProtocol === 'hbone') return 'hbone';
  const isPlain = tunnelProtocol === 'none' || portsOfSidecar.has(port) || plaintextPorts.includes(port);
  return isPlain ? 'plain' : 'sidecar';
}
